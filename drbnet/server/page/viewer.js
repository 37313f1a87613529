"use strict";
// Two pictures of one size over each other, the upper one cut at a handle. A picture's pixel is a whole number of the
// screen's, but for "Fit"; the handle moves over what is seen of the picture, so that it is always in sight.

const ZOOMS = [["fit", "Fit"], ["1", "1:1"], ["2", "2:1"], ["4", "4:1"]];
const BLINK = 700; // ms
const STEP = 60; // px that an arrow key moves

const byId = (id) => document.getElementById(id);
const view = { zoom: "fit", x: 0, y: 0, scale: 1, split: 50, width: 0, height: 0, blink: 0 };

function layOut() {
  const frame = byId("frame"), screen = 1 / devicePixelRatio;
  const { clientWidth: across, clientHeight: down } = frame;
  if (!view.width || !across) return;
  const fit = Math.min(across / view.width, down / view.height, screen);
  view.scale = view.zoom === "fit" ? fit : Number(view.zoom) * screen;
  const [width, height] = [view.width * view.scale, view.height * view.scale];
  const place = (at, size, room) => {
    const inside = size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at));
    return Math.round(inside / screen) * screen; // else all pixels would be mixed with their neighbours
  };
  view.x = place(view.x, width, across);
  view.y = place(view.y, height, down);
  for (const id of ["before", "after"]) {
    Object.assign(byId(id).style, { left: `${view.x}px`, top: `${view.y}px`, width: `${width}px`, height: `${height}px` });
  }
  const first = Math.max(0, view.x), last = Math.min(across, view.x + width);
  const cut = first + (last - first) * view.split / 100;
  byId("before-part").style.clipPath = `inset(0 ${across - cut}px 0 0)`;
  byId("handle").style.left = `${cut}px`;
  byId("split").value = view.split;
  frame.classList.toggle("large", Number(view.zoom) >= 2);
  frame.classList.toggle("movable", isMovable());
  for (const input of document.querySelectorAll("#zooms input")) input.checked = input.value === view.zoom;
}

const isMovable = () => {
  const frame = byId("frame");
  return view.width * view.scale > frame.clientWidth + 1 || view.height * view.scale > frame.clientHeight + 1;
};

// What lies under (x, y) of the frame stays there.
function zoomTo(zoom, x = byId("frame").clientWidth / 2, y = byId("frame").clientHeight / 2) {
  const [px, py] = [(x - view.x) / view.scale, (y - view.y) / view.scale];
  view.zoom = zoom;
  layOut(); // for the scale
  [view.x, view.y] = [x - px * view.scale, y - py * view.scale];
  layOut();
}

function slide(clientX) {
  const frame = byId("frame"), box = frame.getBoundingClientRect();
  const first = Math.max(0, view.x), last = Math.min(frame.clientWidth, view.x + view.width * view.scale);
  splitAt(100 * (clientX - box.left - first) / (last - first));
}

function splitAt(value) {
  view.split = Math.max(0, Math.min(100, value));
  layOut();
}

function move(dx, dy) {
  view.x += dx;
  view.y += dy;
  layOut();
}

function toggleBlink() {
  if (view.blink) { stopBlinking(); splitAt(50); return; }
  view.blink = setInterval(() => splitAt(view.split === 100 ? 0 : 100), BLINK);
  splitAt(100);
  byId("blink").ariaPressed = "true";
}

function stopBlinking() {
  clearInterval(view.blink);
  view.blink = 0;
  byId("blink").ariaPressed = "false";
}

// Both pictures are decoded before either is shown.
async function showPictures(before, after) {
  byId("before").src = before;
  byId("after").src = after;
  await Promise.all([byId("before").decode(), byId("after").decode()]);
  [view.width, view.height] = [byId("after").naturalWidth, byId("after").naturalHeight];
  Object.assign(view, { zoom: "fit", split: 50, x: 0, y: 0 });
  byId("frame").hidden = false;
  layOut();
}

function hidePictures() {
  stopBlinking();
  view.width = 0;
  for (const id of ["before", "after"]) byId(id).removeAttribute("src");
}

function startViewer() {
  const frame = byId("frame");
  for (const [value, title] of ZOOMS) {
    const label = document.createElement("label"), input = document.createElement("input"), text = document.createElement("span");
    Object.assign(input, { type: "radio", name: "zoom", value });
    input.addEventListener("change", () => zoomTo(value));
    text.textContent = title;
    label.append(input, text);
    byId("zooms").append(label);
  }
  byId("split").addEventListener("input", () => { stopBlinking(); splitAt(Number(byId("split").value)); });
  byId("blink").addEventListener("click", toggleBlink);
  let at = null, sliding = false;
  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    frame.setPointerCapture(event.pointerId);
    at = [event.clientX, event.clientY];
    sliding = event.target.id === "handle" || !isMovable();
    stopBlinking();
    if (sliding) slide(event.clientX);
    else frame.classList.add("moving");
  });
  frame.addEventListener("pointermove", (event) => {
    if (!at || !frame.hasPointerCapture(event.pointerId)) return;
    if (sliding) slide(event.clientX);
    else move(event.clientX - at[0], event.clientY - at[1]);
    at = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) {
    frame.addEventListener(end, () => { at = null; frame.classList.remove("moving"); });
  }
  frame.addEventListener("dblclick", (event) => {
    const box = frame.getBoundingClientRect();
    zoomTo(view.zoom === "fit" ? "1" : "fit", event.clientX - box.left, event.clientY - box.top);
  });
  frame.addEventListener("wheel", (event) => {
    if (!isMovable() || event.ctrlKey) return;
    event.preventDefault();
    move(-event.deltaX, -event.deltaY);
  }, { passive: false });
  frame.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
    if (!way || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    move(...way);
  });
  document.addEventListener("keydown", (event) => {
    if (byId("viewer").hidden || event.altKey || event.ctrlKey || event.metaKey) return;
    const key = event.key.toLowerCase();
    if (key === "b") toggleBlink();
    else if (key === "z") zoomTo(ZOOMS[(ZOOMS.findIndex(([value]) => value === view.zoom) + 1) % ZOOMS.length][0]);
  });
  new ResizeObserver(layOut).observe(frame);
}

// An opened pair: before and after, correlation over the picture, shift field.

const FLAT = 255, IN_FOCUS = 1;
const FACTORS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const MODES = [["slider", "Before / after"], ["map", "Correlation"], ["field", "Shift field"]];
const ZOOMS = [["fit", "Fit"], ["1", "1 : 1"], ["2", "2 ×"], ["4", "4 ×"]];
const BLINK = 650; // ms a picture: slow enough for all eyes

// Colours of the correlation, from 0 to 1: dark blue, green, yellow (M. Kuhn's viridis, at ten places).
const RAMP = ["#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"]
  .map((text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)));

const viewer = {
  row: null, list: [], details: null, maps: null, reachable: true,
  mode: "slider", zoom: "fit", split: 50, plane: "zero", opacity: 70, outline: true, factor: null, blink: 0,
};

function colourOf(value) {
  const at = Math.max(0, Math.min(1, value)) * (RAMP.length - 1);
  const low = Math.min(RAMP.length - 2, Math.floor(at)), part = at - low;
  return RAMP[low].map((from, i) => Math.round(from + part * (RAMP[low + 1][i] - from)));
}

async function openPair(row, list) {
  viewer.row = row;
  viewer.list = list;
  viewer.factor = null;
  stopBlinking();
  byId("pair-name").textContent = row.name;
  byId("pair-verdict").replaceWith(Object.assign(verdictElement(row.verdict), { id: "pair-verdict" }));
  const position = list.indexOf(row);
  byId("previous").disabled = position <= 0;
  byId("next").disabled = position < 0 || position >= list.length - 1;
  if (!byId("viewer").open) byId("viewer").showModal();
  history.replaceState(null, "", `#pair=${row.id}`);
  try {
    const details = await detailsOf(row);
    const maps = await mapsOf(details);
    if (viewer.row !== row) return; // another one was opened meanwhile
    Object.assign(viewer, { details, maps });
  } catch (error) {
    if (viewer.row !== row) return;
    Object.assign(viewer, { details: null, maps: null });
    byId("stage").hidden = true;
    byId("controls").replaceChildren();
    byId("facts").replaceChildren(element("p", {}, `${error.message}. Keep the folder ${DATA.folder} with the page.`));
    return;
  }
  byId("stage").hidden = false;
  showPictures();
  showFacts();
  showView();
}

// The small copies at once, then the dataset's own pictures where they are found.
function showPictures() {
  const { row, details } = viewer;
  for (const which of ["input", "target"]) {
    const shown = byId(`${which}-picture`);
    shown.src = `data:image/jpeg;base64,${details[`${which}_picture`]}`;
    const name = which === "input" ? details.name : details.target, url = originalOf(name);
    if (!viewer.reachable || url === null || !/\.(png|jpe?g)$/i.test(name)) continue;
    const original = new Image();
    original.onload = () => { if (viewer.row === row) { shown.src = url; showFacts(); } };
    original.onerror = () => { viewer.reachable = false; if (viewer.row === row) showFacts(); };
    original.src = url;
  }
}

function showFacts() {
  const { details, row } = viewer;
  const numbers = [];
  const add = (term, value) => { if (value) numbers.push(element("dt", {}, term), element("dd", {}, value)); };
  const known = (value, digits, error, unit) => value === null ? null :
    `${number(value, digits)}${error === null ? "" : ` ± ${number(error, digits)}`}${unit}`;
  if (row.length !== null) {
    add("Shift", `${number(row.length, 2)} px: ${away(row.shift_y, row.shift_x)}`);
    add("where", `at y ${Math.round(details.at_y)}, x ${Math.round(details.at_x)}`);
  }
  add("Correlation", known(details.correlation, 3, null, " in focus"));
  add("at best", known(details.best, 3, null, ` within ${DATA.about.options.radius} px`));
  add("In focus", percent(details.in_focus));
  add("Astray", details.fit_y === null ? null : percent(details.astray));
  const fit = numbers.splice(0);
  if (details.fit_y !== null) {
    add("Down", known(details.fit_y, 3, details.fit_y_error, " px"));
    add("Right", known(details.fit_x, 3, details.fit_x_error, " px"));
    add("Rotation", known(details.rotation, 3, details.rotation_error, "°"));
    add("Scale", known(details.scale, 5, details.scale_error, ""));
    add("Residual", known(details.residual, 3, null, " px"));
    add("centre", `y ${Math.round(details.centre_y)}, x ${Math.round(details.centre_x)}`);
  }
  const files = element("dl");
  for (const [term, name] of [["Input", details.name], ["Target", details.target]]) {
    const url = originalOf(name);
    files.append(element("dt", {}, term), element("dd", {}, url ? element("a", { href: url, target: "_blank", rel: "noopener" }, name) : name));
  }
  files.append(element("dt", {}, "Size"), element("dd", {}, `${details.height} × ${details.width} px`));
  const original = ["input", "target"].every((which) => !byId(`${which}-picture`).src.startsWith("data:"));
  const list = (texts) => element("ul", {}, ...texts.map((text) => element("li", {}, text)));
  byId("facts").replaceChildren(
    element("h3", {}, "Why"), list(details.reasons),
    ...(details.remarks.length ? [element("h3", {}, "The files"), list(details.remarks)] : []),
    element("h3", {}, "Found"), element("dl", {}, ...fit),
    ...(numbers.length ? [element("h3", {}, "Fitted similarity"), element("dl", {}, ...numbers)] : []),
    element("h3", {}, "Pictures"), files,
    element("p", { className: "missing" }, original ? "Shown at full size, from the dataset." :
      "Small copies are shown: the dataset's own pictures are not where they were, or no browser shows them."),
    element("h3", {}, "Keys"),
    element("p", { className: "missing" }, "N, P: next, previous · 1, 2, 3: views · Z: zoom · B: blink · Esc: close"),
  );
}

function showView() {
  if (!viewer.details) return;
  const { mode, details } = viewer;
  if (mode !== "slider") stopBlinking();
  for (const input of document.querySelectorAll("#modes input")) input.checked = input.value === mode;
  for (const input of document.querySelectorAll("#zooms input")) input.checked = input.value === viewer.zoom;
  const stage = byId("stage");
  stage.classList.toggle("grey", mode === "map");
  stage.classList.toggle("dim", mode === "field");
  for (const [id, only] of [["map", "map"], ["field", "field"], ["handle", "slider"], ["tag-left", "slider"], ["tag-right", "slider"]]) {
    byId(id).style.display = mode === only ? "" : "none";
  }
  byId("input-picture").style.clipPath = "";
  const lost = byId("controls").contains(document.activeElement);
  byId("controls").replaceChildren(...{ slider: sliderControls, map: mapControls, field: fieldControls }[mode]());
  if (lost) byId("frame").focus({ preventScroll: true }); // else the keys would go nowhere
  if (mode === "slider") split(viewer.split);
  if (mode === "map") drawMap();
  if (mode === "field") drawField(details);
  layOut();
}

function layOut() {
  if (!viewer.details || !byId("viewer").open) return;
  const { height, width, at_y: y, at_x: x } = viewer.details, frame = byId("frame"), stage = byId("stage");
  const fit = Math.min(frame.clientWidth / width, frame.clientHeight / height);
  const scale = viewer.zoom === "fit" ? fit : Number(viewer.zoom);
  const changed = stage.dataset.scale !== String(scale);
  stage.style.width = `${width * scale}px`;
  stage.style.height = `${height * scale}px`;
  stage.classList.toggle("large", scale >= 2);
  stage.dataset.scale = scale;
  if (changed && viewer.zoom !== "fit") {
    frame.scrollTo(((x ?? width / 2) * scale) - frame.clientWidth / 2, ((y ?? height / 2) * scale) - frame.clientHeight / 2);
  }
}

function range(label, properties, oninput, className = "") {
  const input = element("input", { type: "range", ...properties });
  input.addEventListener("input", () => oninput(Number(input.value)));
  return element("label", { className }, label, input);
}

function sliderControls() {
  const blink = element("button", { type: "button", id: "blink", ariaPressed: String(Boolean(viewer.blink)), onclick: toggleBlink }, "Blink");
  const slide = range("Input", { id: "split", min: 0, max: 100, step: 0.5, value: viewer.split, ariaLabel: "Part of the width that shows the input" },
    (value) => { stopBlinking(); split(value); }, "wide");
  slide.append("Target");
  return [slide, blink];
}

function split(value) {
  viewer.split = Math.max(0, Math.min(100, value));
  byId("input-picture").style.clipPath = `inset(0 ${100 - viewer.split}% 0 0)`;
  byId("handle").style.left = `${viewer.split}%`;
  if (byId("split")) byId("split").value = viewer.split;
}

function toggleBlink() {
  if (viewer.blink) { stopBlinking(); split(50); return; }
  viewer.blink = setInterval(() => split(viewer.split === 100 ? 0 : 100), BLINK);
  split(100);
  byId("blink").ariaPressed = "true";
}

function stopBlinking() {
  if (!viewer.blink) return;
  clearInterval(viewer.blink);
  viewer.blink = 0;
  if (byId("blink")) byId("blink").ariaPressed = "false";
}

function mapControls() {
  const select = element("select", { id: "plane" },
    element("option", { value: "zero" }, "at zero shift"),
    element("option", { value: "best" }, `best within ${DATA.about.options.radius} px`));
  select.value = viewer.plane;
  select.addEventListener("change", () => { viewer.plane = select.value; drawMap(); });
  const outline = element("input", { type: "checkbox", checked: viewer.outline });
  outline.addEventListener("change", () => { viewer.outline = outline.checked; drawMap(); });
  const ramp = element("span", { className: "ramp" });
  ramp.style.background = `linear-gradient(90deg, ${RAMP.map((c) => `rgb(${c})`).join()})`;
  return [
    element("label", {}, "Correlation", select),
    range("Opacity", { min: 0, max: 100, value: viewer.opacity }, (value) => { viewer.opacity = value; drawMap(); }),
    element("label", {}, outline, "Outline what is in focus"),
    element("span", { className: "legend" }, "0", ramp, "1"),
    element("output", { id: "readout", className: "legend" }, "clear: flat"),
  ];
}

function drawMap() {
  const { details: { rows, columns, stride, width, height }, maps, plane, opacity, outline } = viewer;
  const small = new OffscreenCanvas(columns, rows), pen = small.getContext("2d"), picture = pen.createImageData(columns, rows);
  maps[plane].forEach((code, i) => {
    if (code !== FLAT) picture.data.set([...colourOf(code / 127 - 1), 255 * opacity / 100], 4 * i);
  });
  pen.putImageData(picture, 0, 0);
  const canvas = byId("map"), draw = canvas.getContext("2d");
  [canvas.width, canvas.height] = [width, height];
  draw.imageSmoothingQuality = "high";
  draw.drawImage(small, 0, 0, columns * stride, rows * stride);
  if (!outline) return;
  const inside = (r, c) => r >= 0 && c >= 0 && r < rows && c < columns && (maps.flags[r * columns + c] & IN_FOCUS) > 0;
  const path = new Path2D();
  for (let r = 0; r < rows; r += 1) {
    for (let c = 0; c < columns; c += 1) {
      if (!inside(r, c)) continue;
      const [x, y] = [c * stride, r * stride];
      if (!inside(r - 1, c)) { path.moveTo(x, y); path.lineTo(x + stride, y); }
      if (!inside(r + 1, c)) { path.moveTo(x, y + stride); path.lineTo(x + stride, y + stride); }
      if (!inside(r, c - 1)) { path.moveTo(x, y); path.lineTo(x, y + stride); }
      if (!inside(r, c + 1)) { path.moveTo(x + stride, y); path.lineTo(x + stride, y + stride); }
    }
  }
  for (const [style, thick] of [["#000", 4], ["#fff", 2]]) {
    Object.assign(draw, { strokeStyle: style, lineWidth: thick * Math.max(1, width / 1000), lineCap: "round" });
    draw.stroke(path);
  }
}

function readMap(event) {
  const output = byId("readout");
  if (!output || viewer.mode !== "map") return;
  const { details: { rows, columns, stride, width }, maps, plane } = viewer;
  const box = byId("stage").getBoundingClientRect(), scale = width / box.width;
  const r = Math.floor((event.clientY - box.top) * scale / stride), c = Math.floor((event.clientX - box.left) * scale / stride);
  if (r < 0 || c < 0 || r >= rows || c >= columns) return;
  const code = maps[plane][r * columns + c];
  output.value = `y ${r * stride}, x ${c * stride}: ${code === FLAT ? "flat" : number(code / 127 - 1, 2)}`;
}

// The largest factor that leaves arrows beside each other, and the noise of aligned pairs small.
function factorFor(details) {
  const lengths = details.arrows.map(([, , dy, dx]) => Math.hypot(dy, dx)).sort((a, b) => a - b);
  const far = lengths[Math.floor(0.9 * (lengths.length - 1))] ?? 0;
  const room = Math.max(details.height, details.width) / 34;
  const wanted = Math.min(room / Math.max(far, 1e-3), 2 * room / THRESHOLD);
  return FACTORS.findLast((factor) => factor <= wanted) ?? 1;
}

function fieldControls() {
  const factor = viewer.factor ?? factorFor(viewer.details);
  viewer.factor = factor;
  const { arrows, width } = viewer.details;
  const longest = Math.max(0, ...arrows.map(([, , dy, dx]) => Math.hypot(dy, dx)));
  const text = element("output", { id: "said" });
  const say = () => {
    text.value = arrows.length
      ? `Arrows are ${viewer.factor} times as long as the shifts; the longest shift is ${number(longest, 2)} px.`
      : "No region in focus has texture enough for a shift.";
  };
  say();
  const controls = [range("Arrows", { id: "factor", min: 0, max: FACTORS.length - 1, value: FACTORS.indexOf(factor) }, (value) => {
    viewer.factor = FACTORS[value];
    say();
    drawField(viewer.details);
  }), text];
  if (width && arrows.length) {
    controls.push(element("span", { className: "legend" }, colourKey("#7fe3ff"), "within", colourKey("#ffb000"), "beyond the threshold"));
  }
  return controls;
}

function colourKey(colour) {
  const key = element("span", { className: "ramp" });
  Object.assign(key.style, { background: colour, width: "14px" });
  return key;
}

function drawField(details) {
  const { width, height, at_y: y, at_x: x } = details, factor = viewer.factor, thick = Math.max(1, width / 700);
  const field = byId("field");
  field.setAttribute("viewBox", `-0.5 -0.5 ${width} ${height}`);
  const paths = { within: "", beyond: "" };
  for (const [ay, ax, dy, dx] of details.arrows) {
    const length = Math.hypot(dy, dx) * factor, [ey, ex] = [ay + dy * factor, ax + dx * factor];
    const head = Math.min(5 * thick, length / 2), turn = Math.atan2(dy, dx);
    const barb = (angle) => `${(ex - head * Math.cos(turn + angle)).toFixed(1)} ${(ey - head * Math.sin(turn + angle)).toFixed(1)}`;
    paths[Math.hypot(dy, dx) > THRESHOLD ? "beyond" : "within"] +=
      `M${ax} ${ay}L${ex.toFixed(1)} ${ey.toFixed(1)}M${barb(0.5)}L${ex.toFixed(1)} ${ey.toFixed(1)}L${barb(-0.5)}`;
  }
  const stroke = (d, colour) => drawn("path", { d, stroke: colour, fill: "none", "stroke-width": 1.4 * thick, "stroke-linecap": "round" });
  const dots = details.arrows.map(([ay, ax]) => `M${ax} ${ay}h0`).join("");
  field.replaceChildren(
    drawn("path", { d: dots, stroke: "#fff8", "stroke-width": 3 * thick, "stroke-linecap": "round" }),
    stroke(paths.within, "#7fe3ff"), stroke(paths.beyond, "#ffb000"),
  );
  if (y !== null && viewer.row.verdict === "misaligned") {
    field.append(drawn("circle", { cx: x, cy: y, r: 14 * thick, fill: "none", stroke: "#fff", "stroke-width": 1.6 * thick }));
  }
}

function step(by) {
  const next = viewer.list[viewer.list.indexOf(viewer.row) + by];
  if (next) openPair(next, viewer.list);
}

function choose(id, choices, chosen, onchange) {
  byId(id).append(...choices.map(([value, title]) => {
    const input = element("input", { type: "radio", name: id, value, className: "hidden", checked: value === chosen });
    input.addEventListener("change", () => onchange(value));
    return element("label", {}, input, element("span", {}, title));
  }));
}

function onViewerKey(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.tagName === "SELECT") return;
  const key = event.key.toLowerCase();
  if (key === "n") step(1);
  else if (key === "p") step(-1);
  else if (key === "b" && viewer.mode === "slider") toggleBlink();
  else if (["1", "2", "3"].includes(key)) { viewer.mode = MODES[key - 1][0]; showView(); }
  else if (key === "z") {
    const at = ZOOMS.findIndex(([value]) => value === viewer.zoom);
    viewer.zoom = ZOOMS[(at + 1) % ZOOMS.length][0];
    showView();
  } else return;
  event.preventDefault();
}

function startViewer() {
  const dialog = byId("viewer"), stage = byId("stage");
  choose("modes", MODES, viewer.mode, (value) => { viewer.mode = value; showView(); });
  choose("zooms", ZOOMS, viewer.zoom, (value) => { viewer.zoom = value; showView(); });
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", onViewerKey);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    stopBlinking();
    const position = table.shown.indexOf(viewer.row);
    viewer.row = null;
    history.replaceState(null, "", "#");
    if (position >= 0) activate(position);
    byId("table").focus({ preventScroll: true });
  });
  const drag = (event) => {
    const box = stage.getBoundingClientRect();
    stopBlinking();
    split(100 * (event.clientX - box.left) / box.width);
  };
  stage.addEventListener("pointerdown", (event) => {
    if (viewer.mode !== "slider" || (event.pointerType !== "mouse" && event.target.id !== "handle")) return;
    stage.setPointerCapture(event.pointerId);
    drag(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) drag(event);
    else readMap(event);
  });
}

"use strict";
// One photograph: chosen, sent, waited for, compared, saved. Whoever leaves the page, or cancels, gives its place up.

const FACTS = JSON.parse(document.body.dataset.facts);
const SHOWN = /\.(jpe?g|png)$/i; // what browsers show; for other formats the server makes pictures to look at
let sending = null; // the request, while there is one
let urls = []; // of what is held for this page

const megapixels = (pixels) => (pixels / 1e6).toFixed(1);

function duration(seconds) {
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function show(id) {
  for (const section of ["choosing", "working", "viewer"]) byId(section).hidden = section !== id;
  byId("another").hidden = id !== "viewer";
}

function addressOf(blob) {
  urls.push(URL.createObjectURL(blob));
  return urls.at(-1);
}

function startOver() {
  sending = null;
  hidePictures();
  byId("thumbnail").removeAttribute("src");
  for (const url of urls) URL.revokeObjectURL(url);
  urls = [];
  byId("file").value = "";
  document.title = "Deblur a photograph";
  show("choosing");
}

function refuse(name, fault, cure) {
  startOver();
  byId("fault-name").textContent = name;
  byId("fault-text").textContent = fault;
  byId("cure").textContent = cure;
  byId("fault").hidden = false;
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

function say(step, part = null, left = "") {
  byId("step").textContent = step;
  byId("left").textContent = left;
  if (part === null) byId("bar").removeAttribute("value");
  else byId("bar").value = part;
  document.title = part === null ? step : `${Math.round(100 * part)} % · ${byId("file-name").textContent}`;
}

function take(files) {
  if (sending || !files.length) return;
  startOver();
  byId("fault").hidden = true;
  const file = files[0];
  if (files.length > 1) return refuse(`${files.length} files`, "have been dropped.", "One photograph at a time, please.");
  if (file.size > FACTS.megabytes * 1e6) {
    const fault = `has ${(file.size / 1e6).toFixed(0)} megabytes, and at most ${FACTS.megabytes} are taken here.`;
    return refuse(file.name, fault, "Make it smaller, or cut it.");
  }
  send(file);
}

function send(file) {
  const request = new XMLHttpRequest();
  sending = request;
  byId("file-name").textContent = file.name;
  byId("thumbnail").hidden = !SHOWN.test(file.name);
  if (SHOWN.test(file.name)) byId("thumbnail").src = addressOf(file);
  show("working");
  say("Sending", 0);
  byId("cancel").focus();
  let read = 0, last = null, began = null;
  const lines = () => {
    const text = request.responseText, end = text.lastIndexOf("\n") + 1;
    for (const line of text.slice(read, end).split("\n").filter(Boolean)) {
      last = JSON.parse(line);
      if (last.state === "deblurring") began ??= Date.now();
      tell(last, began);
    }
    read = end;
  };
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) say("Sending", event.loaded / event.total);
  });
  request.upload.addEventListener("load", () => say("Checking"));
  request.addEventListener("progress", () => { if (request.status === 200) lines(); });
  request.addEventListener("load", () => {
    if (request.status === 200) {
      lines();
      if (last?.state === "done") return finish(file, last, request);
      if (last?.state === "refused") return refuse(file.name, `${last.fault}.`, sentence(last.cure));
      return lost(file.name);
    }
    try {
      const { fault, cure } = JSON.parse(request.responseText);
      return refuse(file.name, request.status === 503 ? `has to wait: ${fault}.` : `${fault}.`, sentence(cure));
    } catch {
      return lost(file.name);
    }
  });
  request.addEventListener("error", () => lost(file.name));
  request.open("POST", `photographs?name=${encodeURIComponent(file.name)}`);
  request.send(file);
}

function lost(name) {
  refuse(name, "has not been deblurred: the server does not answer.", "See whether it still runs, and try again.");
}

function tell(line, began) {
  if (line.state === "waiting") {
    say(`Waiting: ${line.ahead} ${line.ahead === 1 ? "photograph comes" : "photographs come"} first`);
  } else if (line.state === "reading") say("Reading");
  else if (line.state === "writing") say("Writing", 1);
  else if (line.state === "deblurring") {
    const { done, total } = line, seconds = (Date.now() - began) / 1000;
    const left = done > 0 && done < total ? `about ${duration(seconds * (total - done) / done)} left` : "";
    say(`Deblurring, ${megapixels(done)} of ${megapixels(total)} megapixels`, done > 0 ? done / total : null, left);
  }
}

async function fetched(address) {
  const answer = await fetch(address.slice(1));
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.blob();
}

async function finish(file, done, request) {
  say("Fetching", 1);
  let before, after, result;
  try {
    result = await fetched(done.result);
    [before, after] = done.views ? await Promise.all([fetched(done.views.before), fetched(done.views.after)]) : [file, result];
  } catch {
    if (sending === request) lost(file.name);
    return;
  }
  if (sending !== request) return; // cancelled meanwhile
  sending = null;
  const link = byId("download");
  Object.assign(link, { href: addressOf(result), download: done.name });
  link.title = `Save ${done.name}`;
  byId("result-name").textContent = done.name;
  const kind = { "image/jpeg": "JPEG", "image/png": "PNG", "image/tiff": "TIFF" }[done.type];
  byId("result-facts").textContent = `${done.width} × ${done.height} · ${kind}, ${done.bits} bits · `
    + `${(done.bytes / 1e6).toFixed(1)} MB · deblurred in ${duration(done.seconds)}`;
  document.title = done.name;
  show("viewer");
  link.focus();
  try {
    await showPictures(addressOf(before), addressOf(after));
  } catch {
    if (byId("viewer").hidden) return;
    byId("frame").hidden = true;
    byId("result-facts").textContent += " · this browser cannot show it; it can be downloaded";
  }
}

function start() {
  byId("summary").textContent = FACTS.network;
  byId("limits").textContent = `JPEG, PNG or TIFF, up to ${FACTS.megapixels} megapixels and ${FACTS.megabytes} MB. `
    + "The result has the same format, bits, EXIF and colour profile.";
  byId("privacy").textContent = FACTS.local
    ? "It does not leave this computer, and nothing of it is kept."
    : `It is sent to ${location.hostname}, which keeps nothing of it.`;
  byId("file").addEventListener("change", () => take([...byId("file").files]));
  byId("cancel").addEventListener("click", () => {
    const request = sending;
    startOver();
    request?.abort();
  });
  byId("another").addEventListener("click", () => { startOver(); byId("file").focus(); });
  for (const kind of ["dragover", "drop", "dragleave"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      const inside = kind === "dragover" || (kind === "dragleave" && event.relatedTarget !== null);
      document.body.classList.toggle("dragging", inside && !sending);
      if (kind === "dragover") event.dataTransfer.dropEffect = sending ? "none" : "copy";
      if (kind === "drop") take([...event.dataTransfer.files]);
    });
  }
  document.addEventListener("paste", (event) => take([...event.clipboardData.files]));
  startViewer();
}

start();

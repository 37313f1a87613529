// What the page shows: the rows in it, and the pairs' own files, in it too or beside it.

const DATA = JSON.parse(document.getElementById("data").textContent);
const INLINE = JSON.parse(document.getElementById("inline").textContent);
const THRESHOLD = DATA.about.options.threshold;

// In the order in which they want a look.
const VERDICTS = [
  { value: "misaligned", style: "misaligned", sign: "✕" },
  { value: "set aside", style: "set-aside", sign: "–" },
  { value: "cannot tell", style: "cannot-tell", sign: "?" },
  { value: "aligned", style: "aligned", sign: "✓" },
];
const VERDICT = new Map(VERDICTS.map((verdict, rank) => [verdict.value, { ...verdict, rank }]));

const ROWS = DATA.rows.map((values, index) => {
  const row = { index };
  DATA.columns.forEach((column, i) => { row[column] = values[i] ?? null; });
  row.rank = VERDICT.get(row.verdict).rank;
  row.length = row.shift_y === null ? null : Math.hypot(row.shift_y, row.shift_x);
  row.note = row.note?.replaceAll(`${DATA.about.data}/`, "") || null;
  row.words = `${row.name} ${row.note ?? ""}`.toLowerCase();
  return row;
});
const ROW_OF = new Map(ROWS.filter((row) => row.id).map((row) => [row.id, row]));

const byId = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value; else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const number = (value, digits) => value === null ? "" : value.toFixed(digits).replace(/^-(?=.*[1-9])/, "−").replace(/^-/, "");
const percent = (value) => value === null ? "" : `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`;
const count = (value) => value.toLocaleString("en");
const away = (dy, dx) =>
  `${Math.abs(dy).toFixed(2)} ${dy < 0 ? "up" : "down"}, ${Math.abs(dx).toFixed(2)} ${dx < 0 ? "left" : "right"}`;

const fileOf = (row, suffix) => `${DATA.folder}/${row.id.slice(0, 2)}/${row.id}.${suffix}`;

function thumbnailOf(row) {
  const inline = INLINE[row.id];
  return inline ? `data:image/jpeg;base64,${inline.thumbnail}` : fileOf(row, "jpg");
}

// Where the dataset has a picture, seen from this page; null where no URL can say it.
function originalOf(name) {
  try {
    return `${DATA.base}/${name.split("/").map(encodeURIComponent).join("/")}`;
  } catch {
    return null; // a name that is not UTF-8
  }
}

const arrivals = new Map();
window.lfsynthPair = (id, details) => { arrivals.get(id)?.(details); };

// A promise of all that is known of a pair.
function detailsOf(row) {
  if (INLINE[row.id]) return Promise.resolve(INLINE[row.id].details);
  return new Promise((resolve, reject) => {
    const script = element("script", { src: fileOf(row, "js") });
    const end = () => { script.remove(); arrivals.delete(row.id); };
    arrivals.set(row.id, (details) => { end(); resolve(details); });
    script.onerror = () => { end(); reject(new Error(`${fileOf(row, "js")} is not beside this page`)); };
    document.head.append(script);
  });
}

// The three maps of a pair: bytes, row by row.
async function mapsOf(details) {
  const bytes = Uint8Array.from(atob(details.maps), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = details.rows * details.columns;
  return { zero: planes.subarray(0, size), best: planes.subarray(size, 2 * size), flags: planes.subarray(2 * size) };
}

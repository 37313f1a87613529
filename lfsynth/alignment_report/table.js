// The table: filtered and sorted rows, of which only those in view are elements of the page.

const COLUMNS = [
  { name: "thumb", title: "Input and target", text: true },
  { name: "name", title: "Pair", text: true },
  { name: "verdict", title: "Verdict", text: true, by: "rank" },
  { name: "length", title: "Shift, px", tell: (row) => number(row.length, 2), unit: "shift ", after: " px" },
  { name: "shift", title: "Down, right", tell: (row) => row.length === null ? "" : `${number(row.shift_y, 2)}, ${number(row.shift_x, 2)}` },
  { name: "in_focus", title: "In focus", by: "in_focus", tell: (row) => percent(row.in_focus) },
  { name: "correlation", title: "Correlation", by: "correlation", tell: (row) => number(row.correlation, 2), unit: "correlation " },
  { name: "rotation", title: "Rotation", by: "rotation", tell: (row) => row.rotation === null ? "" : `${number(row.rotation, 2)}°` },
  { name: "scale", title: "Scale", by: "scale", tell: (row) => number(row.scale, 4) },
];
const SORTS = ["rank", "name", "length", "in_focus", "correlation", "rotation", "scale"];
const SPARE = 8; // rows above and below what is in view
const STILL = 80; // ms without scrolling after which the rows in view get their pictures

const table = {
  shown: ROWS,
  active: -1,
  sort: { by: "rank", down: false },
  verdicts: new Set(VERDICTS.map(({ value }) => value)),
  elements: new Map(),
};

const sortKey = {
  rank: (row) => row.rank, name: (row) => row.name, length: (row) => row.length, in_focus: (row) => row.in_focus,
  correlation: (row) => row.correlation,
  rotation: (row) => row.rotation === null ? null : Math.abs(row.rotation),
  scale: (row) => row.scale === null ? null : Math.abs(row.scale - 1),
};

function compare(a, b) {
  const { by, down } = table.sort;
  const x = sortKey[by](a), y = sortKey[by](b);
  if (x !== y) {
    if (x === null) return 1; // what is not known comes last, whichever way
    if (y === null) return -1;
    return (x < y) === down ? 1 : -1;
  }
  return (b.length ?? -1) - (a.length ?? -1) || a.index - b.index;
}

const limitOf = (id) => byId(id).value === "" ? null : Number(byId(id).value);

// Rows that fit the verdicts and the words, whatever their shift.
function fitting() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  return ROWS.filter((row) => table.verdicts.has(row.verdict) && words.every((word) => row.words.includes(word)));
}

function filterTable() {
  const rows = fitting();
  const from = limitOf("from"), to = limitOf("to");
  const within = (row) => (from === null && to === null) ||
    (row.length !== null && row.length >= (from ?? 0) && row.length < (to ?? Infinity));
  table.shown = rows.filter(within).sort(compare);
  table.active = -1;
  table.elements.clear();
  showHistogram(rows, (low, high) => {
    byId("from").value = Number(low.toFixed(4));
    byId("to").value = high === null ? "" : Number(high.toFixed(4));
    filterTable();
  });
  showScatter(table.shown);
  byId("shown").value = `${count(table.shown.length)} of ${count(ROWS.length)} pairs`;
  byId("nothing").hidden = table.shown.length > 0;
  byId("table").setAttribute("aria-rowcount", table.shown.length + 1);
  byId("table").removeAttribute("aria-activedescendant");
  byId("body").replaceChildren();
  showRows();
}

const rowHeight = () => parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));

function showRows() {
  const height = rowHeight(), body = byId("body");
  const above = -body.getBoundingClientRect().top;
  const first = Math.max(0, Math.min(table.shown.length - 1, Math.floor(above / height) - SPARE));
  const last = Math.min(table.shown.length, first + Math.ceil(innerHeight / height) + 2 * SPARE);
  const rows = table.shown.slice(first, last).map((row, i) => rowElement(row, first + i));
  const wanted = new Set(rows);
  for (const [row, made] of table.elements) if (!wanted.has(made)) table.elements.delete(row);
  body.replaceChildren(space(first * height), ...rows, space((table.shown.length - last) * height));
  // What flies by is not worth a look at the disk.
  clearTimeout(table.waiting);
  table.waiting = setTimeout(showThumbnails, STILL);
}

function showThumbnails() {
  for (const [row, made] of table.elements) {
    const picture = made.querySelector("img:not([src])");
    if (picture) picture.src = thumbnailOf(row);
  }
}

function space(height) {
  const cell = element("td", { colSpan: COLUMNS.length });
  cell.style.height = `${height}px`;
  return element("tr", { className: "space", ariaHidden: "true", hidden: height <= 0 }, cell);
}

function rowElement(row, position) {
  let made = table.elements.get(row);
  if (!made) {
    made = element("tr", { className: row.id ? "row pair" : "row aside", id: `row-${row.index}` });
    // What is wrong takes the place of numbers.
    const columns = row.id ? COLUMNS : COLUMNS.slice(0, 3);
    made.append(...columns.map((column) => cellElement(row, column)));
    if (!row.id) made.append(element("td", { className: "fault text", role: "gridcell", colSpan: COLUMNS.length - 3, title: row.note }, row.note));
    made.addEventListener("click", () => { activate(position); openRow(row); });
    table.elements.set(row, made);
  }
  made.setAttribute("aria-rowindex", position + 2);
  made.classList.toggle("active", position === table.active);
  made.setAttribute("aria-selected", position === table.active);
  return made;
}

function cellElement(row, column) {
  const cell = element("td", { className: `${column.name} c-${column.name}${column.text ? " text" : ""}`, role: "gridcell" });
  if (column.name === "thumb") {
    if (row.id) cell.append(element("img", { alt: "", decoding: "async" }));
  } else if (column.name === "name") {
    const parts = row.name.split("/"), file = parts.pop();
    cell.append(element("span", { className: "name", title: row.name }, file));
    if (parts.length) cell.append(element("span", { className: "note", title: row.name }, `${parts.join("/")}/`));
    if (row.id && row.note) cell.append(element("span", { className: "note", title: row.note }, row.note));
  } else if (column.name === "verdict") {
    cell.append(verdictElement(row.verdict));
  } else {
    const told = column.tell(row);
    if (told && column.unit) cell.append(element("span", { className: "unit" }, column.unit));
    cell.append(told);
    if (told && column.after) cell.append(element("span", { className: "unit" }, column.after));
  }
  return cell;
}

function verdictElement(value) {
  const { sign, style } = VERDICT.get(value);
  return element("span", { className: `verdict ${style}` }, element("span", { ariaHidden: "true" }, `${sign} `), value);
}

// Make a row the one that the keyboard is at.
function activate(position) {
  table.active = Math.max(0, Math.min(table.shown.length - 1, position));
  const row = table.shown[table.active];
  const height = rowHeight(), top = byId("body").getBoundingClientRect().top + table.active * height;
  const head = byId("head").parentElement.offsetHeight;
  if (top < head) scrollBy(0, top - head - 8);
  else if (top + height > innerHeight) scrollBy(0, top + height - innerHeight + 8);
  showRows();
  byId("table").setAttribute("aria-activedescendant", `row-${row.index}`);
}

function openRow(row) {
  if (row.id) openPair(row, table.shown.filter(({ id }) => id));
}

function onTableKey(event) {
  if (event.target !== byId("table") || !table.shown.length || event.altKey || event.ctrlKey || event.metaKey) return;
  const page = Math.max(1, Math.floor(innerHeight / rowHeight()) - 2);
  const to = {
    ArrowDown: table.active + 1, ArrowUp: table.active - 1, PageDown: table.active + page, PageUp: table.active - page,
    Home: 0, End: table.shown.length - 1,
  }[event.key];
  if (to !== undefined) activate(to);
  else if ((event.key === "Enter" || event.key === " ") && table.active >= 0) openRow(table.shown[table.active]);
  else return;
  event.preventDefault();
}

function sortBy(by) {
  const down = by === table.sort.by ? !table.sort.down : !["rank", "name"].includes(by);
  table.sort = { by, down };
  for (const cell of byId("head").children) {
    if (cell.dataset.by === by) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  }
  byId("sort").value = by;
  filterTable();
}

function startTable() {
  for (const column of COLUMNS) {
    const by = column.name === "verdict" ? "rank" : column.name;
    const cell = element("th", { className: `c-${column.name}${column.text ? " text" : ""}`, scope: "col" });
    if (SORTS.includes(by)) {
      cell.dataset.by = by;
      cell.append(element("button", { type: "button", onclick: () => sortBy(by) }, column.title));
      byId("sort").append(element("option", { value: by }, column.title));
    } else {
      cell.append(element("span", { className: "plain" }, column.title));
    }
    byId("head").append(cell);
  }
  for (const { value, style, sign } of VERDICTS) {
    const number = ROWS.filter((row) => row.verdict === value).length;
    if (!number) continue;
    const chip = element("button", { type: "button", className: `chip ${style}`, ariaPressed: "true" });
    chip.append(`${sign} ${value}`, element("span", { className: "count" }, count(number)));
    chip.addEventListener("click", () => {
      const on = !table.verdicts.delete(value);
      if (on) table.verdicts.add(value);
      chip.ariaPressed = String(on);
      filterTable();
    });
    byId("chips").append(chip);
  }
  byId("sort").addEventListener("change", () => { table.sort = { by: "" }; sortBy(byId("sort").value); });
  for (const id of ["search", "from", "to"]) byId(id).addEventListener("input", filterTable);
  byId("reset").addEventListener("click", () => {
    for (const id of ["search", "from", "to"]) byId(id).value = "";
    for (const chip of byId("chips").children) chip.ariaPressed = "true";
    for (const { value } of VERDICTS) table.verdicts.add(value);
    filterTable();
  });
  byId("table").addEventListener("keydown", onTableKey);
  let asked = false;
  const again = () => {
    if (!asked) requestAnimationFrame(() => { asked = false; showRows(); });
    asked = true;
  };
  addEventListener("scroll", again, { passive: true });
  table.sort = { by: "" };
  sortBy("rank");
}

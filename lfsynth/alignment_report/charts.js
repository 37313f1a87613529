// Shifts over the dataset: a histogram of their lengths, and where they point.

const MOST_BINS = 30;

// A round number, at least the value.
function nice(value, steps) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [...steps, 10].find((step) => step * power >= value * (1 - 1e-9));
}

// The shift that all but the farthest pairs stay below.
function reachOf(rows) {
  const lengths = rows.filter((row) => row.length !== null).map((row) => row.length).toSorted((a, b) => a - b);
  return Math.max(1.5 * THRESHOLD, lengths[Math.floor(0.98 * (lengths.length - 1))] ?? 0);
}

function showHistogram(rows, pick) {
  const known = rows.filter((row) => row.length !== null);
  const width = byId("histogram").clientWidth, height = 190, bottom = 22, left = 42, top = 8;
  const reach = reachOf(ROWS), bin = nice(reach / MOST_BINS, [1, 2, 5]), bins = Math.ceil(reach / bin) + 1;
  const bars = Array.from({ length: bins }, () => Object.fromEntries(VERDICTS.map(({ value }) => [value, 0])));
  for (const row of known) bars[Math.min(bins - 1, Math.floor(row.length / bin))][row.verdict] += 1;
  const most = Math.max(1, ...bars.map((bar) => Object.values(bar).reduce((a, b) => a + b)));
  const step = (width - left - 8) / bins, scale = (height - bottom - top - 6) / most;
  const digits = Math.max(0, -Math.floor(Math.log10(bin) + 1e-9));
  const chart = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const beyond = known.filter((row) => row.length > THRESHOLD).length;
  chart.setAttribute("aria-label", `Histogram of the shifts of ${count(known.length)} pairs; ${count(beyond)} are beyond ` +
    `the threshold of ${THRESHOLD} px`);
  bars.forEach((bar, i) => {
    const x = left + i * step, last = i === bins - 1;
    const range = last ? `${(i * bin).toFixed(digits)} px and more` : `${(i * bin).toFixed(digits)} to ${((i + 1) * bin).toFixed(digits)} px`;
    const parts = VERDICTS.filter(({ value }) => bar[value]).map(({ value }) => `${count(bar[value])} ${value}`);
    const group = drawn("g", { class: "bar" }, drawn("title", {}, `${range}: ${parts.join(", ") || "none"}`));
    group.append(drawn("rect", { class: "whole", x, y: top, width: step, height: height - bottom - top }));
    let y = height - bottom;
    for (const { value, style } of VERDICTS.toReversed()) {
      if (!bar[value]) continue;
      const tall = Math.max(2, bar[value] * scale);
      y -= tall;
      group.append(drawn("rect", { class: `mark ${style}`, x: x + 1, y, width: Math.max(1, step - 2), height: tall }));
    }
    group.addEventListener("click", () => pick(i * bin, last ? null : (i + 1) * bin));
    chart.append(group);
  });
  const base = height - bottom;
  chart.append(drawn("line", { class: "axis", x1: left, x2: width - 8, y1: base + 0.5, y2: base + 0.5 }));
  const each = Math.ceil(52 / step);
  for (let i = 0; i < bins - each; i += each) {
    chart.append(drawn("text", { x: left + i * step, y: height - 6, "text-anchor": "middle" }, (i * bin).toFixed(digits)));
  }
  const more = `≥ ${((bins - 1) * bin).toFixed(digits)}`;
  chart.append(drawn("text", { x: left + bins * step, y: height - 6, "text-anchor": "end" }, more));
  chart.append(drawn("text", { x: left - 6, y: base - most * scale + 4, "text-anchor": "end" }, count(most)));
  chart.append(drawn("text", { x: left - 6, y: base + 3, "text-anchor": "end" }, "0"));
  const limit = left + THRESHOLD / bin * step;
  chart.append(drawn("line", { class: "limit", x1: limit, x2: limit, y1: top, y2: base }));
  chart.append(drawn("text", { x: limit + 5, y: top + 10 }, `threshold ${THRESHOLD} px`));
  byId("histogram").replaceChildren(chart);
}

function showScatter(rows) {
  const known = rows.filter((row) => row.length !== null);
  const reach = nice(reachOf(ROWS), [1, 1.5, 2, 3, 4, 5, 7]);
  const width = byId("scatter").clientWidth, height = 190, middle = [width / 2, height / 2], scale = (height / 2 - 14) / reach;
  const chart = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  chart.setAttribute("aria-label", `Shifts of ${count(known.length)} pairs, right and down; the circle is the threshold`);
  chart.append(
    drawn("line", { class: "axis", x1: 0, x2: width, y1: middle[1], y2: middle[1] }),
    drawn("line", { class: "axis", x1: middle[0], x2: middle[0], y1: 0, y2: height }),
  );
  // Where there are thousands, dots of the same place would be drawn over each other.
  const seen = new Set();
  for (const row of known.toSorted((a, b) => b.rank - a.rank)) {
    const [y, x] = [row.shift_y, row.shift_x].map((v, axis) => {
      const edge = middle[1 - axis] - 4;
      return middle[1 - axis] + Math.max(-edge, Math.min(edge, v * scale));
    });
    const place = `${row.verdict} ${Math.round(x / 1.5)} ${Math.round(y / 1.5)}`;
    if (seen.has(place)) continue;
    seen.add(place);
    chart.append(drawn("circle", { class: `dot ${VERDICT.get(row.verdict).style}`, cx: x.toFixed(1), cy: y.toFixed(1), r: 2.6 }));
  }
  chart.append(drawn("circle", { class: "limit", cx: middle[0], cy: middle[1], r: THRESHOLD * scale }));
  chart.append(drawn("text", { x: width - 2, y: middle[1] - 5, "text-anchor": "end" }, `${number(middle[0] / scale, 1)} right`));
  chart.append(drawn("text", { x: middle[0] + 5, y: height - 4 }, `${number(middle[1] / scale, 1)} down`));
  byId("scatter").replaceChildren(chart);
}

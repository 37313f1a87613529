// The page as a whole.

function startPage() {
  const { about } = DATA;
  const folder = about.data.replace(/\/+$/, "").split("/").pop() || about.data;
  document.title = `Alignment of ${folder}`;
  byId("dataset").textContent = folder;
  const judged = ROWS.filter((row) => row.id).length;
  byId("summary").textContent = `${count(judged)} pairs in ${about.data} (layout ${about.layout}), lfsynth ${DATA.version}`;
  for (const [name, value] of Object.entries({ ...about.options, transfer: about.transfer ?? "as the files say" })) {
    byId("options").append(element("dt", {}, name.replaceAll("_", " ")), element("dd", {}, String(value)));
  }
  startViewer();
  startTable();
  const row = ROW_OF.get(location.hash.replace("#pair=", ""));
  if (row) openPair(row, table.shown.filter(({ id }) => id));
  let width = innerWidth;
  addEventListener("resize", () => {
    layOut();
    if (innerWidth !== width) { width = innerWidth; filterTable(); } else showRows();
  });
}

startPage();

// What the chart says under the pointer; the words are those of the table's rows.

function text({ cells }, unit) {
  const [when, price, carbon] = [...cells].map((cell) => cell.textContent);
  return `${when} · ${price} ${unit} · ${carbon} g`;
}

function point(event) {
  const chart = event.target.closest?.("#chart");
  const plot = chart?.querySelector(".plot");
  if (!plot) { clear(); return; }
  const { left, width } = plot.getBoundingClientRect();
  const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
  const { start, end } = chart.dataset;
  const at = Number(start) + share * (end - start);
  const row = [...document.querySelectorAll("#chart-table tr[data-from]")].find(({ dataset }) => dataset.from <= at && at < dataset.to);
  chart.querySelector("#readout").textContent = row ? text(row, chart.dataset.unit) : "";
  for (const line of chart.querySelectorAll(".pointer")) for (const end of ["x1", "x2"]) line.setAttribute(end, `${100 * share}%`);
}

function clear() {
  const readout = document.getElementById("readout");
  if (!readout?.textContent) return;
  readout.textContent = "";
  for (const line of document.querySelectorAll(".pointer")) for (const end of ["x1", "x2"]) line.setAttribute(end, "-9");
}

document.addEventListener("pointermove", point);
document.addEventListener("pointerdown", point);

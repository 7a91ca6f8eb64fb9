// Tables sort by the buttons of their heads; what is folded is unfolded on paper, but for the numbers of plots.
"use strict";
document.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => {
  const header = button.parentElement, table = header.closest("table"), body = table.tBodies[0];
  const column = header.cellIndex, numeric = header.classList.contains("n"), before = header.getAttribute("aria-sort");
  const up = before ? before === "descending" : !numeric;
  for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  const text = (row) => row.cells[column].textContent.trim();
  const value = (row) => row.cells[column].dataset.value;
  const compare = (a, b) => {
    if (!numeric) return (up ? 1 : -1) * text(a).localeCompare(text(b));
    if (!value(a) || !value(b)) return (value(a) ? 0 : 1) - (value(b) ? 0 : 1);
    return (up ? 1 : -1) * (value(a) - value(b));
  };
  body.append(...[...body.rows].sort(compare));
}));
addEventListener("beforeprint", () => document.querySelectorAll("details:not([open])").forEach((folded) => {
  if (folded.closest("figure")) return;
  folded.open = true;
  folded.dataset.folded = "";
}));
addEventListener("afterprint", () => document.querySelectorAll("details[data-folded]").forEach((unfolded) => {
  unfolded.open = false;
  delete unfolded.dataset.folded;
}));

"""The look of the report: one style sheet and the few lines that sort its table."""

__all__ = ["SCRIPT", "STYLE"]

STYLE = """
:root { --ink: #1d2330; --soft: #5d6675; --line: #d9dee6; --paper: #fff; --card: #f4f6f9; --accent: #1f6f8b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ef; --soft: #9aa4b5; --line: #343c4a; --paper: #14181f; --card: #1d232d; --accent: #6cc0dc; }
}
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { margin: 0 0 .25rem; font-size: 1.9rem; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .75rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); font-size: 1.2rem; }
code, pre { font: .85rem/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 1rem; border-radius: .5rem; background: var(--card); }
.command { margin: 0; color: var(--soft); overflow-wrap: anywhere; }
.cards { display: grid; gap: .75rem; margin-top: 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); }
.card { padding: .75rem 1rem; border-radius: .5rem; background: var(--card); }
.card span, .card small { display: block; color: var(--soft); font-size: .8rem; }
.card b { font-size: 1.6rem; font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .3rem 1.25rem; margin: 0; }
dt { color: var(--soft); overflow-wrap: anywhere; }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
dd small { color: var(--soft); }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .88rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th button { padding: 0; border: 0; color: inherit; background: none; font: inherit; font-weight: 600; cursor: pointer; }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
.number, .interval { font-variant-numeric: tabular-nums; }
.bar { position: relative; display: inline-block; width: 6rem; height: .55rem; margin-right: .6rem;
  border-radius: .3rem; background: var(--card); }
.bar b { position: absolute; top: 0; bottom: 0; border-radius: .3rem; background: var(--accent); }
.bar i { position: absolute; top: -.15rem; bottom: -.15rem; width: 2px; background: var(--ink); }
.notes { padding-left: 1.2rem; color: var(--soft); font-size: .85rem; }
.notes b { color: var(--ink); font-weight: 600; }
blockquote { margin: .5rem 0; padding: .5rem 1rem; border-left: 3px solid var(--accent); background: var(--card);
  overflow-wrap: anywhere; }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
"""

SCRIPT = """
document.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => {
  const header = button.parentElement, body = header.closest("table").tBodies[0];
  const column = header.cellIndex, up = header.getAttribute("aria-sort") === "descending";
  for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const compare = (a, b) => isNaN(key(a)) ? key(a).localeCompare(key(b)) : key(a) - key(b);
  [...body.rows].sort((a, b) => up ? compare(a, b) : compare(b, a)).forEach((row) => body.append(row));
}));
"""

"""What of the tasks was met in training, and each figure without it."""

from collections.abc import Sequence
from html import escape

from embedpipe.probes.findings import Leak
from embedpipe.probes.leaks.leakage import unleaked
from embedpipe.probes.report.content import signed
from embedpipe.probes.report.html import Cell, cell, details, number, paragraph, section, table
from embedpipe.probes.rows import Row

__all__ = ["by_share", "leak_section"]

_NOT_ASKED = "not asked: "
_COLUMNS = ("task", "met in", "questions", "exactly", "nearly", "share", "too short or unknown to tell")
_WITHOUT = ("task", "metric", "on all", "without", "change")


def leak_section(leaks: Sequence[Leak], rows: Sequence[Row]) -> str:
    """Return how much of each task stands in what was learnt from, and each figure without it."""
    asked = by_share(leaks)
    met = [leak for leak in asked if leak.exact + leak.near]
    clean = [leak for leak in asked if not leak.exact + leak.near]
    shown = [f"<li><b>{escape(leak.task)}</b>: {escape(text)}</li>" for leak in met for text in leak.examples]
    return section(
        "Leakage",
        paragraph(_said(met) if asked else ""),
        table("Questions that were met in training", _COLUMNS, [_counts(leak) for leak in met], narrow="stacked"),
        table("Figures with and without them", _WITHOUT, _unleaked(rows), narrow="stacked"),
        details("Some of them", f'<ul class="notes">{"".join(shown)}</ul>' if shown else ""),
        details(
            "Where nothing was met",
            table("Tasks of which nothing was met", _COLUMNS, [_counts(leak) for leak in clean], narrow="stacked"),
        ),
        *(paragraph(line, of="notes") for line in _notes(leaks)),
    )


def by_share(leaks: Sequence[Leak]) -> list[Leak]:
    """Return what was looked for at all, the largest shares first.

    >>> found = [Leak("a", "training text", 1, 0, 100), Leak("b", "training text", 0, 0, 0), Leak("c", "", 3, 0, 100)]
    >>> [leak.task for leak in by_share(found)]
    ['c', 'a']
    """
    return sorted((leak for leak in leaks if leak.n), key=lambda leak: -(leak.exact + leak.near) / leak.n)


def _said(met: Sequence[Leak]) -> str:
    if not met:
        return "No question of any task that was looked at stands in a text that was learnt from."
    n, n_tasks = sum(leak.exact + leak.near for leak in met), len({leak.task for leak in met})
    questions, tasks = f"{n:,} question{'s' if n > 1 else ''}", f"{n_tasks} task{'s' if n_tasks > 1 else ''}"
    return (
        f"{questions} of {tasks} {'stand' if n > 1 else 'stands'}, exactly or nearly, in a text that was learnt from."
    )


def _counts(leak: Leak) -> list[Cell]:
    share = (leak.exact + leak.near) / leak.n
    return [
        cell(leak.task),
        cell(leak.place),
        *map(number, (leak.n, leak.exact, leak.near)),
        number(share, f"{share:.1%}"),
        number(leak.unasked),
    ]


def _notes(leaks: Sequence[Leak]) -> list[str]:
    """Return how the tasks were looked at, or why they were not: a line for each way."""
    asked: dict[str, dict[str, None]] = {}
    not_asked: dict[str, dict[str, None]] = {}
    for leak in leaks:
        (asked if leak.n else not_asked).setdefault(leak.note, {})[leak.task] = None
    lines = []
    for note, tasks in not_asked.items():
        reason = note.removeprefix(_NOT_ASKED)
        lines.append(f"Not asked: {', '.join(tasks)}{f' ({reason})' if reason else ''}.")
    for note, tasks in asked.items():
        if note:
            lines.append(f"{', '.join(tasks)}: {note}." if len(asked) > 1 else f"{note[0].upper()}{note[1:]}.")
    return lines


def _unleaked(rows: Sequence[Row]) -> list[list[Cell]]:
    values = {(row.task, row.metric): row.value for row in rows}
    lines = []
    for (task, metric), whole in values.items():
        value = values.get((task, unleaked(metric)))
        if value is not None:
            change = value - whole
            lines.append([cell(task), cell(metric), number(whole), number(value), number(change, signed(change))])
    return lines

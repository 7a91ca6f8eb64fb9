"""The tables of the probes: each task beside its strongest baseline, then every baseline, then parts of tasks."""

import math
from collections.abc import Sequence
from html import escape

from embedpipe.probes.report.content import figure, notes_by_figure, signed
from embedpipe.probes.report.headline import AT_CHANCE, NO_DIFFERENCE, Standing, strongest
from embedpipe.probes.report.html import Cell, bar, cell, details, number, paragraph, section, table
from embedpipe.probes.rows import Row, is_whole

__all__ = ["interval", "p_value", "probes_section"]

_EXPLAINED = (
    "Each row sets one figure beside one baseline on the same questions. Intervals are 95 %; a bar spans the interval "
    "on a scale from 0 to 1, and its tick is the baseline. p is two-sided and paired; p (Holm) is corrected for the "
    "number of tasks beside the same baseline: of each its accuracy, Spearman correlation, purity or mean average "
    "precision. Other figures are shown beside these and are no tests of their own. The effect is Cohen's q for "
    "correlations (0.1 small, 0.3 middle, 0.5 large) and Cohen's h for accuracies (0.2, 0.5, 0.8). Coverage is the "
    f"share of questions, or of tokens, that the vocabulary knows. “{NO_DIFFERENCE}” is not equality: these questions "
    f"do not tell. “{AT_CHANCE}”: nor do they tell the figure from guessing."
)


def probes_section(rows: Sequence[Row]) -> str:
    """Return the section of the probes."""
    if not rows:
        return ""
    whole = [row for row in rows if is_whole(row.metric)]
    parts = [row for row in rows if not is_whole(row.metric)]
    return section(
        "Probes",
        table(
            "Each task beside its strongest baseline",
            _SHORT,
            [_short(one) for one in strongest(rows)],
            narrow="stacked",
        ),
        _not_measured(rows),
        details("How to read the figures", paragraph(_EXPLAINED)),
        details("Every baseline", _long_table("Each task beside every baseline", whole)),
        details("Parts of tasks", _long_table("Parts of tasks beside every baseline", parts)),
        _notes(rows),
    )


_SHORT = (
    "task",
    "metric",
    "value",
    "95 % interval",
    "n",
    "strongest baseline",
    "difference",
    "effect",
    "p (Holm)",
    "so it is",
)
_LONG = (
    "task", "metric", "system", "value", "95 % interval", "n", "coverage", "baseline", "its value", "difference",
    "effect", "p", "p (Holm)", "test", "spread over seeds",
)  # fmt: skip


def _long_table(caption: str, rows: Sequence[Row]) -> str:
    return table(caption, _LONG, [_long(row) for row in rows], narrow="scrolls")


def _short(one: Standing) -> list[Cell]:
    row = one.row
    beside = "–" if row.baseline is None else f"{row.baseline} {figure(row.baseline_value)}"
    return [
        cell(row.task),
        cell(row.metric),
        number(row.value),
        interval(row),
        number(row.n),
        cell(beside),
        _difference(row),
        number(row.effect, signed(row.effect)),
        p_value(row.p_holm),
        Cell(f'<span class="{one.said.split()[0]}">{escape(one.said)}</span>'),
    ]


def _long(row: Row) -> list[Cell]:
    return [
        cell(row.task),
        cell(row.metric),
        cell(row.system),
        number(row.value),
        interval(row),
        number(row.n),
        number(row.coverage),
        cell(row.baseline or "–"),
        number(row.baseline_value),
        _difference(row),
        number(row.effect, signed(row.effect)),
        p_value(row.p_value),
        p_value(row.p_holm),
        cell(row.test),
        number(row.spread),
    ]


def interval(row: Row) -> Cell:
    """Return the cell of a row's interval: a bar and the two ends; sorted by the lower end."""
    if not math.isfinite(row.low):
        return number(math.nan)
    drawn = bar(row.low, row.high, tick=row.baseline_value if row.baseline else math.nan)
    return Cell(f'<span class="interval">{drawn}{figure(row.low)} to {figure(row.high)}</span>', row.low)


def p_value(value: float) -> Cell:
    """Return the cell of a p-value.

    >>> p_value(0.0002).html
    '&lt; 0.001'
    """
    return number(value, "< 0.001" if value < 0.001 else None)


def _difference(row: Row) -> Cell:
    if row.baseline is None or not math.isfinite(row.baseline_value):
        return number(math.nan)
    difference = row.value - row.baseline_value
    shown = signed(difference)
    if math.isfinite(row.difference_low):
        shown += f"<small>{signed(row.difference_low)} to {signed(row.difference_high)}</small>"
    return Cell(shown, difference)


def _not_measured(rows: Sequence[Row]) -> str:
    measured = {row.task for row in rows if math.isfinite(row.value)}
    missing = {row.task: row.note for row in rows if row.task not in measured}
    if not missing:
        return ""
    said = "".join(f"<li><b>{escape(task)}</b>: {escape(note)}</li>" for task, note in missing.items())
    return f'<p class="notes">Not measured:</p><ul class="notes">{said}</ul>'


def _notes(rows: Sequence[Row]) -> str:
    measured = {row.task for row in rows if math.isfinite(row.value)}
    notes = notes_by_figure([row for row in rows if row.task in measured])
    said = "".join(f"<li><b>{escape(what)}</b>: {escape(note)}</li>" for what, note in notes.items())
    return details("How each figure was measured", f'<ul class="notes">{said}</ul>' if said else "")

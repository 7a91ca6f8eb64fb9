"""One measured figure beside one baseline, and how rows are summed up and laid out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from embedpipe.plain import plain
from embedpipe.probes.statistics import holm

__all__ = [
    "CHOSEN_ON",
    "MARKS",
    "PIVOT_COLUMNS",
    "SECTION",
    "Row",
    "chosen_on",
    "corrected",
    "headline",
    "is_whole",
    "leads",
    "pivot",
    "skipped",
    "stage_result",
    "summary",
]

SECTION = "section: "
"""Begins the name of a part that is too small a matter for tables: only JSON and CSV have rows of it."""
CHOSEN_ON = "settings were chosen on this set"
"""Said in the note of a row whose task is no proof: what was chosen by a figure looks better on it than it is."""

_MIN_HEADLINE = 30
_LEADING = ("accuracy", "map", "purity", "spearman")
_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one system on one task, beside one baseline.

    Parameters
    ----------
    task : name of the task.
    metric : ``spearman``, ``pearson``, ``accuracy``, ``purity``, ``opp``, ``map`` …, with the part of the task in
        brackets where it is a part.
    value : the figure; NaN where it is not defined (the note says why).
    low, high : its 95 % interval: bootstrap percentiles for correlations and means, Wilson's for accuracies.
    n : questions, pairs or texts that the figure rests on.
    coverage : for words, the share of the task's questions that are in the vocabulary (the others are left out);
        for sentences, the share of the task's tokens that are.
    baseline : what it stands beside, None where there is nothing.
    baseline_value : the same figure of the baseline, on the same questions.
    p_value : two-sided, that both are equal, by `test`.
    system : what was measured.
    note : how, in a few words; or why it was not.
    difference_low, difference_high : 95 % interval of `value` - `baseline_value`, paired.
    effect : how large the difference is on a scale of its own: Cohen's q (Fisher's z) for correlations, Cohen's h
        (arcsines) for accuracies; .1, .3, .5 and .2, .5, .8 are called small, middle and large (Cohen, 1988).
    test : which test `p_value` is of.
    p_holm : `p_value` corrected for the number of tasks (Holm, 1979), one figure each; NaN where the row is of no
        family of tests (`leads`).
    spread : standard deviation of `value` over seeds; NaN for one seed.
    """

    task: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    coverage: float
    baseline: str | None
    baseline_value: float
    p_value: float
    system: str
    note: str = ""
    difference_low: float = math.nan
    difference_high: float = math.nan
    effect: float = math.nan
    test: str = ""
    p_holm: float = math.nan
    spread: float = math.nan

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON: what is not a finite number is None."""
        content: dict[str, Any] = plain(asdict(self))
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Row":
        """Return the row that `as_dict` gave; keys that it does not know are passed over."""
        known: dict[str, Any] = {field.name: content.get(field.name) for field in fields(cls)}
        numbers = {
            field.name: math.nan if known[field.name] is None else float(known[field.name])
            for field in fields(cls)
            if field.type is float
        }
        texts = {name: str(known[name] or "") for name in ("task", "metric", "system", "note", "test")}
        return cls(**{**known, **numbers, **texts, "n": int(known["n"] or 0)})


def skipped(task: str, metric: str, reason: str) -> Row:
    """Return the row of a task that could not be measured, which says why."""
    nan = math.nan
    return Row(task, metric, nan, nan, nan, 0, nan, None, nan, nan, "", f"skipped: {reason}")


def is_whole(metric: str) -> bool:
    """Return whether a metric is of a whole task as it is usually measured: one that has nothing in brackets.

    >>> is_whole("pearson"), is_whole("accuracy (unleaked)")
    (True, False)
    """
    return "(" not in metric


def leads(metric: str) -> bool:
    """Return whether a metric is the one of its task that is tested: accuracy, Spearman, purity or average precision.

    What is measured beside it on the same questions (Pearson, macro-F1, OPP) and parts are looked at, and are no tests
    of their own.

    >>> leads("spearman"), leads("pearson"), leads("accuracy (unleaked)")
    (True, False, False)
    """
    return metric in _LEADING


def corrected(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with `p_holm`: p-values corrected for how many tasks stand beside the same baseline.

    One figure of each task (`leads`) is in a family, one family for each baseline; the others are of none.
    """
    families: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        if row.baseline is not None and leads(row.metric):
            families.setdefault(row.baseline, []).append(i)
    found = list(rows)
    for places in families.values():
        for i, p_value in zip(places, holm([rows[i].p_value for i in places]), strict=True):
            found[i] = replace(rows[i], p_holm=p_value)
    return found


def headline(rows: Sequence[Row]) -> dict[str, float]:
    """Return the figures by ``"task metric"``, without parts of tasks and what rests on fewer than 30 questions."""
    return {
        f"{row.task} {row.metric}": row.value
        for row in rows
        if math.isfinite(row.value) and is_whole(row.metric) and row.n >= _MIN_HEADLINE
    }


def chosen_on(rows: Sequence[Row]) -> list[str]:
    """Return the tasks of `rows` that settings were chosen on."""
    return list(dict.fromkeys(row.task for row in rows if CHOSEN_ON in row.note and math.isfinite(row.value)))


def stage_result(rows: Sequence[Row]) -> dict[str, Any]:
    """Return what the manifest holds of the probes: the headline figures, and the tasks that are no proof, if any."""
    chosen = chosen_on(rows)
    return {"scores": headline(rows), **({"chosen_on": chosen} if chosen else {})}


def summary(rows: Sequence[Row]) -> str:
    """Return the headline figures in one line, with the names of the tasks that have no figure at all."""
    scores = [f"{name} {value:.3f}" for name, value in headline(rows).items()]
    measured = {row.task for row in rows if math.isfinite(row.value)}
    missing = [task for task in dict.fromkeys(row.task for row in rows) if task not in measured]
    found = ", ".join(scores) or f"no figure rests on {_MIN_HEADLINE} questions or more"
    return f"{found}; not measured: {', '.join(missing)}" if missing else found


MARKS = (
    "A baseline marked ~ cannot be told apart from the figure (p > 0.05, paired, after Holm's correction where the "
    "task is one of several; one-sided for bias tests); one marked ? was not tested."
)
"""What `pivot` marks, in a sentence."""

PIVOT_COLUMNS = ("task", "metric", "system", "value", "interval", "n", "coverage", "baselines", "note")


def pivot(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return one mapping for each task and metric, its baselines in one cell, the best first.

    A baseline from which the system cannot be told apart (p above 0.05, after Holm's correction where the row has one)
    is marked with ``~``, one that was not tested with ``?``. Sections of a task are left out.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if SECTION in row.metric:
            continue
        groups.setdefault((row.task, row.metric), []).append(row)
    table = []
    for (task, metric), group in groups.items():
        first = group[0]
        ranked = sorted(group, key=lambda row: -row.baseline_value if math.isfinite(row.baseline_value) else 9.0)
        table.append(
            {
                "task": task,
                "metric": metric,
                "system": first.system,
                "value": first.value,
                "interval": f"[{first.low:.3f}, {first.high:.3f}]" if math.isfinite(first.low) else "",
                "n": first.n,
                "coverage": first.coverage,
                "baselines": ", ".join(_beside(row) for row in ranked if row.baseline),
                "note": first.note,
            }
        )
    return table


def _beside(row: Row) -> str:
    if not math.isfinite(row.baseline_value):
        return f"{row.baseline} -"
    p_value = row.p_holm if math.isfinite(row.p_holm) else row.p_value
    mark = "?" if not math.isfinite(p_value) else "~" if p_value > _ALPHA else ""
    return f"{row.baseline} {mark}{row.baseline_value:.3f}"

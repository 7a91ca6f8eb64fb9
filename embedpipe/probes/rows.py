"""One measured figure beside one baseline, and how rows are summed up and laid out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["PIVOT_COLUMNS", "Row", "headline", "pivot", "skipped", "summary"]

_MIN_HEADLINE = 30


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one system on one task, beside one baseline.

    Parameters
    ----------
    task : name of the task.
    metric : ``spearman``, ``pearson`` or ``accuracy``, with the part of the task in brackets where it is a part.
    value : the figure; NaN where it is not defined (the note says why).
    low, high : its 95 % interval: bootstrap percentiles for correlations, Wilson's for accuracies.
    n : questions, pairs or texts that the figure rests on.
    coverage : for words, the share of the task's questions that are in the vocabulary (the others are left out);
        for sentences, the share of the task's tokens that are.
    baseline : what it stands beside, None where there is nothing.
    baseline_value : the same figure of the baseline, on the same questions.
    p_value : two-sided, that both are equal: paired bootstrap for correlations, exact McNemar for accuracies.
    system : what was measured.
    note : how, in a few words; or why it was not.
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

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON: what is not a finite number is None."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Row":
        """Return the row that `as_dict` gave; keys that it does not know are passed over."""

        def number(key: str) -> float:
            return math.nan if content.get(key) is None else float(content[key])

        return cls(
            task=str(content["task"]),
            metric=str(content["metric"]),
            value=number("value"),
            low=number("low"),
            high=number("high"),
            n=int(content.get("n") or 0),
            coverage=number("coverage"),
            baseline=content.get("baseline"),
            baseline_value=number("baseline_value"),
            p_value=number("p_value"),
            system=str(content.get("system", "")),
            note=str(content.get("note", "")),
        )


def skipped(task: str, metric: str, reason: str) -> Row:
    """Return the row of a task that could not be measured, which says why."""
    nan = math.nan
    return Row(task, metric, nan, nan, nan, 0, nan, None, nan, nan, "", f"skipped: {reason}")


def headline(rows: Sequence[Row]) -> dict[str, float]:
    """Return the figures by ``"task metric"``, without parts of tasks and what rests on fewer than 30 questions."""
    return {
        f"{row.task} {row.metric}": row.value
        for row in rows
        if math.isfinite(row.value) and "(" not in row.metric and row.n >= _MIN_HEADLINE
    }


def summary(rows: Sequence[Row]) -> str:
    """Return the headline figures in one line, with the names of the tasks that have no figure at all."""
    scores = [f"{name} {value:.3f}" for name, value in headline(rows).items()]
    measured = {row.task for row in rows if math.isfinite(row.value)}
    missing = [task for task in dict.fromkeys(row.task for row in rows) if task not in measured]
    found = ", ".join(scores) or f"no figure rests on {_MIN_HEADLINE} questions or more"
    return f"{found}; not measured: {', '.join(missing)}" if missing else found


PIVOT_COLUMNS = ("task", "metric", "system", "value", "interval", "n", "coverage", "baselines", "note")


def pivot(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return one mapping for each task and metric, its baselines in one cell, the best first.

    A baseline from which the system differs by chance alone, as far as the sample tells (p above 0.05), is marked
    with ``~``.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
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
    figure = f"{row.baseline_value:.3f}" if math.isfinite(row.baseline_value) else "-"
    return f"{row.baseline} {'~' if row.p_value > 0.05 else ''}{figure}"

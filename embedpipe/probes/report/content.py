"""What the report and the model card say, and how they write a number."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from embedpipe.probes.findings import Findings
from embedpipe.probes.rows import Row

__all__ = [
    "ReportContent",
    "StageRun",
    "figure",
    "minus",
    "named_figures",
    "notes_by_figure",
    "signed",
    "training_lines",
]


@dataclass(frozen=True, slots=True)
class StageRun:
    """How one stage was run: seconds, device, processor threads, and whether it would give the same bytes again."""

    seconds: float
    device: str
    threads: int
    reproducible: bool


@dataclass(frozen=True)
class ReportContent:
    """What the report and the model card say.

    Parameters
    ----------
    title : name of the bundle.
    corpus : counts of the prepared text by name; values may be nested.
    training : for each trained stage its ``summary`` in one line and its ``result`` in numbers.
    findings : what the probes found.
    neighbours : some words and the nearest words to each with their cosine.
    unstable : those of all these words that are marked, as their own neighbours differ from run to run.
    samples : generated texts.
    config_toml : the complete configuration.
    command : what makes such a bundle; no folder of the machine that made it is in it.
    versions : libraries and their versions.
    runs : how each stage was run.
    reproducible : whether the same inputs give the same bytes, and why or why not, in a sentence.
    """

    title: str
    corpus: Mapping[str, Any]
    training: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    neighbours: Mapping[str, Sequence[tuple[str, float]]] = field(default_factory=dict)
    unstable: Collection[str] = ()
    samples: Sequence[str] = ()
    config_toml: str = ""
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    runs: Mapping[str, StageRun] = field(default_factory=dict)
    reproducible: str = ""

    @property
    def rows(self) -> Sequence[Row]:
        """The figures beside baselines."""
        return self.findings.rows


def training_lines(content: ReportContent) -> dict[str, str]:
    """Return how the training of each stage ended: its summary, then the figures of its result that are not in it."""
    return {stage: _training_line(record["summary"], record["result"]) for stage, record in content.training.items()}


def _training_line(summary: str, result: Mapping[str, Any]) -> str:
    said = {token.strip(".,") for token in re.findall(r"[\d.,]+%?", summary)}
    figures = {
        name: value
        for name, value in result.items()
        if isinstance(value, int | float) and not said & {figure(value), f"{value:,.1f}", f"{value:.1%}"}
    }
    return f"{summary} ({named_figures(figures)})" if figures else summary


def figure(value: object) -> str:
    """Return a number as people read it: three decimals, thousands separated, a dash for what is not defined.

    >>> [figure(value) for value in (0.12345, 1_234_567, float("nan"), True, -0.5, -0.0001)]
    ['0.123', '1,234,567', '–', 'yes', '−0.500', '0.000']
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return minus(f"{value:,.3f}")
    return minus(f"{value:,}") if isinstance(value, int) else str(value)


def signed(value: float, digits: int = 3) -> str:
    """Return a difference with its sign, a dash for what is not defined.

    >>> [signed(value) for value in (0.5, -0.5, -0.0001, float("nan"))]
    ['+0.500', '−0.500', '0.000', '–']
    """
    shown = minus(f"{value:+.{digits}f}") if math.isfinite(value) else "–"
    return shown if shown.strip("+0.") else shown.lstrip("+")


def minus(text: str) -> str:
    """Return text with a minus sign before what is below zero, and none before what is rounded to zero.

    >>> minus("tf-idf -0.25, spelling -0.000")
    'tf-idf −0.25, spelling 0.000'
    """
    return _HYPHEN.sub("−", _NOTHING.sub("", text))


_HYPHEN = re.compile(r"(?<![\w-])-(?=[\d.])")
_NOTHING = re.compile(r"(?<![\w-])-(?=0(?:\.0+)?(?![\d.]))")


def notes_by_figure(rows: Sequence[Row]) -> dict[str, str]:
    """Return how figures were measured, by their names; what holds for several of a task is said once.

    >>> from dataclasses import replace
    >>> nan = float("nan")
    >>> row = Row("lee", "pearson", 0.5, nan, nan, 9, 1.0, None, nan, nan, "encoder", "cosine")
    >>> notes_by_figure([row, replace(row, metric="spearman")])
    {'lee pearson, spearman': 'cosine'}
    """
    metrics: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        if row.note:
            metrics.setdefault((row.task, row.note), {})[row.metric] = None
    return {f"{task} {', '.join(named)}": note for (task, note), named in metrics.items()}


def named_figures(figures: Mapping[str, Any]) -> str:
    """Return numbers with their names in one line.

    >>> named_figures({"n_scored": 1200, "loss": 2.5})
    'n scored 1,200, loss 2.500'
    """
    return ", ".join(f"{name.replace('_', ' ')} {figure(value)}" for name, value in figures.items())

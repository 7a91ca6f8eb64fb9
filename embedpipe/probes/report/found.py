"""What the probes find beside figures: learning curves, leaks, associations, the shape of the spaces, neighbours."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from embedpipe.probes.findings import Association, Leak, LearningCurve
from embedpipe.probes.leaks.leakage import UNLEAKED
from embedpipe.probes.report.content import ReportContent
from embedpipe.probes.report.html import Cell, bar, cell, details, number, paragraph, section, table
from embedpipe.probes.report.svg import Axis, Series, line_plot
from embedpipe.probes.report.tables import p_value
from embedpipe.probes.rows import Row
from embedpipe.probes.word_facts import UNSTABLE_MARK, UNSTABLE_MEANING

__all__ = [
    "association_section",
    "curves_section",
    "geometry_section",
    "leak_section",
    "neighbour_section",
    "samples_section",
]

_UNLEAKED = f"({UNLEAKED})"


def curves_section(curves: Sequence[LearningCurve]) -> str:
    """Return the learning curves, one plot for each task."""
    groups: dict[tuple[str, bool], list[LearningCurve]] = {}
    for curve in curves:
        groups.setdefault((curve.task, curve.per_label), []).append(curve)
    plots = [_curve_plot(task, per_label, group) for (task, per_label), group in groups.items()]
    drawn = "".join(plots)
    said = paragraph("Accuracy by the number of labelled texts that a classifier over the vectors learns from.")
    return section("Learning curves", f'{said}<div class="plots">{drawn}</div>') if drawn else ""


def _curve_plot(task: str, per_label: bool, curves: Sequence[LearningCurve]) -> str:
    ends = "; ".join(f"{curve.system} {curve.accuracy[-1]:.3f}" for curve in curves if curve.accuracy)
    return line_plot(
        f"{task}, few-shot" if per_label else task,
        [Series(curve.system, curve.labels, curve.accuracy, curve.low, curve.high) for curve in curves],
        Axis("texts of each label" if per_label else "labelled texts", log=True),
        Axis("accuracy"),
        says=f"Accuracy with the most labelled texts: {ends}.",
    )


def leak_section(leaks: Sequence[Leak], rows: Sequence[Row]) -> str:
    """Return how much of each task stands in what was learnt from, and each figure without it."""
    if not leaks:
        return ""
    n = sum(leak.exact + leak.near for leak in leaks)
    n_tasks = len({leak.task for leak in leaks if leak.exact + leak.near})
    said = (
        f"{n:,} questions of {n_tasks} tasks stand, as they are or nearly, in a text that was learnt from."
        if n
        else "No question of any task that was looked at stands in a text that was learnt from."
    )
    counts = [
        [
            cell(leak.task),
            cell(leak.place),
            number(leak.n),
            number(leak.exact),
            number(leak.near),
            number(share := (leak.exact + leak.near) / leak.n if leak.n else math.nan, f"{share:.1%}"),
        ]
        for leak in leaks
    ]
    shown = [f"<li><b>{escape(leak.task)}</b>: {escape(text)}</li>" for leak in leaks for text in leak.examples]
    return section(
        "Leakage",
        paragraph(said),
        table(
            "Questions that were met in training", ["task", "met in", "questions", "exactly", "nearly", "share"], counts
        ),
        table("Figures with and without them", ["task", "metric", "on all", "without", "change"], _unleaked(rows)),
        details("Some of them", f'<ul class="notes">{"".join(shown)}</ul>' if shown else ""),
    )


def _unleaked(rows: Sequence[Row]) -> list[list[Cell]]:
    values = {(row.task, row.metric): row.value for row in rows}
    lines = []
    for (task, metric), value in values.items():
        whole = values.get((task, metric.removesuffix(_UNLEAKED).strip()))
        if metric.endswith(_UNLEAKED) and whole is not None:
            name = metric.removesuffix(_UNLEAKED).strip()
            lines.append(
                [cell(task), cell(name), number(whole), number(value), number(value - whole, f"{value - whole:+.3f}")]
            )
    return lines


def association_section(associations: Sequence[Association]) -> str:
    """Return the bias tests."""
    rows = [
        [
            cell(one.name),
            cell(f"{one.targets[0]} with {one.attributes[0]}, {one.targets[1]} with {one.attributes[1]}"),
            number(one.effect, _signed(one.effect)),
            _effect_bar(one),
            p_value(one.p_value),
            number(one.n_words),
            cell(", ".join(one.left_out) or "none"),
        ]
        for one in associations
    ]
    notes = "".join(f"<li><b>{escape(one.name)}</b>: {escape(one.note)}</li>" for one in associations if one.note)
    said = paragraph(
        "Word embedding association tests (Caliskan et al., 2017): how much nearer the first targets are to the first "
        "attributes than the second targets are, in standard deviations between -2 and 2; p is one-sided, by "
        "permutation of the targets. The bar spans the 95 % interval, its tick is 0. A test that finds nothing does "
        "not show that there is nothing."
    )
    columns = ["test", "associates", "effect", "95 % interval", "p", "words", "without a vector"]
    return (
        section(
            "Bias", said, table("Association tests", columns, rows), f'<ul class="notes">{notes}</ul>' if notes else ""
        )
        if rows
        else ""
    )


def _effect_bar(one: Association) -> Cell:
    if not math.isfinite(one.low):
        return number(math.nan)
    drawn = bar(one.low, one.high, tick=0.0, span=(-2.0, 2.0))
    return Cell(f'<span class="interval">{drawn}{_signed(one.low)} to {_signed(one.high)}</span>', one.low)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−") if math.isfinite(value) else "–"


def geometry_section(geometry: Mapping[str, Mapping[str, float]]) -> str:
    """Return the facts on the shape of the spaces, one column for each."""
    names = list(dict.fromkeys(name for found in geometry.values() for name in found))
    rows = [
        [cell(name.replace("_", " ")), *(number(found.get(name, math.nan)) for found in geometry.values())]
        for name in names
    ]
    return section("Geometry", table("The shape of the spaces", ["measure", *geometry], rows)) if rows else ""


def neighbour_section(content: ReportContent) -> str:
    """Return some words with their nearest words."""

    def marked(word: str) -> str:
        return escape(word) + (f"<sup>{UNSTABLE_MARK}</sup>" if word in content.unstable else "")

    lines = [
        f"<dt>{marked(word)}</dt><dd>"
        + ", ".join(f"{marked(near)}&nbsp;<small>{similarity:.2f}</small>" for near, similarity in found)
        + "</dd>"
        for word, found in content.neighbours.items()
    ]
    note = paragraph(UNSTABLE_MEANING, of="notes") if content.unstable else ""
    return section("Nearest words", f"<dl>{''.join(lines)}</dl>{note}") if lines else ""


def samples_section(samples: Sequence[str]) -> str:
    """Return what the generator wrote."""
    quotes = "".join(f"<blockquote>{escape(text)}</blockquote>" for text in samples)
    said = "Written by the generator from nothing, as they came: none was chosen."
    return section("Generated text", paragraph(said), quotes) if quotes else ""

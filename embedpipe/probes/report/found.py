"""What stands beside the figures: learning curves, the nearest words, generated text."""

from collections.abc import Sequence
from html import escape

from embedpipe.probes.findings import LearningCurve
from embedpipe.probes.report.content import ReportContent, minus
from embedpipe.probes.report.html import paragraph, section
from embedpipe.probes.report.svg import Axis, Series, line_plot
from embedpipe.probes.word_facts import UNSTABLE_MARK, UNSTABLE_MEANING

__all__ = ["curves_section", "neighbour_section", "samples_section"]


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


def neighbour_section(content: ReportContent) -> str:
    """Return some words with their nearest words."""

    def marked(word: str) -> str:
        return escape(word) + (f"<sup>{UNSTABLE_MARK}</sup>" if word in content.unstable else "")

    lines = [
        f"<dt>{marked(word)}</dt><dd>"
        + ", ".join(f"{marked(near)}&nbsp;<small>{minus(f'{similarity:.2f}')}</small>" for near, similarity in found)
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

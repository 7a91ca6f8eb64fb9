"""How the training of each part went: its summary in a line, its losses as plots."""

from collections.abc import Mapping, Sequence
from typing import Any

from embedpipe.probes.report.content import ReportContent, training_lines
from embedpipe.probes.report.html import details, facts, section
from embedpipe.probes.report.svg import Axis, Series, line_plot
from embedpipe.probes.word_facts import word_facts

__all__ = ["training_section"]


def training_section(content: ReportContent) -> str:
    """Return the section on the training of all parts."""
    results = {stage: record["result"] for stage, record in content.training.items()}
    plots = [_words(results.get("words", {})), *(_neural(stage, results.get(stage, {})) for stage in _NEURAL)]
    drawn = "".join(plots)
    return section(
        "Training",
        facts(training_lines(content)),
        f'<div class="plots">{drawn}</div>' if drawn else "",
        details("How the words were made", facts(word_facts(results.get("words", {})))),
    )


_NEURAL = {"sentences": "Sentence encoder", "generation": "Text generator", "latent": "Generative model"}


def _words(result: Mapping[str, Any]) -> str:
    """Return the held-out losses by epoch; each run has one training or, with contexts beside, two."""
    losses: Sequence[Sequence[float]] = result.get("held_out_losses", [])
    runs = result.get("runs", 1)
    each = max(1, len(losses) // runs)
    series = []
    for place, of_epochs in enumerate(losses):
        name = "trained beside it" if place % each else "main training"
        if runs > 1:
            name += f", run {place // each + 1}"
        series.append(Series(name, range(1, len(of_epochs) + 1), of_epochs))
    ends = "; ".join(f"{one.name} from {one.y[0]:.3f} to {one.y[-1]:.3f}" for one in series if len(one.y))
    return line_plot(
        "Word vectors: held-out loss",
        series,
        Axis("epoch"),
        Axis("loss on held-out text"),
        says=f"Loss after the first and the last epoch: {ends}.",
    )


def _neural(stage: str, result: Mapping[str, Any]) -> str:
    curve = result.get("curve")
    if not curve:
        return ""
    held_out, loss = curve["held_out"], curve["training_loss"]
    plots = []
    for title, name, points in (
        (f"{_NEURAL[stage]}: {curve['metric']}", curve["metric"], held_out),
        (f"{_NEURAL[stage]}: training loss", "loss on the training text", loss),
    ):
        if len(points) > 1:
            steps, values = zip(*points, strict=True)
            lowest = min(range(len(values)), key=values.__getitem__)
            plots.append(
                line_plot(
                    title,
                    [Series(name, steps, values)],
                    Axis("step"),
                    Axis(name),
                    says=f"From {values[0]:.4g} at step {steps[0]:,} to {values[-1]:.4g} at step {steps[-1]:,}; lowest "
                    f"{values[lowest]:.4g} at step {steps[lowest]:,}.",
                )
            )
    return "".join(plots)

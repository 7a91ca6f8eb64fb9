"""The verb ``diff``: which of two bundles is better, where, and how sure that is."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import format_option, named_path
from embedpipe.cli.output import render, say
from embedpipe.errors import NotEnoughDataError

if TYPE_CHECKING:
    from embedpipe.probes.difference import Difference

__all__ = ["command"]

WORSE = 3
"""The exit code of ``--fail-if-worse``; 1 is an error, 2 wrong usage, 130 an interrupt."""

_TABLE = ("task", "metric", "A", "B", "A - B", "interval", "effect", "p", "Holm p", "n", "verdict")


@click.command("diff")
@click.argument("bundle_a", metavar="BUNDLE_A", type=named_path)
@click.argument("bundle_b", metavar="BUNDLE_B", type=named_path)
@click.argument("tasks", metavar="[TASK]...", nargs=-1)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of resampling and folds.")
@click.option("--fail-if-worse", is_flag=True, help="Exit with 3 if A is worse than B on any task (see above).")
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    bundle_a: Path,
    bundle_b: Path,
    tasks: tuple[str, ...],
    seed: int,
    fail_if_worse: bool,
    format_: str,
) -> None:
    """Say which of two bundles is better, where, and how sure that is.

    TASK is a built-in name (wordsim353, simlex999, analogies, lee), a task file, a folder of them, or what a corpus
    makes of itself (documents, length, topic, …) where both bundles held out the same text; it is made with the tokens
    of A. Without one: all built-in tasks, and documents. Bias tests (weat) and geometry are not taken, for none of two
    bundles is better by them. In a folder, what has no header of a task is left out and said; a task with a faulty line
    is an error.

    Each figure stands beside its paired 95 % interval, its effect (Cohen's q of correlations, h of accuracies), p, and
    p after Holm's correction for the number of tasks. One figure of each task is tested: accuracy, Spearman
    correlation, purity or mean average precision. Others beside it, and parts of tasks, in brackets, have no verdict.
    Encoders are compared, or where a bundle has none its SIF average; words on the questions that both vocabularies
    cover.

    Worse means: on some task A is below B, and the Holm-corrected p is at most 0.05. With --fail-if-worse the exit
    code is then 3. A check that passes has found no loss; how large a loss it can have missed, the intervals say.

    \b
    embedpipe diff new.bundle old.bundle
    embedpipe diff new.bundle old.bundle simlex999 tasks/ --format json
    embedpipe diff new.bundle old.bundle --fail-if-worse
    """
    from embedpipe.cli.progress import progress
    from embedpipe.loading import load
    from embedpipe.pipeline.compared_tasks import COMPARED, compared_tasks
    from embedpipe.probes.difference import differences, overall, worse
    from embedpipe.probes.measure import MeasureSettings

    a, b = load(bundle_a), load(bundle_b)
    asked, left_out = compared_tasks(tasks or COMPARED, a, b, seed=seed)
    for reason in left_out:
        say(f"left out: {reason}")
    with progress() as listener:
        found = differences(a, b, asked, MeasureSettings(seed=seed), listener=listener)
    compared = [difference for difference in found if difference.verdict != "not compared"]
    if not compared:
        reasons = "; ".join(f"{difference.task}: {difference.note}" for difference in found)
        raise NotEnoughDataError(f"no task tells the two bundles apart or alike: {reasons}")
    say(f"A is {bundle_a}, B is {bundle_b}")
    _show(found, overall(found), format_)
    if fail_if_worse and (lost := worse(found)):
        say(f"A is worse than B on {', '.join(f'{one.task} {one.metric}' for one in lost)}")
        ctx.exit(WORSE)


def _show(found: "Sequence[Difference]", summary: str, format_: str) -> None:
    if format_ != "table":
        render([difference.as_dict() for difference in found], format_)
        say(summary)
        return
    from embedpipe.probes.rows import is_whole

    render([_line(difference) for difference in found], format_, _TABLE)
    for difference in found:
        if difference.note and is_whole(difference.metric):
            say(f"{difference.task} {difference.metric}: {difference.note}")
    click.echo(summary)


def _line(found: "Difference") -> dict[str, object]:
    return {
        "task": found.task,
        "metric": found.metric,
        "A": found.a,
        "B": found.b,
        "A - B": found.difference,
        "interval": f"[{found.low:+.3f}, {found.high:+.3f}]" if math.isfinite(found.low) else "",
        "effect": found.effect,
        "p": _p_value(found.p_value),
        "Holm p": _p_value(found.p_holm),
        "n": found.n,
        "verdict": found.verdict,
    }


def _p_value(value: float) -> str:
    """Return a p-value as it is printed: one that rounds to nothing is not nothing."""
    return "-" if not math.isfinite(value) else "<0.001" if value < 0.001 else f"{value:.3f}"

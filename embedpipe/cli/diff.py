"""The verb ``diff``: which of two bundles is better, where, and how sure that is."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import format_option, named_path
from embedpipe.cli.output import render, say
from embedpipe.errors import InputError, NotEnoughDataError

if TYPE_CHECKING:
    from embedpipe.loading import Bundle
    from embedpipe.probes.difference import Difference
    from embedpipe.probes.rows import Row
    from embedpipe.tasks.shapes import Task

__all__ = ["command"]

WORSE = 3
"""The exit code of ``--fail-if-worse``; 1 is an error, 2 wrong usage, 130 an interrupt."""

_TABLE = ("task", "metric", "A", "B", "A - B", "interval", "effect", "p", "Holm p", "n", "verdict")


@click.command("diff")
@click.argument("bundle_a", metavar="BUNDLE_A", type=named_path)
@click.argument("bundle_b", metavar="BUNDLE_B", type=named_path)
@click.argument("tasks", metavar="[TASK]...", nargs=-1)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of resampling and folds.")
@click.option("--fail-if-worse", is_flag=True, help="Exit with 3 if A is worse than B on any figure (see above).")
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

    TASK is what embedpipe probe takes, or a folder of task files. Without one: all built-in tasks, and documents where
    both bundles were made with the same held-out text. Each figure stands beside its paired 95 % interval, its effect
    (Cohen's q of correlations, h of accuracies), p, and p after Holm's correction for the number of figures; lines of
    parts of tasks, in brackets, have no verdict. Encoders are compared, or where a bundle has none its SIF average;
    words on the questions that both vocabularies cover.

    Worse means: on some figure A is below B, and the Holm-corrected p is at most 0.05. With --fail-if-worse the exit
    code is then 3. A check that passes has found no loss; how large a loss it can have missed, the intervals say.

    \b
    embedpipe diff new.bundle old.bundle
    embedpipe diff new.bundle old.bundle simlex999 tasks/ --format json
    embedpipe diff new.bundle old.bundle --fail-if-worse
    """
    from embedpipe.cli.progress import progress
    from embedpipe.loading import load
    from embedpipe.probes.difference import differences, overall, worse
    from embedpipe.probes.measure import MeasureSettings

    a, b = load(bundle_a), load(bundle_b)
    asked = _named_tasks(tasks) if tasks else _default_tasks(a, b, seed)
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
    render([_line(difference) for difference in found], format_, _TABLE)
    for difference in found:
        if difference.note and "(" not in difference.metric:
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


def _named_tasks(names: Sequence[str]) -> "list[Task | Row]":
    """Return the tasks that are named; in a folder what is no task is counted and said."""
    from embedpipe.tasks.builtin import DOCUMENTS, find_task

    found: list[Task | Row] = []
    for name in names:
        if name == DOCUMENTS:
            raise InputError("the task 'documents' is compared by default, where both bundles hold out the same text")
        if not Path(name).is_dir():
            found.append(find_task(name))
            continue
        refused = []
        files = sorted(path for path in Path(name).iterdir() if path.is_file() and not path.name.startswith("."))
        for path in files:
            try:
                found.append(find_task(str(path)))
            except InputError as error:
                refused.append(str(error))
        if len(refused) == len(files):
            raise InputError("holds no task file" + (f"; {refused[0]}" if refused else ""), name)
        for reason in refused:
            say(f"left out: {reason}")
    return found


def _default_tasks(a: "Bundle", b: "Bundle", seed: int) -> "list[Task | Row]":
    from embedpipe.tasks.builtin import BUILTIN_TASKS

    return [*(make() for make in BUILTIN_TASKS.values()), _documents(a, b, seed)]


def _documents(a: "Bundle", b: "Bundle", seed: int) -> "Task | Row":
    """Return the task 'documents' of what both bundles held out, or a row that says why there is none."""
    from embedpipe.config import ProbesConfig
    from embedpipe.errors import BundleError
    from embedpipe.loading import text_beside
    from embedpipe.probes.asked import corpus_of
    from embedpipe.probes.linguistic.make import corpus_task
    from embedpipe.probes.rows import skipped
    from embedpipe.tasks.builtin import DOCUMENTS

    try:
        ours, theirs = text_beside(a), text_beside(b)
    except BundleError as error:
        return skipped(DOCUMENTS, "accuracy", str(error))
    if ours is None or theirs is None:
        return skipped(DOCUMENTS, "accuracy", "the prepared text of both bundles is needed, in BUNDLE.work")
    for name in ("test_text", "validation_text"):
        if getattr(ours, name).read_bytes() != getattr(theirs, name).read_bytes():
            return skipped(DOCUMENTS, "accuracy", "A and B held out different texts: one may have learnt the other's")
    return corpus_task(DOCUMENTS, corpus_of(a, ours, ProbesConfig(), seed))

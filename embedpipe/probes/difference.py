"""Two bundles on the same questions: which is better, where, and how sure that is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from embedpipe.errors import InputError
from embedpipe.plain import plain
from embedpipe.probes.baselines import Rival, Subject, token_coverage
from embedpipe.probes.measure import MeasureSettings
from embedpipe.probes.rivals import texts_of
from embedpipe.probes.rows import Row, leads, skipped
from embedpipe.probes.run import run_probes
from embedpipe.probes.subject import BundleLike, subject_of
from embedpipe.probes.words.questions import known_questions
from embedpipe.probes.words.rival_sets import known_share
from embedpipe.runtime import Listener, silent
from embedpipe.tasks.associations import Associations
from embedpipe.tasks.shapes import Analogies, Task, WordSimilarity, WordTask

__all__ = ["ALPHA", "Difference", "differences", "overall", "worse"]

ALPHA = 0.05
"""A difference is called one where its p-value, corrected for the number of figures, is not above this."""

A_BETTER, B_BETTER = "A better", "B better"
NO_DIFFERENCE, NOT_COMPARED, PART = "no difference found", "not compared", ""

NO_BIAS_TESTS = "is a bias test: none of two bundles is better by it; look at each with embedpipe probe"
"""Why two bundles are not compared by such a task."""

_MIN_TASKS = 6
"""With fewer tasks no signed-rank test can fall below 0.05, whatever they say."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of two bundles, on the questions that both can answer.

    Parameters
    ----------
    task, metric : as in `rows.Row`; one metric of each task is tested (`rows.leads`).
    a, b : the figure of each; NaN where it could not be measured.
    difference : a - b; `low`, `high` are its 95 % interval, paired over the questions.
    effect : Cohen's h of accuracies, Cohen's q of correlations; above 0 where A is better.
    p_value : two-sided, of `test`.
    p_holm : corrected for the number of tasks (Holm, 1979); NaN for parts of tasks and for what is measured beside the
        figure that is tested, which are no tests of their own.
    n : questions that the figures rest on.
    coverage_a, coverage_b : the share of the task's questions (of words) or tokens (of texts) that each knows alone.
    verdict : ``A better``, ``B better``, ``no difference found``, ``not compared``; empty for what is not tested.
    test, note : how, or why it was not.
    """

    task: str
    metric: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    effect: float
    p_value: float
    p_holm: float
    n: int
    coverage_a: float
    coverage_b: float
    verdict: str
    test: str
    note: str

    def as_dict(self) -> dict[str, Any]:
        """Return the difference for JSON: what is not a finite number is None."""
        content: dict[str, Any] = plain(asdict(self))
        return content


def differences(
    a: BundleLike,
    b: BundleLike,
    tasks: Sequence[Task | Row],
    settings: MeasureSettings,
    *,
    listener: Listener = silent,
) -> list[Difference]:
    """Return what separates two bundles: of each task the figure that is tested first, then those beside it and parts.

    Each bundle is measured with its encoder, or without one with its SIF average. Words are compared on the questions
    that both vocabularies cover, analogies with each searching its own most frequent words.

    Parameters
    ----------
    a, b : opened bundles; their vocabularies and widths may differ.
    tasks : labelled data; a `Row` among them (a task that could not be made) is passed on.
    settings : how they are measured; the classifiers of both have the same folds.
    listener : is called with progress events.

    Raises
    ------
    InputError
        For a bias test, which is of one bundle.
    """
    for task in tasks:
        if isinstance(task, Associations):
            raise InputError(f"'{task.name}' {NO_BIAS_TESTS}")
    ours, theirs = subject_of(a, settings.seed), subject_of(b, settings.seed)
    rival = Rival(words=theirs.words, encoder=theirs.encoder or theirs.sif)
    subject = replace(ours, encoder=ours.encoder or ours.sif, against={"B": rival}, baselines=False)
    rows = run_probes(subject, tasks, settings, listener=listener)
    known = {task.name: task for task in tasks if not isinstance(task, Row)}
    coverage = {name: [_coverage(task, side, settings) for side in (ours, theirs)] for name, task in known.items()}
    found = []
    for name in dict.fromkeys(task.task if isinstance(task, Row) else task.name for task in tasks):
        of_task = [row for row in rows if row.task == name]
        beside = sorted((row for row in of_task if row.baseline == "B"), key=lambda row: not leads(row.metric))
        if not beside or not leads(beside[0].metric):
            lone = next((row for row in of_task if row.baseline is None), None)
            beside.insert(0, _not_compared(name, known.get(name), lone, theirs))
        covered_a, covered_b = coverage.get(name, [math.nan, math.nan])
        found += [_difference(row, covered_a, covered_b) for row in beside]
    return found


def worse(found: Sequence[Difference]) -> list[Difference]:
    """Return the tasks on which B is better, by the figure that is tested, after the correction for their number."""
    return [difference for difference in found if difference.verdict == B_BETTER]


def overall(found: Sequence[Difference]) -> str:
    """Return in one sentence what the differences add up to.

    From six tasks on, Wilcoxon's signed-rank test over them, one figure each, says whether one bundle is better in
    general (Demšar, 2006).
    """
    counts = {verdict: [one for one in found if one.verdict == verdict] for verdict in _VERDICTS}
    n = sum(len(counts[verdict]) for verdict in (A_BETTER, B_BETTER, NO_DIFFERENCE))
    said = [
        f"A better on {_named(counts[A_BETTER], n)}",
        f"B better on {_named(counts[B_BETTER], n)}",
        f"no difference found on {len(counts[NO_DIFFERENCE])} (Holm, alpha {ALPHA})",
    ]
    if counts[NOT_COMPARED]:
        names = ", ".join(one.task for one in counts[NOT_COMPARED])
        said.append(f"not compared on {len(counts[NOT_COMPARED])} ({names})")
    return "; ".join([", ".join(said[:3]), *said[3:], *_signed_rank(found)])


_VERDICTS = (A_BETTER, B_BETTER, NO_DIFFERENCE, NOT_COMPARED)


def _named(found: Sequence[Difference], n: int) -> str:
    names = ", ".join(dict.fromkeys(one.task for one in found))
    return f"{len(found)} of {n} tasks" + (f" ({names})" if names else "")


def _signed_rank(found: Sequence[Difference]) -> list[str]:
    """Return a phrase on all tasks together, or none for too few."""
    from scipy.stats import wilcoxon

    first: Mapping[str, float] = {
        one.task: one.effect for one in reversed(found) if one.verdict not in (PART, NOT_COMPARED)
    }
    effects = np.array([effect for effect in first.values() if math.isfinite(effect)])
    if len(effects) < _MIN_TASKS or not effects.any():
        return []
    p_value = float(wilcoxon(effects).pvalue)
    ahead = "A" if effects.mean() > 0 else "B"
    sure = f"{ahead} better in general" if p_value <= ALPHA else "neither better in general"
    return [f"over {len(effects)} tasks {sure} (mean effect {effects.mean():+.3f}, signed-rank p {p_value:.3f})"]


def _difference(row: Row, coverage_a: float, coverage_b: float) -> Difference:
    tokens = f"A knows {coverage_a:.1%} of the tokens, B {coverage_b:.1%}"
    of_texts = row.system == "encoder" and math.isfinite(coverage_a) and math.isfinite(coverage_b)
    return Difference(
        row.task,
        row.metric,
        row.value,
        row.baseline_value,
        row.value - row.baseline_value,
        row.difference_low,
        row.difference_high,
        row.effect,
        row.p_value,
        row.p_holm,
        row.n,
        coverage_a,
        coverage_b,
        _verdict(row),
        row.test,
        f"{row.note}; {tokens}" if of_texts else row.note,
    )


def _verdict(row: Row) -> str:
    if row.baseline is None:
        return NOT_COMPARED
    if not leads(row.metric):
        return PART
    if not math.isfinite(row.p_holm):
        return NOT_COMPARED
    if row.p_holm > ALPHA:
        return NO_DIFFERENCE
    return A_BETTER if row.value > row.baseline_value else B_BETTER


def _not_compared(name: str, task: Task | None, row: Row | None, other: Subject) -> Row:
    """Return the row of a task on which the two are not set side by side, with the reason.

    Parameters
    ----------
    name, task : of the task; None for one that could not be made.
    row : what was said of it, beside nothing; None where there is no such row.
    other : the second bundle.
    """
    metric = row.metric.split(" (")[0] if row is not None else "score"
    if row is not None and not math.isfinite(row.value):
        return skipped(name, metric, row.note.removeprefix("skipped: "))
    if isinstance(task, WordTask) and other.words is None:
        return skipped(name, metric, "B has no word vectors")
    if not isinstance(task, WordTask) and not other.encoders():
        return skipped(name, metric, "B has neither a sentence encoder nor word vectors")
    return skipped(name, metric, "only parts of the task have a figure")


def _coverage(task: Task, subject: Subject, settings: MeasureSettings) -> float:
    """Return the share of the questions or tokens of a task that a bundle knows."""
    if not isinstance(task, WordTask):
        return token_coverage(subject.codec, texts_of(task))
    if subject.words is None:
        return 0.0
    if not isinstance(task, WordSimilarity | Analogies):
        return known_share(task, subject.words)
    return float(known_questions(task, subject.words, settings.restrict)[0].mean())

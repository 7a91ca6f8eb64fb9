"""A system beside its baselines on the same questions, as rows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.statistics import (
    MIN_UNITS,
    Correlation,
    accuracy_interval,
    across_folds,
    bootstrap_correlations,
    cohen_h,
    cohen_q,
    correlation,
    difference_interval,
    mcnemar,
    paired_p_value,
    percentile_interval,
    permutation_p_values,
    widened,
)

__all__ = ["Parts", "accuracy_rows", "correlation_rows", "whole_and_parts"]

Parts = Mapping[str, NDArray[np.bool_]]
"""By name, which of a task's questions belong to a part that gets rows of its own (``spearman (unleaked)``)."""

_TESTS = {True: "paired bootstrap and permutation", False: "paired bootstrap of documents"}


def whole_and_parts(metric: str, n: int, parts: Parts | None) -> dict[str, NDArray[np.bool_]]:
    """Return the questions that each figure is of, bool of shape (n,): first all, then those of each part.

    A part that holds all questions, or none, has no figure of its own.

    Examples
    --------
    >>> parts = {"odd": np.array([True, False, True]), "all": np.ones(3, dtype=bool)}
    >>> {name: inside.tolist() for name, inside in whole_and_parts("accuracy", 3, parts).items()}
    {'accuracy': [True, True, True], 'accuracy (odd)': [True, False, True]}
    """
    some = {part: inside for part, inside in (parts or {}).items() if inside.any() and not inside.all()}
    return {metric: np.ones(n, dtype=bool), **{f"{metric} ({part})": inside for part, inside in some.items()}}


@dataclass(frozen=True)
class _Difference:
    p_value: float
    low: float
    high: float
    effect: float
    test: str


def correlation_rows(
    task: str,
    systems: Mapping[str, NDArray[np.float64]],
    scores: NDArray[np.float64],
    *,
    coverage: float,
    note: str,
    bootstrap: int,
    seed: int,
    units: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    kind: Correlation = "spearman",
    metric: str = "",
    parts: Parts | None = None,
    n_train: int | None = None,
) -> list[Row]:
    """Return one row for the first of `systems` beside each of the others, then the same for each part.

    The p-value is the larger of those of the paired bootstrap and of the paired permutation test: by itself the
    bootstrap calls equal systems different too often for Pearson correlations of few pairs, and the permutation test
    asks for systems that can be exchanged. Where documents are resampled it is that of the bootstrap, for pairs that
    share a document cannot change places one by one. Of trained systems the resampled differences are widened for the
    chance in the training part.

    Parameters
    ----------
    task : its name.
    systems : by name, what each says of every question, float64 of shape (n,).
    scores : what people say of it, float64 of shape (n,).
    coverage, note : as in `Row`.
    bootstrap : resamples of the questions.
    seed : of the resamples.
    units : the two documents that each question is of, where documents are resampled.
    kind : which correlation.
    metric : its name in the rows, where it is not `kind`.
    parts : the questions of each part, bool of shape (n,); all of them, or none, give no rows.
    n_train : questions that each system was trained on; None where nothing was trained.
    """
    rows: list[Row] = []
    for label, inside in whole_and_parts(metric or kind, len(scores), parts).items():
        if label != (metric or kind) and inside.sum() < 3:
            rows.append(skipped(task, label, f"{int(inside.sum())} pairs, 3 are needed"))
            continue
        asked = {name: values[inside] for name, values in systems.items()}
        drawn = None if units is None else (units[0][inside], units[1][inside])
        rows += _correlations(task, label, asked, scores[inside], coverage, note, bootstrap, seed, drawn, kind, n_train)
    return rows


def _correlations(
    task: str,
    metric: str,
    systems: Mapping[str, NDArray[np.float64]],
    scores: NDArray[np.float64],
    coverage: float,
    note: str,
    bootstrap: int,
    seed: int,
    units: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
    kind: Correlation,
    n_train: int | None,
) -> list[Row]:
    enough = len(scores) >= MIN_UNITS
    values = {name: correlation(kind, system, scores) for name, system in systems.items()}
    replicates = dict(
        zip(
            systems,
            bootstrap_correlations(kind, list(systems.values()), scores, repeats=bootstrap, seed=seed, units=units),
            strict=True,
        )
    )
    (name, value), *others = values.items()
    low, high = percentile_interval(replicates[name]) if math.isfinite(value) and enough else (math.nan, math.nan)
    if not enough:
        note = f"{len(scores)} pairs, too few for an interval; " + note
    if not math.isfinite(value):
        note = "not defined: the scores or the similarities do not vary" + (f"; {note}" if note else "")

    permuted = dict.fromkeys(systems, 0.0)
    if units is None:
        tested = permutation_p_values(kind, list(systems.values()), scores, repeats=bootstrap, seed=seed)
        permuted |= zip((other for other, _ in others), tested, strict=True)

    def beside(other: str) -> _Difference:
        if not enough:
            return _Difference(math.nan, math.nan, math.nan, cohen_q(value, values[other]), "")
        resampled = widened(replicates[name] - replicates[other], value - values[other], len(scores), n_train)
        p_value = float(np.maximum(paired_p_value(resampled, np.zeros(1)), permuted[other]))
        between, effect = percentile_interval(resampled), cohen_q(value, values[other])
        return _Difference(p_value, *between, effect, _TESTS[units is None] + (", corrected" if n_train else ""))

    row = Row(task, metric, value, low, high, len(scores), coverage, None, math.nan, math.nan, name, note)
    return [_beside(row, other, own, beside(other)) for other, own in others] or [row]


def accuracy_rows(
    task: str,
    correct: Mapping[str, NDArray[np.bool_]],
    *,
    metric: str,
    coverage: float,
    system: str,
    note: str,
    folds: NDArray[np.int64] | None = None,
    bootstrap: int = 1_000,
    seed: int = 1,
    parts: Parts | None = None,
    n_train: int | None = None,
) -> list[Row]:
    """Return one row for the first of the systems beside each of the others, then the same for each part.

    The interval is Wilson's, of the questions. Where each question was answered once by one classifier, the test is
    McNemar's and the interval of the difference is that of the bootstrap, both widened for the chance in the training
    part where `n_train` says how large that was. Where `folds` says which classifier answered, both are those of the
    t-test across folds with the correction of Nadeau and Bengio (2003), for the training parts overlap; several seeds
    give the spread.

    Parameters
    ----------
    task, metric, coverage, system, note : as in `Row`.
    correct : by name, which questions each system answers rightly; bool of shape (n,) or (n_seeds, n).
    folds : int64 of the same shape, the fold that each question was tested in; None for a single split.
    bootstrap : resamples of the questions for the interval of the difference.
    seed : of the resamples.
    parts : the questions of each part, bool of shape (n,); all of them, or none, give no rows.
    n_train : of a single split, the texts that were trained on; None where nothing was trained.
    """
    rows: list[Row] = []
    n = next(iter(correct.values())).shape[-1]
    for label, inside in whole_and_parts(metric, n, parts).items():
        asked = {name: right[..., inside] for name, right in correct.items()}
        drawn = None if folds is None else folds[..., inside]
        rows += _accuracies(task, label, asked, coverage, system, note, drawn, bootstrap, seed, n_train)
    return rows


def _accuracies(
    task: str,
    metric: str,
    correct: Mapping[str, NDArray[np.bool_]],
    coverage: float,
    system: str,
    note: str,
    folds: NDArray[np.int64] | None,
    bootstrap: int,
    seed: int,
    n_train: int | None,
) -> list[Row]:
    by_seed = {name: np.atleast_2d(right) for name, right in correct.items()}
    (_, own), *others = by_seed.items()
    n = own.shape[1]
    value = float(own.mean())
    spread = float(own.mean(axis=1).std(ddof=1)) if len(own) > 1 else math.nan
    low, high = accuracy_interval(round(value * n), n)

    def beside(right: NDArray[np.bool_]) -> _Difference:
        effect = cohen_h(value, float(right.mean()))
        if folds is None:
            centre = float(own[0].mean() - right[0].mean())
            wider = math.sqrt(1 + n / n_train) if n_train else 1.0
            ends = difference_interval(own[0], right[0], repeats=bootstrap, seed=seed)
            low, high = (centre + wider * (end - centre) for end in ends)
            test = "McNemar, corrected" if n_train else "exact McNemar"
            return _Difference(mcnemar(own[0], right[0], n_train), low, high, effect, test)
        return _Difference(*across_folds(own, right, np.atleast_2d(folds)), effect, "t across folds, corrected")

    row = Row(task, metric, value, low, high, n, coverage, None, math.nan, math.nan, system, note, spread=spread)
    return [_beside(row, other, float(right.mean()), beside(right)) for other, right in others] or [row]


def _beside(row: Row, other: str, value: float, found: _Difference) -> Row:
    return replace(
        row,
        baseline=other,
        baseline_value=value,
        p_value=found.p_value,
        difference_low=found.low,
        difference_high=found.high,
        effect=found.effect,
        test=found.test,
    )

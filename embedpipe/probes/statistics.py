"""Intervals and paired tests: how far a figure would move with other questions of the same kind.

Correlations are resampled as *weights*: a bootstrap resample that draws question *i* three times gives it weight 3.
Ranks of a weighted sample follow from a cumulative sum over one fixed order, so a thousand resamples of a Spearman
correlation need no sorting at all, and all systems see the same resamples (the difference is paired).
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Correlation",
    "accuracy_interval",
    "bootstrap_correlations",
    "bootstrap_means",
    "cohen_h",
    "cohen_q",
    "correlation",
    "holm",
    "mcnemar",
    "nadeau_bengio",
    "paired_p_value",
    "percentile_interval",
    "weighted_correlation",
    "weighted_ranks",
]

Correlation = Literal["spearman", "pearson"]
Array = NDArray[np.float64]

_BLOCK = 500_000


def accuracy_interval(n_correct: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval (Wilson, 1927) of a share; NaN where `n` is 0.

    >>> low, high = accuracy_interval(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    """
    if n == 0:
        return math.nan, math.nan
    from scipy.stats import binomtest

    interval = binomtest(n_correct, n).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar(correct: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the two-sided exact p-value (McNemar, 1947) that two systems are right equally often.

    Parameters
    ----------
    correct, other : bool, shape (n,): which of the same questions each system answers rightly.
    """
    from scipy.stats import binomtest

    wins, losses = int((correct & ~other).sum()), int((other & ~correct).sum())
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def nadeau_bengio(correct: NDArray[np.bool_], other: NDArray[np.bool_], folds: NDArray[np.int64]) -> float:
    """Return the two-sided p-value of the corrected resampled t-test (Nadeau and Bengio, 2003).

    The accuracies of folds are no independent samples, for their training parts overlap: their variance is multiplied
    by 1 / J + n_test / n_train instead of 1 / J (Bouckaert and Frank, 2004, for repeated cross-validation).

    Parameters
    ----------
    correct, other : bool of shape (n_seeds, n): which questions each system answers rightly, seed by seed.
    folds : int64 of shape (n_seeds, n): the fold in which each was tested.

    Returns
    -------
    A p-value; 1 where the systems never differ, NaN for fewer than two folds.
    """
    from scipy.stats import t

    difference = correct.astype(np.float64) - other
    means, shares = [], []
    for seed in range(len(folds)):
        for fold in np.unique(folds[seed]):
            tested = folds[seed] == fold
            means.append(float(difference[seed, tested].mean()))
            shares.append(float(tested.mean()))
    n = len(means)
    if n < 2:
        return math.nan
    mean, variance, tested_share = float(np.mean(means)), float(np.var(means, ddof=1)), float(np.mean(shares))
    if variance == 0:
        return 1.0 if mean == 0 else 0.0
    statistic = mean / math.sqrt(variance * (1 / n + tested_share / (1 - tested_share)))
    return float(2 * t.sf(abs(statistic), n - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm, 1979), in the same order; NaN stays and is not counted.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    corrected = np.full(len(values), math.nan)
    order = np.argsort(values, kind="stable")[: int(np.isfinite(values).sum())]
    steps = values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in corrected]


def cohen_h(share: float, other: float) -> float:
    """Return Cohen's h (1988), the difference of two shares after the arcsine that makes their variance one.

    >>> round(cohen_h(0.8, 0.7), 3)
    0.232
    """
    return 2 * math.asin(math.sqrt(share)) - 2 * math.asin(math.sqrt(other))


def cohen_q(correlation: float, other: float) -> float:
    """Return Cohen's q (1988), the difference of two correlations after Fisher's z; NaN where one is not defined.

    >>> round(cohen_q(0.7, 0.6), 3)
    0.174
    """
    limit = 1 - 1e-12
    one, two = (min(max(value, -limit), limit) if math.isfinite(value) else math.nan for value in (correlation, other))
    return math.atanh(one) - math.atanh(two)


def bootstrap_means(systems: Sequence[NDArray[np.floating]], *, repeats: int, seed: int) -> Array:
    """Return the mean of each system over each of the same bootstrap resamples of the questions.

    Parameters
    ----------
    systems : one array of shape (n,) for each system: how often it answers each question rightly, in [0, 1].

    Returns
    -------
    float64 of shape (n_systems, repeats).
    """
    values = np.stack(systems).astype(np.float64)
    n = values.shape[1]
    replicates = np.empty((len(values), repeats))
    for start, weights in _resamples(n, repeats, seed, width=n):
        replicates[:, start : start + weights.shape[1]] = values @ weights / n
    return replicates


def weighted_ranks(values: Array, weights: Array) -> Array:
    """Return the average rank of each value where value *i* stands `weights[i]` times in the sample.

    Parameters
    ----------
    values : shape (n,).
    weights : shape (n, n_resamples), whole numbers.

    Returns
    -------
    float64 of shape (n, n_resamples). The rank of a value with weight 0 is of no use and has weight 0 in what follows.

    Examples
    --------
    >>> weighted_ranks(np.array([5.0, 1.0, 5.0]), np.array([[1.0], [2.0], [1.0]])).ravel().tolist()  # of 1 1 5 5
    [3.5, 1.5, 3.5]
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    totals = np.add.reduceat(weights[order], starts, axis=0)
    ranks = np.cumsum(totals, axis=0) - (totals - 1) / 2
    group = np.empty(len(values), dtype=np.int64)
    group[order] = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(values)]))
    taken: Array = ranks[group]
    return taken


def weighted_correlation(kind: Correlation, systems: Sequence[Array], target: Array, weights: Array) -> Array:
    """Return the correlation of each system with `target` under each column of `weights`.

    Parameters
    ----------
    systems : one array of shape (n,) for each system.
    target : shape (n,).
    weights : shape (n, n_resamples), whole numbers: how often each point stands in the resample.

    Returns
    -------
    float64 of shape (n_systems, n_resamples); NaN where one of the two sides does not vary.
    """
    total = np.maximum(weights.sum(axis=0), 1.0)

    def centred(x: Array) -> tuple[Array, Array]:
        values = weighted_ranks(x, weights) if kind == "spearman" else np.repeat(x[:, None], len(total), axis=1)
        values -= np.einsum("nr,nr->r", weights, values) / total
        weighted = weights * values
        variance = np.einsum("nr,nr->r", weighted, values) / total
        smallest = 1e-24 if kind == "spearman" else 1e-24 * float(np.square(x).max())
        return values, np.where(variance > smallest, variance, np.nan)

    (b, b_variance), correlations = centred(target), []
    weighted = weights * b
    for system in systems:
        a, a_variance = centred(system)
        covariance = np.einsum("nr,nr->r", a, weighted) / total
        correlations.append(np.clip(covariance / np.sqrt(a_variance * b_variance), -1.0, 1.0))
    return np.stack(correlations)


def correlation(kind: Correlation, x: Array, y: Array) -> float:
    """Return one correlation; NaN for fewer than three points or where one side does not vary.

    >>> correlation("spearman", np.array([1.0, 2, 3]), np.array([1.0, 4, 9]))
    1.0
    """
    if len(x) < 3:
        return math.nan
    return float(weighted_correlation(kind, [x], y, np.ones((len(x), 1)))[0, 0])


def bootstrap_correlations(
    kind: Correlation,
    systems: Sequence[Array],
    target: Array,
    *,
    repeats: int,
    seed: int,
    units: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> Array:
    """Return the correlation of each system with `target` in each of the same bootstrap resamples (Efron, 1979).

    Parameters
    ----------
    systems : one array of shape (n,) for each system.
    target : shape (n,).
    units : what is drawn, where it is not the points themselves: point *i* belongs to the units ``units[0][i]`` and
        ``units[1][i]`` (two documents) and stands in a resample as often as the product of their draws.

    Returns
    -------
    float64 of shape (n_systems, repeats).
    """
    replicates = np.full((len(systems), repeats), np.nan)
    if len(target) < 3:
        return replicates
    n_units = len(target) if units is None else int(max(units[0].max(), units[1].max())) + 1
    for start, drawn in _resamples(n_units, repeats, seed, width=len(target)):
        weights = drawn if units is None else drawn[units[0]] * drawn[units[1]]
        block = weighted_correlation(kind, systems, target, weights)
        replicates[:, start : start + block.shape[1]] = block
    return replicates


def percentile_interval(replicates: Array) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of the replicates that are numbers; NaN where fewer than half are."""
    finite = replicates[np.isfinite(replicates)]
    if 2 * len(finite) < len(replicates) or not len(finite):
        return math.nan, math.nan
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def paired_p_value(replicates: Array, others: Array) -> float:
    """Return the two-sided bootstrap p-value that two systems do not differ, from the same resamples of both."""
    difference = replicates - others
    difference = difference[np.isfinite(difference)]
    if not len(difference):
        return math.nan
    below, above = int((difference <= 0).sum()), int((difference >= 0).sum())
    return min(1.0, 2 * (1 + min(below, above)) / (1 + len(difference)))


def _resamples(n: int, repeats: int, seed: int, width: int) -> Iterator[tuple[int, Array]]:
    """Yield the first index and the draws, shape (n, block), of one block of resamples after the other."""
    rng = np.random.default_rng([seed, n])
    block = max(1, min(repeats, _BLOCK // max(n, width, 1)))
    for start in range(0, repeats, block):
        size = min(block, repeats - start)
        drawn = rng.integers(0, n, size=(size, n)) + np.arange(size)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        yield start, np.ascontiguousarray(counts.T, dtype=np.float64)

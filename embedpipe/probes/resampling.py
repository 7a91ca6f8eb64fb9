"""Bootstrap resamples (Efron, 1979) of means and correlations, the same ones for all systems, and permutations.

Correlations are resampled as *weights*: a bootstrap resample that draws question *i* three times gives it weight 3.
Ranks of a weighted sample follow from a cumulative sum over one fixed order, so a thousand resamples of a Spearman
correlation need no sorting at all, and all systems see the same resamples (the difference is paired). What is read
off them stands in `embedpipe.resampling`, whose names can be had from here too.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embedpipe.resampling import MIN_UNITS, paired_p_value, percentile_interval

__all__ = [
    "MIN_UNITS",
    "Correlation",
    "bootstrap_correlations",
    "bootstrap_means",
    "correlation",
    "difference_interval",
    "paired_p_value",
    "percentile_interval",
    "permutation_p_values",
    "weighted_correlation",
    "weighted_ranks",
]

Correlation = Literal["spearman", "pearson"]
Array = NDArray[np.float64]

_BLOCK = 500_000
_FLAT = 1e-12


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


def difference_interval(
    correct: NDArray[np.bool_], other: NDArray[np.bool_], *, repeats: int, seed: int
) -> tuple[float, float]:
    """Return the 95 % interval of the difference in accuracy, by bootstrap resamples of the questions.

    Such a resample is a draw of how many of its questions the first system alone, the second alone, and both or
    neither answer rightly, so it is drawn as that.

    Parameters
    ----------
    correct, other : bool, shape (n,): which of the same questions each system answers rightly.
    """
    n = len(correct)
    if not n:
        return math.nan, math.nan
    wins, losses = int((correct & ~other).sum()), int((other & ~correct).sum())
    shares = [wins / n, losses / n, (n - wins - losses) / n]
    drawn = np.random.default_rng([seed, n]).multinomial(n, shares, size=repeats)
    return percentile_interval((drawn[:, 0] - drawn[:, 1]) / n)


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


def permutation_p_values(
    kind: Correlation, systems: Sequence[Array], target: Array, *, repeats: int, seed: int
) -> list[float]:
    """Return the two-sided p-values that the first system correlates with `target` as each of the others does.

    Of each question the values of the two systems, standardised (ranks for Spearman), change places by the toss of a
    coin, and the difference of the correlations is computed again: the paired permutation test (Fisher, 1935; Phipson
    and Smyth, 2010, for drawn permutations). It is scipy's ``permutation_test`` of ``samples``, with the tosses shared
    by all pairs of systems.

    Parameters
    ----------
    systems : one array of shape (n,) for each system.
    target : shape (n,).
    repeats : permutations that are drawn.
    seed : of the draws.

    Returns
    -------
    One p-value for each system but the first; NaN where one of the two or the target does not vary.
    """
    from scipy.stats import rankdata

    def standardised(values: Array) -> Array:
        centred = np.array(rankdata(values) if kind == "spearman" else values, dtype=np.float64)
        centred -= centred.mean()
        spread = float(centred.std())
        centred /= spread if spread > _FLAT * float(np.abs(values).max()) else math.nan
        return centred

    n = len(target)
    if n < 3:
        return [math.nan] * (len(systems) - 1)
    own, *others = (standardised(values) for values in systems)
    wanted = standardised(target)
    moved = np.concatenate([[other - own, other**2 - own**2, (other - own) * wanted] for other in others])
    draws = np.random.default_rng([seed, n, 1])
    block = max(1, _BLOCK // n)
    sizes = [min(block, repeats - start) for start in range(0, repeats, block)]
    tossed = [draws.integers(0, 2, size=(size, n), dtype=np.int8).astype(np.float64) @ moved.T / n for size in sizes]
    means, squares, products = np.concatenate(tossed).T.reshape(-1, 3, repeats).transpose(1, 0, 2)
    first = float(own @ wanted) / n
    found = []
    for other, mean, square, product in zip(others, means, squares, products, strict=True):
        second = float(other @ wanted) / n
        one = (first + product) / np.sqrt(np.maximum(1 + square - mean**2, _FLAT))
        two = (second - product) / np.sqrt(np.maximum(1 - square - mean**2, _FLAT))
        if not math.isfinite(first - second):
            found.append(math.nan)
            continue
        extreme = int((np.abs(one - two) >= abs(first - second) - 1e-9).sum())
        found.append((1 + extreme) / (1 + repeats))
    return found


def _resamples(n: int, repeats: int, seed: int, width: int) -> Iterator[tuple[int, Array]]:
    """Yield the first index and the draws, shape (n, block), of one block of resamples after the other."""
    rng = np.random.default_rng([seed, n])
    block = max(1, min(repeats, _BLOCK // max(n, width, 1)))
    for start in range(0, repeats, block):
        size = min(block, repeats - start)
        drawn = rng.integers(0, n, size=(size, n)) + np.arange(size)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        yield start, np.ascontiguousarray(counts.T, dtype=np.float64)

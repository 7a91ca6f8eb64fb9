"""Intervals, paired tests and effect sizes: how far a figure would move with other questions of the same kind.

What is resampled stands in `resampling`, whose names can be had from here too.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.resampling import (
    MIN_UNITS,
    Correlation,
    bootstrap_correlations,
    bootstrap_means,
    correlation,
    difference_interval,
    paired_p_value,
    percentile_interval,
    permutation_p_values,
    weighted_correlation,
    weighted_ranks,
)

__all__ = [
    "MIN_UNITS",
    "AcrossFolds",
    "Correlation",
    "accuracy_interval",
    "across_folds",
    "bootstrap_correlations",
    "bootstrap_means",
    "cohen_h",
    "cohen_q",
    "correlation",
    "difference_interval",
    "each_fold",
    "holm",
    "mcnemar",
    "paired_p_value",
    "percentile_interval",
    "permutation_p_values",
    "weighted_correlation",
    "weighted_ranks",
    "widened",
]

_ROUNDING = 1e-20


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


def mcnemar(correct: NDArray[np.bool_], other: NDArray[np.bool_], n_train: int | None = None) -> float:
    """Return the two-sided exact p-value (McNemar, 1947) that two systems are right equally often.

    It is of these two systems as they are, not of all that might have been trained in their place (Dietterich, 1998).
    Where classifiers were trained on few texts, equal features are called different too often by it; with `n_train` the
    p-value is not below that of the normal approximation whose variance is multiplied by 1 + n_test / n_train, which is
    the correction of Nadeau and Bengio (2003) for one split.

    Parameters
    ----------
    correct, other : bool, shape (n,): which of the same questions each system answers rightly.
    n_train : texts that both were trained on; None where nothing was trained.
    """
    from scipy.stats import binomtest, norm

    wins, losses = int((correct & ~other).sum()), int((other & ~correct).sum())
    if not wins + losses:
        return 1.0
    exact = float(binomtest(wins, wins + losses).pvalue)
    if not n_train:
        return exact
    statistic = abs(wins - losses) / math.sqrt((wins + losses) * (1 + len(correct) / n_train))
    return max(exact, float(2 * norm.sf(statistic)))


class AcrossFolds(NamedTuple):
    """The p-value that two systems are equal, and the 95 % interval of their difference."""

    p_value: float
    low: float
    high: float


def across_folds(
    correct: NDArray[np.bool_],
    other: NDArray[np.bool_],
    folds: NDArray[np.int64],
    differences: Sequence[float] | None = None,
) -> AcrossFolds:
    """Return the corrected resampled t-test (Nadeau and Bengio, 2003) of the difference in accuracy, two-sided.

    The accuracies of folds are no independent samples, for their training parts overlap: their variance is multiplied
    by 1 / J + n_test / n_train instead of 1 / J (Bouckaert and Frank, 2004, for repeated cross-validation).

    Parameters
    ----------
    correct, other : bool of shape (n_seeds, n): which questions each system answers rightly, seed by seed.
    folds : int64 of shape (n_seeds, n): the fold in which each was tested.
    differences : of another figure than accuracy, in each fold, in the order of `each_fold`.

    Returns
    -------
    NaN for fewer than two folds. Where all folds have the same difference, their variance says nothing: the p-value is
    that of McNemar's test over the questions of the first seed, widened for the size of a training part.

    Examples
    --------
    >>> ours, other = np.array([[True, True, True, False]]), np.array([[False, True, False, False]])
    >>> across_folds(ours, other, np.array([[0, 0, 1, 1]]))
    AcrossFolds(p_value=0.5, low=0.5, high=0.5)
    """
    from scipy.stats import t

    difference = correct.astype(np.float64) - other
    tested = list(each_fold(folds))
    means = [float(difference[seed, inside].mean()) for seed, inside in tested] if differences is None else differences
    shares = [float(inside.mean()) for _, inside in tested]
    n = len(means)
    if n < 2:
        return AcrossFolds(math.nan, math.nan, math.nan)
    mean, variance, tested_share = float(np.mean(means)), float(np.var(means, ddof=1)), float(np.mean(shares))
    if variance < _ROUNDING:
        n_train = round(correct.shape[1] * (1 - tested_share))
        return AcrossFolds(mcnemar(correct[0], other[0], n_train), mean, mean)
    error = math.sqrt(variance * (1 / n + tested_share / (1 - tested_share)))
    reach = float(t.ppf(0.975, n - 1)) * error
    return AcrossFolds(float(2 * t.sf(abs(mean) / error, n - 1)), mean - reach, mean + reach)


def each_fold(folds: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield the number of the seed and which questions were tested, fold after fold.

    >>> [(seed, inside.tolist()) for seed, inside in each_fold(np.array([[0, 1]]))]
    [(0, [True, False]), (0, [False, True])]
    """
    for seed in range(len(folds)):
        for fold in np.unique(folds[seed]):
            yield seed, folds[seed] == fold


def widened(replicates: NDArray[np.float64], centre: float, n_test: int, n_train: int | None) -> NDArray[np.float64]:
    """Return the resampled differences of two trained systems with the chance in their training part too.

    Resamples of the questions know nothing of it. Their variance is multiplied by 1 + n_test / n_train, the correction
    of Nadeau and Bengio (2003) for one split; with n_test all questions of a cross-validation it is that for its folds.

    Parameters
    ----------
    replicates : float64 of shape (n_resamples,).
    centre : the difference itself.
    n_test, n_train : questions that are asked, and that each system was trained on; None where nothing was trained.

    Examples
    --------
    >>> widened(np.array([0.1, 0.3]), 0.2, n_test=30, n_train=10).round(3).tolist()
    [0.0, 0.4]
    """
    return centre + math.sqrt(1 + n_test / n_train) * (replicates - centre) if n_train else replicates


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

"""What is read off bootstrap resamples (Efron, 1979), of whatever: their interval and their test."""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_UNITS", "paired_p_value", "percentile_interval"]

MIN_UNITS = 10
"""Resamples of fewer units repeat each other; their interval and test claim a certainty that is not there."""


def percentile_interval(replicates: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of the replicates that are numbers; NaN where fewer than half are.

    >>> percentile_interval(np.arange(41.0))
    (1.0, 39.0)
    """
    finite = replicates[np.isfinite(replicates)]
    if 2 * len(finite) < len(replicates) or not len(finite):
        return math.nan, math.nan
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def paired_p_value(replicates: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return the two-sided bootstrap p-value that two systems do not differ, from the same resamples of both.

    NaN where fewer than half of the resamples are numbers.

    >>> paired_p_value(np.full(99, 2.0), np.full(99, 1.0))
    0.02
    """
    difference = replicates - others
    finite = np.isfinite(difference)
    if 2 * finite.sum() < len(difference) or not finite.any():
        return math.nan
    difference = difference[finite]
    below, above = int((difference <= 0).sum()), int((difference >= 0).sum())
    return min(1.0, 2 * (1 + min(below, above)) / (1 + len(difference)))

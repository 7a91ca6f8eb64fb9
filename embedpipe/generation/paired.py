"""Two models on the same tokens, and one model on a sample: bootstrap over the rows of the sample (Efron, 1979).

Tokens of one text are not independent, so whole rows are drawn: documents, or stretches of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import ConfigError
from embedpipe.generation.units import perplexity_of
from embedpipe.resampling import MIN_UNITS, paired_p_value, percentile_interval

__all__ = ["Paired", "compare_losses", "mean_interval", "perplexity_interval"]

Rows = NDArray[np.floating[Any]] | Sequence[NDArray[np.floating[Any]]]

_REPEATS = 10_000


@dataclass(frozen=True, slots=True)
class Paired:
    """What the losses of two models on the same tokens say.

    Parameters
    ----------
    difference : mean nats of the first less those of the second; below 0 the first predicts better.
    low, high : its 95 % interval; NaN for fewer than `MIN_UNITS` rows.
    p_value : two-sided, that the two do not differ; NaN for fewer than `MIN_UNITS` rows.
    ratio : perplexity of the first over that of the second.
    n_rows, n_tokens : what was drawn, and the predicted tokens in it.
    """

    difference: float
    low: float
    high: float
    p_value: float
    ratio: float
    n_rows: int
    n_tokens: int


def compare_losses(first: Rows, second: Rows, *, repeats: int = _REPEATS, seed: int = 0) -> Paired:
    """Compare two models by a paired bootstrap over the rows of their losses.

    Parameters
    ----------
    first, second : negative log-probabilities of the same tokens: arrays of shape (rows, time), or one array for each
        row where rows are of different lengths.
    repeats : resamples, the same rows of both models in each.

    Raises
    ------
    ConfigError
        If the two have not the same rows, there is no token, or a loss is not a finite number.

    Examples
    --------
    >>> losses = np.tile([2.0, 3.0], (20, 1))
    >>> found = compare_losses(losses, losses + 0.5)
    >>> found.difference, found.low, found.high, round(found.ratio, 3), found.p_value < 0.001
    (-0.5, -0.5, -0.5, 0.607, True)
    """
    totals, sizes = _by_row(first)
    others, other_sizes = _by_row(second)
    if not np.array_equal(sizes, other_sizes):
        raise ConfigError(
            f"the two models were scored on {len(sizes)} rows of {int(sizes.sum()):,} tokens and on "
            f"{len(other_sizes)} rows of {int(other_sizes.sum()):,} tokens; compare them on the same"
        )
    for name, sums in (("first", totals), ("second", others)):
        if not np.isfinite(sums).all():
            row = int(np.flatnonzero(~np.isfinite(sums))[0])
            raise ConfigError(
                f"row {row} of the {name} model holds losses that are not finite numbers: no mean to compare"
            )
    difference = float((totals - others).sum() / sizes.sum())
    low = high = p_value = math.nan
    if len(sizes) >= MIN_UNITS:
        drawn = _resampled(totals - others, sizes, repeats, seed)
        low, high = percentile_interval(drawn)
        p_value = paired_p_value(drawn, np.zeros(1))
    return Paired(difference, low, high, p_value, perplexity_of(difference), len(sizes), int(sizes.sum()))


def perplexity_interval(losses: Rows, *, repeats: int = _REPEATS, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of a perplexity, by resamples of the rows.

    NaN for fewer than `MIN_UNITS` rows, and where a loss is not a finite number.

    Parameters
    ----------
    losses : as `compare_losses` takes them.

    Examples
    --------
    >>> low, high = perplexity_interval(np.log(np.repeat([50.0, 200.0], 20))[:, None])
    >>> 75 < low < 100 < high < 133
    True
    """
    low, high = mean_interval(losses, repeats=repeats, seed=seed)
    return (math.nan, math.nan) if math.isnan(low) else (perplexity_of(low), perplexity_of(high))


def mean_interval(losses: Rows, *, repeats: int = _REPEATS, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the mean of all losses, by resamples of the rows; NaN as for `perplexity_interval`.

    Parameters
    ----------
    losses : as `compare_losses` takes them; what is averaged need not be tokens.

    Examples
    --------
    >>> mean_interval([np.array([2.0, 2.0]), np.array([2.0])] * 5), mean_interval(np.ones((9, 4)))
    ((2.0, 2.0), (nan, nan))
    """
    totals, sizes = _by_row(losses)
    if len(sizes) < MIN_UNITS or not np.isfinite(totals).all():
        return math.nan, math.nan
    low, high = percentile_interval(_resampled(totals, sizes, repeats, seed))
    return float(low), float(high)


def _by_row(losses: Rows) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    totals = np.array([float(np.sum(row, dtype=np.float64)) for row in losses])
    sizes = np.array([len(row) for row in losses], dtype=np.int64)
    if not sizes.sum():
        raise ConfigError("no predicted tokens to compare; give a sample of at least one row of two tokens")
    return totals[sizes > 0], sizes[sizes > 0]


def _resampled(totals: NDArray[np.float64], sizes: NDArray[np.int64], repeats: int, seed: int) -> NDArray[np.float64]:
    """Return the mean over tokens of each resample of the rows, float64 of shape (repeats,)."""
    n = len(sizes)
    rng = np.random.default_rng([seed, n])
    means = np.empty(repeats)
    block = max(1, 1_000_000 // n)
    for start in range(0, repeats, block):
        rows = rng.integers(0, n, size=(min(block, repeats - start), n))
        means[start : start + len(rows)] = totals[rows].sum(axis=1) / sizes[rows].sum(axis=1)
    return means

"""How a figure grows with the size of the corpus: a power law with an interval, and what it says of more text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Forecast", "PowerLaw", "fit_power_law", "forecast"]

Array = NDArray[np.float64]

_EXPONENTS = np.geomspace(0.05, 2.0, 400)
"""Exponents tried; those of errors in language lie between .07 and .35 (Hestness et al., 2017)."""
MIN_SIZES = 4


@dataclass(frozen=True)
class PowerLaw:
    """``limit - scale * n ** -exponent``, fitted to the figure and to each of its resamples.

    Parameters
    ----------
    limit, scale, exponent : of the figure itself.
    residual : root mean square of what the law leaves unexplained, in units of the figure.
    resampled : float64 of shape (n_resamples, 3): limit, scale and exponent of each resample.
    """

    limit: float
    scale: float
    exponent: float
    residual: float
    resampled: Array

    def at(self, n: float) -> float:
        """Return the figure that the law gives for a corpus of `n` tokens."""
        return self.limit - self.scale * math.pow(n, -self.exponent)

    def resamples_at(self, n: float) -> Array:
        """Return the same for each resample, float64 of shape (n_resamples,)."""
        limit, scale, exponent = self.resampled.T
        values: Array = limit - scale * n**-exponent
        return values


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a corpus `times` as large would give: the figure and the gain over the largest size, with 95 % intervals."""

    times: float
    value: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float

    @property
    def measurable(self) -> bool:
        """Whether the interval of the gain leaves out zero."""
        return self.gain_low > 0


def fit_power_law(sizes: Sequence[float], replicates: Array, *, limit: float = 1.0) -> PowerLaw:
    """Fit a power law to a figure that was measured at several sizes.

    For each exponent of a grid the best limit and scale follow by least squares (Golub and Pereyra, 1973, variable
    projection), so that a thousand resamples are fitted at once and none ends in a local optimum. The scale is never
    negative, and the limit never above `limit`: where the data ask for more, it is held there.

    Parameters
    ----------
    sizes : tokens, at least four different ones.
    replicates : float64 of shape (n_sizes, 1 + n_resamples): the figure, then its resamples.
    limit : highest value that the figure can have.

    Raises
    ------
    ValueError
        For fewer than four sizes.

    Examples
    --------
    >>> sizes = [1e5, 2e5, 4e5, 8e5]
    >>> exact = np.array([[0.6 - 9.0 * n**-0.3] for n in sizes])
    >>> law = fit_power_law(sizes, exact)
    >>> round(law.limit, 2), round(law.at(1.6e6), 3), round(0.6 - 9.0 * 1.6e6**-0.3, 3)
    (0.6, 0.476, 0.476)
    """
    if len(set(sizes)) < MIN_SIZES:
        raise ValueError(f"a power law has three parameters: {MIN_SIZES} sizes are needed, not {len(set(sizes))}")
    n = np.asarray(sizes, dtype=np.float64)
    unit = n.max()
    best = np.full(replicates.shape[1], np.inf)
    found = np.zeros((replicates.shape[1], 3))
    mean = replicates.mean(axis=0)
    for exponent in _EXPONENTS:
        falling = (n / unit) ** -exponent
        centred = falling - falling.mean()
        scale = np.maximum(-(centred @ replicates) / (centred @ centred), 0.0)
        top = mean + scale * falling.mean()
        held = top > limit
        scale = np.where(held, np.maximum(falling @ (limit - replicates) / (falling @ falling), 0.0), scale)
        top = np.where(held, limit, top)
        errors = np.square(replicates - top + np.outer(falling, scale)).sum(axis=0)
        better = errors < best * (1 - 1e-9)
        best[better] = errors[better]
        found[better] = np.stack([top, scale * unit**exponent, np.full(len(top), exponent)], axis=1)[better]
    own = found[0]
    return PowerLaw(float(own[0]), float(own[1]), float(own[2]), math.sqrt(best[0] / len(n)), found[1:])


def forecast(law: PowerLaw, n_tokens: float, times: float) -> Forecast:
    """Return what `times` as much text as `n_tokens` would give by the law, NaN intervals without resamples."""
    value, gain = law.at(times * n_tokens), law.at(times * n_tokens) - law.at(n_tokens)
    values = law.resamples_at(times * n_tokens)
    gains = values - law.resamples_at(n_tokens)
    if not len(values):
        return Forecast(times, value, math.nan, math.nan, gain, math.nan, math.nan)
    (low, high), (gain_low, gain_high) = (np.percentile(x, [2.5, 97.5]) for x in (values, gains))
    return Forecast(times, value, float(low), float(high), gain, float(gain_low), float(gain_high))

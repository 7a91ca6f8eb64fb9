"""One figure at growing sizes of a corpus: its law, and what more text would give."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.pipeline.curve_fit import Forecast, fit_power_law, forecast
from embedpipe.probes.growth import Common

__all__ = ["CurveTask", "covered", "fitted"]

_TIMES = (2.0, 8.0)


@dataclass(frozen=True, slots=True)
class CurveTask:
    """How one figure grows.

    Parameters
    ----------
    task, metric : what was measured.
    n : questions that every size can answer, on which `values` rest.
    values, coverage : for each size, the mean over seeds; coverage is of all questions of the task.
    limit, scale, exponent : of the power law ``limit - scale * tokens ** -exponent``; NaN where none was fitted.
    forecasts : what twice and eight times the text would give.
    note : why there is no law, or how far to believe it.
    """

    task: str
    metric: str
    n: int
    values: tuple[float, ...]
    coverage: tuple[float, ...]
    limit: float = math.nan
    scale: float = math.nan
    exponent: float = math.nan
    forecasts: tuple[Forecast, ...] = ()
    note: str = ""

    @property
    def grows(self) -> bool:
        """Whether a law was fitted and grows: without that nothing can be said of more text."""
        return self.scale > 0

    @property
    def by_law(self) -> float:
        """What the law says of the largest size: gains are counted from it; NaN without a law."""
        return self.forecasts[0].value - self.forecasts[0].gain if self.forecasts else math.nan


def covered(common: Sequence[Common], sizes: Sequence[int]) -> CurveTask:
    """Return how the share of the questions grows that the vocabulary can answer: what more text buys rarer words.

    Parameters
    ----------
    common : one for each seed, as `ask_all` gives them of the sizes.
    sizes : tokens of each.
    """
    shares = np.mean([one.coverage for one in common], axis=0)
    law = fit_power_law(sizes, shares[:, None])
    values = tuple(float(share) for share in shares)
    forecasts = tuple(forecast(law, sizes[-1], times) for times in _TIMES)
    return CurveTask(
        common[0].task,
        "coverage",
        0,
        values,
        values,
        law.limit,
        law.scale,
        law.exponent,
        forecasts,
    )


def fitted(common: Sequence[Common], sizes: Sequence[int], seed: int) -> CurveTask:
    """Return a figure at each size, its law, and what twice and eight times the text would give.

    Parameters
    ----------
    common : one for each seed, as `ask_all` gives them of the sizes.
    sizes : tokens of each.
    seed : of the chance of the training, which is added to the resamples.
    """
    first = common[0]
    n = min(one.n for one in common)
    coverage = tuple(float(share) for share in np.mean([one.coverage for one in common], axis=0))
    if not all(one.replicates.size for one in common):
        note = f"no figure: every size can answer {n} questions, of 30 that are needed at least"
        return CurveTask(first.task, first.metric, n, (), coverage, note=note)
    stacked = np.stack([one.replicates for one in common])  # (seeds, sizes, 1 + resamples)
    replicates = _with_noise(stacked, sizes, seed)
    law = fit_power_law(sizes, replicates)
    note = "the figure does not grow over these sizes" if law.scale <= 0 else ""
    return CurveTask(
        first.task,
        first.metric,
        n,
        tuple(float(value) for value in replicates[:, 0]),
        coverage,
        law.limit,
        law.scale,
        law.exponent,
        tuple(forecast(law, sizes[-1], times) for times in _TIMES),
        note,
    )


def _with_noise(stacked: NDArray[np.float64], sizes: Sequence[int], seed: int) -> NDArray[np.float64]:
    """Return the mean over seeds, each resample with the chance of the training added; shape (sizes, 1 + resamples)."""
    n_seeds, n_sizes, _ = stacked.shape
    mean: NDArray[np.float64] = stacked.mean(axis=0)
    unexplained = fit_power_law(sizes, mean[:, :1]).residual * math.sqrt(n_sizes / max(1, n_sizes - 3))
    between = 0.0
    if n_seeds > 1:
        between = float(np.sqrt(stacked[:, :, 0].var(axis=0, ddof=1).mean() / n_seeds))
    spread = max(unexplained, between)
    noise = np.random.default_rng(seed).normal(scale=spread, size=(n_sizes, mean.shape[1])) if spread else 0.0
    noisy = mean + noise
    noisy[:, 0] = mean[:, 0]
    return noisy

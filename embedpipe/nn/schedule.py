"""The learning rate over a training: a linear rise, then a half cosine or a straight line down to zero, or neither."""

import math
from collections.abc import Sequence
from typing import Literal

import torch

__all__ = ["Schedule", "peak_rates", "rate_factor", "set_rates"]

Schedule = Literal["cosine", "linear", "constant"]


def rate_factor(step: float, steps: int, warmup: float, schedule: Schedule = "cosine") -> float:
    """Return the factor on the learning rate at `step`, in (0, 1].

    Parameters
    ----------
    step : from 0 to `steps` - 1; it need not be whole, but the warm-up takes whole steps.
    warmup : share of the steps in which it rises linearly to 1, in [0, 1).
    schedule : how it falls to zero after them: a half cosine (Loshchilov and Hutter, 2017), a straight line, or
        not at all.

    Examples
    --------
    >>> [round(rate_factor(step, 8, 0.25), 3) for step in range(8)]
    [0.5, 1.0, 1.0, 0.933, 0.75, 0.5, 0.25, 0.067]
    >>> [round(rate_factor(step, 8, 0.25, "linear"), 3) for step in range(8)]
    [0.5, 1.0, 1.0, 0.833, 0.667, 0.5, 0.333, 0.167]
    """
    rising = math.ceil(steps * warmup)
    if step < rising:
        return min((step + 1) / rising, 1.0)
    if schedule == "constant":
        return 1.0
    fallen = (step - rising) / max(steps - rising, 1)
    return 1.0 - fallen if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * fallen))


def peak_rates(optimizers: Sequence[torch.optim.Optimizer]) -> list[list[float]]:
    """Return the learning rate of each group of each optimizer."""
    return [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]


def set_rates(optimizers: Sequence[torch.optim.Optimizer], peaks: list[list[float]], factor: float) -> None:
    """Set every learning rate to `factor` times its peak."""
    for optimizer, rates in zip(optimizers, peaks, strict=True):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor

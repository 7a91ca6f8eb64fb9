"""Learning rate and batch size found by trying them for a few steps."""

import math
import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embedpipe.errors import DeviceError, NotEnoughDataError
from embedpipe.nn.memory import is_out_of_memory
from embedpipe.nn.precision import Precision, resolve_precision
from embedpipe.runtime import Listener, StageStarted, Step, silent

__all__ = [
    "BatchTest",
    "RateTest",
    "TriedBatch",
    "available_memory",
    "find_batch",
    "in_precision",
    "peak_memory",
    "range_test",
]

Batch = TypeVar("Batch")
_DIVERGED = 4.0
_SMOOTHING = 0.9
_UNTRUSTED = 0.1
_GROWTH = 0.10
_MEMORY_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class RateTest:
    """What a range test saw.

    Parameters
    ----------
    rates : float64, shape (steps,), rising.
    losses : float64, shape (steps,), the smoothed loss at each rate.
    suggested : the rate at which the loss falls fastest.
    lowest : the rate from which on the loss falls.
    highest : the rate at which it is lowest; above it the loss rises or diverges. It is seen some steps late, for a
        loss needs steps to grow and is averaged.
    diverged : whether the test ended because it diverged, and not at the highest rate that was asked for.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    suggested: float
    lowest: float
    highest: float
    diverged: bool


def range_test(
    make_model: Callable[[], nn.Module],
    batches: Iterable[Batch],
    loss: Callable[[nn.Module, Batch], Tensor],
    *,
    optimizers: Callable[[nn.Module], Sequence[torch.optim.Optimizer]],
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    clip: float = math.inf,
    scaler: torch.amp.GradScaler | None = None,
    stage: str = "learning rate",
    listener: Listener = silent,
) -> RateTest:
    """Train a fresh model at a rate that rises exponentially, one step each, until the loss diverges.

    Source: Smith (2017), "Cyclical Learning Rates for Training Neural Networks".

    Parameters
    ----------
    make_model : returns the model as training begins with it; it is used up.
    batches : at least 10; the test ends early when they do.
    loss : the model and a batch to a scalar.
    optimizers : of a model; the learning rate of the first group is the one that is varied, and those of the others
        keep their ratio to it.
    lowest, highest : the first and the last rate, both above 0.
    steps : how many rates are tried.
    clip : largest norm of the dense gradients together, as in training.
    scaler : of the loss, as in training; None is none.

    Raises
    ------
    NotEnoughDataError
        If fewer than 10 rates could be tried before the loss diverged or the batches ended.

    Notes
    -----
    The losses are averaged exponentially over about ten steps, without the bias of the beginning. The test ends when
    one is not finite or four times the lowest. The suggestion is where a line through five neighbouring losses, by the
    logarithm of the rate, falls most steeply, between `RateTest.lowest` and `RateTest.highest`.

    Examples
    --------
    >>> def squared(model, batch):
    ...     return model(batch).square().mean()
    >>> found = range_test(
    ...     lambda: torch.nn.Linear(2, 1),
    ...     [torch.ones(1, 2)] * 60,
    ...     squared,
    ...     optimizers=lambda model: [torch.optim.SGD(model.parameters(), lr=1.0)],
    ...     lowest=1e-4,
    ...     highest=100.0,
    ...     steps=60,
    ... )
    >>> found.lowest < found.suggested <= found.highest < 2.0
    True
    """
    listener(StageStarted(stage, steps))
    model = make_model().train()
    used = optimizers(model)
    groups = [group for optimizer in used for group in optimizer.param_groups]
    ratios = [group["lr"] / groups[0]["lr"] for group in groups]
    rates = np.geomspace(lowest, highest, steps)
    tried: list[float] = []
    average, best, diverged = 0.0, math.inf, False
    for step, (rate, batch) in enumerate(zip(rates, batches, strict=False)):
        for group, ratio in zip(groups, ratios, strict=True):
            group["lr"] = rate * ratio
        value = _step(model, batch, loss, used, clip, scaler)
        average = _SMOOTHING * average + (1 - _SMOOTHING) * value
        smoothed = average / (1 - _SMOOTHING ** (step + 1))
        if not math.isfinite(smoothed) or smoothed > _DIVERGED * best:
            diverged = True
            break
        best = min(best, smoothed)
        tried.append(smoothed)
        listener(Step(stage, step + 1, f"rate {rate:.1e}, loss {smoothed:.3f}"))
    if len(tried) < 10:
        raise NotEnoughDataError(
            f"the range test tried {len(tried)} learning rates from {lowest:g} on before "
            + ("the loss diverged; begin lower" if diverged else "the batches ended; at least 10 are needed")
        )
    return _read(rates[: len(tried)], np.array(tried), diverged=diverged)


def in_precision(
    loss: Callable[[nn.Module, Batch], Tensor], device: torch.device, precision: Precision
) -> Callable[[nn.Module, Batch], Tensor]:
    """Return `loss` computed in the precision that training on `device` would take."""
    dtype = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[resolve_precision(precision, device)]

    def computed(model: nn.Module, batch: Batch) -> Tensor:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            return loss(model, batch)

    return computed


def _step(
    model: nn.Module,
    batch: Batch,
    loss: Callable[[nn.Module, Batch], Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    clip: float,
    scaler: torch.amp.GradScaler | None,
) -> float:
    """Take one step; return the loss before it."""
    value = loss(model, batch)
    (value if scaler is None else scaler.scale(value)).backward()  # type: ignore[no-untyped-call]
    if scaler is not None:
        for optimizer in optimizers:
            scaler.unscale_(optimizer)
    dense = [p for p in model.parameters() if p.grad is not None and not p.grad.is_sparse]
    if dense and math.isfinite(clip):
        nn.utils.clip_grad_norm_(dense, clip)
    for optimizer in optimizers:
        optimizer.step() if scaler is None else scaler.step(optimizer)
        optimizer.zero_grad()
    if scaler is not None:
        scaler.update()
    return float(value.detach())


def _read(rates: NDArray[np.float64], losses: NDArray[np.float64], *, diverged: bool) -> RateTest:
    """Return the bounds and the suggestion of a curve of at least 10 losses."""
    # The first tenth of the average rests on few losses, so its slopes mean nothing.
    begin = max(int(_UNTRUSTED * len(losses)), 2)
    bottom = begin + int(losses[begin:].argmin())
    slopes = _slopes(np.log(rates), losses)
    steepest = begin + int(slopes[begin : bottom + 1].argmin())
    # From the steepest point back to where the loss does not fall yet, by a tenth of that slope.
    flat = np.flatnonzero(slopes[begin:steepest] > 0.1 * slopes[steepest])
    lowest = begin + int(flat[-1]) + 1 if len(flat) else begin
    suggested, low, high = (float(rates[i]) for i in (steepest, lowest, bottom))
    return RateTest(rates, losses, suggested, low, high, diverged)


def _slopes(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the slope at each point of the line of least squares through it and two on each side (fewer at the ends).

    >>> _slopes(np.arange(6.0), 3.0 * np.arange(6.0)).round(6).tolist()
    [3.0, 3.0, 3.0, 3.0, 3.0, 3.0]
    """
    near = np.abs(np.arange(len(x))[:, None] - np.arange(len(x))) <= 2
    counts = near.sum(axis=1)
    mean_x, mean_y = near @ x / counts, near @ y / counts
    covariance = near @ (x * y) / counts - mean_x * mean_y
    return np.asarray(covariance / (near @ (x * x) / counts - mean_x**2))


@dataclass(frozen=True, slots=True)
class TriedBatch:
    """One size of batch: rows a second and the peak of memory in bytes, both NaN where it did not fit."""

    batch: int
    per_second: float
    memory: float
    outcome: str


@dataclass(frozen=True, slots=True)
class BatchTest:
    """The sizes that were tried, smallest first, and the one from which on a larger one gains little."""

    tried: Sequence[TriedBatch]
    suggested: int
    reason: str


def find_batch(
    make_model: Callable[[], nn.Module],
    batches: Callable[[int], Iterable[Batch]],
    loss: Callable[[nn.Module, Batch], Tensor],
    *,
    n_rows: Callable[[Batch], int],
    optimizers: Callable[[nn.Module], Sequence[torch.optim.Optimizer]],
    device: torch.device,
    smallest: int = 32,
    largest: int = 65_536,
    steps: int = 3,
    limit: float | None = None,
    scaler: torch.amp.GradScaler | None = None,
    clock: Callable[[], float] = time.perf_counter,
    stage: str = "batch size",
    listener: Listener = silent,
) -> BatchTest:
    """Double the batch until memory runs out, the data give no larger one, or the rows a second grow by under a tenth.

    Parameters
    ----------
    make_model : returns the model as training begins with it.
    batches : a size to batches of it, at least ``steps + 1``; they may be smaller where the data have fewer rows.
    n_rows : how many rows a batch holds, by which speed is measured.
    loss, optimizers, scaler : as for `range_test`.
    device : where the model and the batches are; decides whose memory is measured.
    smallest, largest : the first size and the largest one that is tried.
    steps : measured at each size, after one that is not; the median counts.
    limit : bytes that training may take; on a CPU, where an allocation too many kills the process, four fifths of
        what `available_memory` says and on a GPU none. A size whose memory, twice that of the one before, would
        not fit is not tried.
    clock : seconds, as a float.

    Raises
    ------
    DeviceError
        If the smallest size does not fit.
    NotEnoughDataError
        If there are no batches of it.
    """
    on_cpu = device.type == "cpu"
    base = peak_memory(device)
    if limit is None:
        limit = base + _MEMORY_SHARE * available_memory() if on_cpu else math.inf
    tried: list[TriedBatch] = []
    size, most, reason = smallest, 0, f"{largest:,} is the largest size that was asked for"
    while size <= largest:
        if tried and base + 2 * (tried[-1].memory - base) > limit:
            tried.append(TriedBatch(size, math.nan, math.nan, "not tried: would not fit into memory"))
            reason = f"a batch of {size:,} would take more than {limit / 2**30:.1f} GiB"
            break
        model = make_model().train()
        used = optimizers(model)
        try:
            seconds, rows = [], []
            for batch in islice(batches(size), steps + 1):
                begin = clock()
                _step(model, batch, loss, used, math.inf, scaler)
                seconds.append(clock() - begin)
                rows.append(n_rows(batch))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            tried.append(TriedBatch(size, math.nan, math.nan, "out of memory"))
            reason = f"memory runs out with a batch of {size:,}"
            break
        if len(seconds) < 2:
            reason = f"the text has no batches of {size:,}"
            break
        if max(rows) <= most:
            reason = f"the data give no larger batch for {size:,} rows"
            break
        most = max(rows)
        rate, memory = float(np.median(np.divide(rows[1:], seconds[1:]))), peak_memory(device)
        growth = rate / tried[-1].per_second - 1 if tried else math.inf
        tried.append(TriedBatch(size, rate, memory, f"{growth:+.0%}" if tried else "the first"))
        listener(Step(stage, len(tried), f"batch {size:,}: {rate:,.0f} a second"))
        if growth < _GROWTH:
            reason = f"a batch of {size:,} is hardly faster than half of it ({growth:+.0%})"
            break
        size *= 2
    fitted = [one for one in tried if math.isfinite(one.per_second)]
    if not fitted:
        if tried:
            raise DeviceError(
                f"out of memory with a batch of {smallest:,} already; use a smaller model or --device cpu"
            )
        raise NotEnoughDataError(f"the text has no {steps + 1} batches of {smallest:,}")
    hardly = len(fitted) > 1 and fitted[-1].per_second < (1 + _GROWTH) * fitted[-2].per_second
    return BatchTest(tried, fitted[-2 if hardly else -1].batch, reason)


def peak_memory(device: torch.device) -> float:
    """Return the most bytes that were held so far: by torch on a GPU, else by this process."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1_024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def available_memory(meminfo: Path = Path("/proc/meminfo"), group: Path = Path("/sys/fs/cgroup")) -> float:
    """Return the bytes that a process can still take, infinite where the system does not say.

    Parameters
    ----------
    meminfo : its line ``MemAvailable`` counts.
    group : folder of the control group that limits a container, in either version; counts where it leaves less.
    """
    left = [math.inf]
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines() if ":" in line)
        left.append(float(lines["MemAvailable"].split()[0]) * 1_024)
    except (OSError, ValueError, KeyError):
        pass
    for most, now in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            left.append(float((group / most).read_text()) - float((group / now).read_text()))
        except (OSError, ValueError):  # no limit is the word max
            continue
    return max(min(left), 0.0)

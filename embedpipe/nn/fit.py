"""The one training loop of the project, on accelerate for device, precision and scale-out."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embedpipe.errors import ConfigError
from embedpipe.runtime import Evaluated, Listener, Step, Stopped, silent

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["FitResult", "Precision", "fit", "make_optimizers", "resolve_precision", "warmup_cosine"]

Precision = Literal["auto", "fp32", "bf16"]
Batch = TypeVar("Batch")
_SECONDS_BETWEEN_EVENTS = 0.2


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a run of `fit` did.

    Parameters
    ----------
    steps : optimizer steps taken.
    losses : float64 array of shape (steps,), the training loss before each step.
    best : the lowest value that `evaluate` gave, NaN where nothing was evaluated.
    best_step : the number of steps after which it was measured.
    stopped : why the run ended before its plan, or None.
    """

    steps: int
    losses: NDArray[np.float64]
    best: float
    best_step: int
    stopped: str | None = None


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """Return the factor on the learning rate at `step` (from 0): linear warm-up, then a half cosine down to zero.

    >>> [round(warmup_cosine(step, 8, 0.25), 3) for step in range(8)]
    [0.5, 1.0, 1.0, 0.933, 0.75, 0.5, 0.25, 0.067]
    """
    rising = math.ceil(steps * warmup)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1.0 + math.cos(math.pi * (step - rising) / max(steps - rising, 1)))


def resolve_precision(precision: Precision, device: torch.device) -> Literal["no", "bf16"]:
    """Return accelerate's name of the precision; ``auto`` takes bf16 where the device computes in it.

    A CPU without AVX512-BF16 or AMX emulates bf16 more slowly than it computes in float32.
    """
    if precision == "fp32":
        return "no"
    if precision == "bf16":
        return "bf16"
    if precision != "auto":
        raise ConfigError(f"precision is auto, fp32 or bf16, not '{precision}'")
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    # The probes below are private names of torch, so a version without them means float32 and no crash.
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return "bf16" if any(probe() for probe in probes if probe is not None) else "no"


def make_optimizers(
    model: nn.Module,
    learning_rate: float,
    weight_decay: float,
    *,
    sparse: Iterable[nn.Parameter] = (),
    sparse_learning_rate: float | None = None,
) -> list[torch.optim.Optimizer]:
    """Return AdamW for the dense parameters and SparseAdam for those with sparse gradients.

    A dense Adam step over a large embedding table costs more than the LSTM above it; SparseAdam touches only the
    rows of the batch. Weight decay falls on matrices only, and never on a sparse table.

    Parameters
    ----------
    model : its ``nn.Embedding(sparse=True)`` tables are found here.
    sparse : further parameters whose gradients are sparse, such as the argument of
        ``F.embedding(ids, weight, sparse=True)``.
    sparse_learning_rate : `learning_rate` when None.
    """
    tables = [module.weight for module in model.modules() if isinstance(module, nn.Embedding) and module.sparse]
    scattered = {id(parameter): parameter for parameter in (*tables, *sparse) if parameter.requires_grad}
    dense = [p for p in model.parameters() if p.requires_grad and id(p) not in scattered]
    optimizers: list[torch.optim.Optimizer] = []
    if dense:
        groups = [
            {"params": [p for p in dense if p.ndim >= 2], "weight_decay": weight_decay},
            {"params": [p for p in dense if p.ndim < 2], "weight_decay": 0.0},
        ]
        optimizers.append(torch.optim.AdamW([g for g in groups if g["params"]], lr=learning_rate, fused=True))
    if scattered:
        rate = learning_rate if sparse_learning_rate is None else sparse_learning_rate
        optimizers.append(torch.optim.SparseAdam(list(scattered.values()), lr=rate))
    return optimizers


def fit(
    model: nn.Module,
    batches: Iterable[Batch],
    loss: Callable[[nn.Module, Batch], Tensor],
    *,
    optimizers: Sequence[torch.optim.Optimizer],
    steps: int,
    warmup: float = 0.1,
    clip: float = 1.0,
    device: torch.device,
    precision: Precision = "auto",
    stage: str,
    listener: Listener = silent,
    evaluate: Callable[[], float] | None = None,
    evaluate_every: int = 100,
    metric: str = "validation loss",
    keep_best: bool = True,
) -> FitResult:
    """Train `model` for `steps` batches; leave it on `device`, in evaluation mode, with its best state.

    Parameters
    ----------
    batches : what `loss` is given, one a step, on `device` already; the run ends early when they do.
    loss : the model and a batch to a scalar.
    optimizers : their learning rates are the peak; warm-up and cosine decay follow `warmup_cosine`.
    clip : largest norm of the dense gradients together; sparse gradients are not clipped.
    evaluate : a number that is the better the lower, measured on the model in evaluation mode before the first
        step, every `evaluate_every` steps and at the end; the state with the lowest is kept if `keep_best`.

    Notes
    -----
    A loss or gradient that is not finite ends the run before that step is taken, with a `Stopped` event, so the
    state is the best or, without `evaluate`, the last good one. `KeyboardInterrupt` propagates. Dropout draws from
    torch's global generator, which the caller seeds; under one seed, one number of threads and deterministic
    algorithms the result is the same to the bit.
    """
    losses: list[float] = []
    stopped = None
    with _accelerator(device, precision) as accelerator:
        prepared, *prepared_optimizers = accelerator.prepare(model, *optimizers)
        # For mixed precision accelerate hangs a wrapped forward on the instance. The loop enters that precision by
        # itself; what is evaluated, and what the caller gets back, computes in float32.
        accelerator.unwrap_model(prepared, keep_fp32_wrapper=False)
        model.__dict__.pop("forward", None)
        peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in prepared_optimizers]
        best = _Best(model, evaluate, keep_best, stage, metric, listener)
        best.measure(0)
        told = 0.0
        try:
            prepared.train()
            for step, batch in zip(range(steps), batches, strict=False):
                factor = warmup_cosine(step, steps, warmup)
                for optimizer, rates in zip(prepared_optimizers, peaks, strict=True):
                    for group, rate in zip(optimizer.param_groups, rates, strict=True):
                        group["lr"] = rate * factor
                    optimizer.zero_grad()

                with accelerator.autocast():
                    value = loss(prepared, batch)
                accelerator.backward(value)
                norm = _clip(accelerator, model, clip)
                if not math.isfinite(value.item()) or not math.isfinite(norm):
                    stopped = f"the loss is not finite at step {step + 1}; the last good state is kept"
                    listener(Stopped(stage, stopped))
                    break
                for optimizer in prepared_optimizers:
                    optimizer.step()

                losses.append(value.item())
                now = time.monotonic()
                if now - told >= _SECONDS_BETWEEN_EVENTS or step + 1 == steps:
                    told = now
                    listener(Step(stage, step + 1, f"loss {np.mean(losses[-20:]):.3f}"))
                if (step + 1) % evaluate_every == 0 and step + 1 < steps:
                    best.measure(step + 1)
                    prepared.train()
            if losses and stopped is None:
                best.measure(len(losses))
        finally:
            model.zero_grad(set_to_none=True)
            model.eval()
        best.restore()
    return FitResult(len(losses), np.array(losses, dtype=np.float64), best.value, best.step, stopped)


class _Best:
    """The lowest evaluation so far and the state that gave it."""

    def __init__(
        self,
        model: nn.Module,
        evaluate: Callable[[], float] | None,
        keep: bool,
        stage: str,
        metric: str,
        listener: Listener,
    ) -> None:
        self.model, self.evaluate, self.keep = model, evaluate, keep
        self.stage, self.metric, self.listener = stage, metric, listener
        self.value, self.step = math.nan, 0
        self.state: dict[str, Tensor] = {}

    def measure(self, step: int) -> None:
        if self.evaluate is None:
            return
        self.model.eval()
        with torch.no_grad():
            value = self.evaluate()
        self.listener(Evaluated(self.stage, self.metric, value, step))
        if value < self.value or (math.isnan(self.value) and not math.isnan(value)):
            self.value, self.step = value, step
            if self.keep:
                for name, tensor in self.model.state_dict().items():
                    if name in self.state:
                        self.state[name].copy_(tensor)
                    else:
                        self.state[name] = tensor.detach().clone()

    def restore(self) -> None:
        if self.state:
            self.model.load_state_dict(self.state)


def _clip(accelerator: "Accelerator", model: nn.Module, clip: float) -> float:
    """Clip the dense gradients; return a number that is finite exactly when all gradients are."""
    gradients = [(p, p.grad) for p in model.parameters() if p.grad is not None]
    dense = [parameter for parameter, gradient in gradients if not gradient.is_sparse]
    norm = float(accelerator.clip_grad_norm_(dense, clip)) if dense else 0.0
    # A sum is NaN or infinite when any addend is, and costs a fraction of an element-wise test.
    return norm + sum(float(g._values().sum()) for _, g in gradients if g.is_sparse)


@contextmanager
def _accelerator(device: torch.device, precision: Precision) -> Iterator["Accelerator"]:
    """Yield an Accelerator of one device and precision, and leave accelerate's process-wide state as it was.

    accelerate keeps the first device and precision for the life of the process, so a second fit with others would
    be refused and a user's own Accelerator would be changed.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState, PartialState

    singletons: tuple[Any, ...] = (PartialState, AcceleratorState, GradientState)
    before = [dict(singleton._shared_state) for singleton in singletons]
    for singleton in singletons:
        singleton._shared_state.clear()
    try:
        yield Accelerator(cpu=device.type == "cpu", mixed_precision=resolve_precision(precision, device))
    finally:
        for singleton, state in zip(singletons, before, strict=True):
            singleton._shared_state.clear()
            singleton._shared_state.update(state)

"""The one training loop of the project, on accelerate for device, precision and scale-out."""

import time
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embedpipe.errors import OutputError
from embedpipe.nn.average import Average
from embedpipe.nn.best import Best
from embedpipe.nn.budget import Budget
from embedpipe.nn.checkpoint import Checkpoints, Stateful
from embedpipe.nn.distributed import (
    average_gradients,
    copy_from_first,
    mean_over_processes,
    n_processes,
    set_apart,
    value_of_first,
)
from embedpipe.nn.free_memory import FreeMemory
from embedpipe.nn.guard import Guard
from embedpipe.nn.memory import Parts
from embedpipe.nn.precision import Precision, accelerator_for, loss_scaler
from embedpipe.nn.schedule import Schedule, peak_rates, set_rates
from embedpipe.runtime import Listener, Step, Stopped, silent

__all__ = ["FitResult", "fit"]

Batch = TypeVar("Batch")
_SECONDS_BETWEEN_EVENTS = 0.2
_STEPS_BETWEEN_LOOKS = 20


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a run of `fit` did.

    Parameters
    ----------
    steps : optimizer steps taken, those before a checkpoint counted.
    losses : float64 array of shape (steps,), the training loss before each step.
    best : the lowest value that `evaluate` gave, NaN where nothing was evaluated.
    best_step : the number of steps after which it was measured.
    stopped : why the run ended before its plan, or None.
    history : the step and the value of everything that `evaluate` gave, in order.
    elapsed : the seconds of training until each of them; evaluations do not count.
    """

    steps: int
    losses: NDArray[np.float64]
    best: float
    best_step: int
    stopped: str | None = None
    history: tuple[tuple[int, float], ...] = ()
    elapsed: tuple[float, ...] = ()


def fit(
    model: nn.Module,
    batches: Callable[[int], Iterable[Batch]],
    loss: Callable[[nn.Module, Batch], Tensor],
    *,
    optimizers: Sequence[torch.optim.Optimizer],
    steps: int,
    seconds: float = 0.0,
    schedule: Schedule = "cosine",
    warmup: float = 0.1,
    clip: float = 1.0,
    accumulate: int = 1,
    ema: float = 0.0,
    patience: int = 0,
    device: torch.device,
    precision: Precision = "auto",
    stage: str,
    listener: Listener = silent,
    evaluate: Callable[[], float] | None = None,
    evaluate_every: int = 100,
    metric: str = "validation loss",
    keep_best: bool = True,
    checkpoint: Checkpoints | None = None,
    carried: Sequence[Stateful] = (),
    parts: Parts | None = None,
    lazy: bool | None = None,
) -> FitResult:
    """Train `model` for `steps` steps; leave it on `device`, in evaluation mode, with its best state.

    Parameters
    ----------
    batches : given a number, what `loss` is given from the batch of this number on, on `device` already; the run ends
        early when they do. Step *i* (from 0) takes the batches ``i * accumulate`` to ``(i + 1) * accumulate - 1``.
    loss : the model and a batch to a scalar.
    seconds : of training after which it ends, whatever `steps` says, and which the learning rate follows (`Budget`);
        0 is by steps. Such a training cannot go on from a checkpoint.
    optimizers : their learning rates are the peak; warm-up and decay follow `schedule.rate_factor`.
    clip : largest norm of the gradients together; those that are sparse, or of groups with ``clipped=False``
        (`make_optimizers`), neither count nor are clipped.
    accumulate : batches whose gradients are averaged for one step, and their losses for what is reported.
    ema : decay of the moving average of the weights that is evaluated, kept and left in place of them; 0 is none.
    patience : evaluations without a lower value after which training stops; 0 never does.
    precision : of the forward pass; weights, gradients and optimizers are in float32.
    evaluate : a number that is the better the lower, measured on the model in evaluation mode before the first
        step, every `evaluate_every` steps and at the end; the state with the lowest is kept if `keep_best`.
    checkpoint : where the state is kept after every evaluation and every so many seconds, and gone on from; the
        caller removes it when it has what comes of the training.
    carried : what else changes from step to step and is part of the state.
    parts : tells `loss` in how many parts to read a batch; where memory runs out, there are more from then on.
    lazy : whether losses are left on the device until progress is told; None is where that saves waiting (`Guard`).

    Raises
    ------
    ConfigError
        For fp16 on a CPU.
    ValueError
        For a checkpoint of a training by seconds, or several processes of one.
    OutputError
        If the disk is too full for a checkpoint, several processes do not share it, or it is of this training on
        another device or with another number of processes; it is left as it is.

    Notes
    -----
    Where several processes have joined (`nn.distributed`), each calls this with a loss of its own share of the batches:
    gradients and losses are averaged, what is measured is what the first one measures, and it alone writes.

    A loss or gradient that is not finite ends the run before that step is taken, with a `Stopped` event, so the
    state is the best or, without `evaluate`, the last good one. Where the loss is scaled (`loss_scaler`) a gradient
    that is not finite leaves out its step, and ends the run only where no scale is small enough. `KeyboardInterrupt`
    propagates. Dropout draws from torch's global generator, which the caller seeds and the checkpoint holds; under one
    seed, one number of threads and deterministic algorithms the result is the same to the bit, whether the run was
    interrupted or not.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> line, data = nn.Linear(1, 1, bias=False), torch.tensor([[1.0], [2.0]])
    >>> result = fit(
    ...     line,
    ...     lambda start: (data for _ in range(start, 200)),
    ...     lambda model, x: ((model(x) - 3 * x) ** 2).mean(),
    ...     optimizers=[torch.optim.Adam(line.parameters(), lr=0.1)],
    ...     steps=200,
    ...     device=torch.device("cpu"),
    ...     precision="fp32",
    ...     stage="a line",
    ... )
    >>> round(line(torch.tensor([4.0])).item(), 1), bool(result.losses[-1] < 1e-3)
    (12.0, True)
    """
    if seconds and n_processes() > 1:
        raise ValueError("a training by seconds runs in one process, for several would stop at other steps")
    if seconds and checkpoint is not None:
        raise ValueError("a training by seconds takes other steps each time, so there is no checkpoint to go on from")
    stopped = None
    with accelerator_for(device, precision) as accelerator:
        # The model and the optimizers are not wrapped: the loop enters mixed precision and averages gradients over
        # processes by itself, and accelerate's optimizers cost more than the step of a small model.
        model.to(device)
        scaler = loss_scaler(precision, device)
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        parameters = [p for group in groups for p in group["params"]]
        unclipped = {id(p) for group in groups if not group.get("clipped", True) for p in group["params"]}
        peaks = peak_rates(optimizers)
        average = Average(model, ema)
        best = Best(
            model,
            average,
            evaluate,
            keep=keep_best,
            patience=patience,
            stage=stage,
            metric=metric,
            listener=listener,
        )
        guard = Guard(optimizers, device, scaler=scaler, lazy=lazy)
        budget = Budget(steps, seconds, warmup, schedule, evaluate_every)
        state = _State(model, optimizers, scaler, average, guard, best, budget, carried, device)
        done = _resume(checkpoint, state, stage, listener)
        copy_from_first(model)
        set_apart()
        if done == 0:
            with budget.evaluation():
                best.measure(0)
        told, free_memory = 0.0, FreeMemory()
        source = iter(batches(done * accumulate))

        def gradients(taken: Sequence[Batch]) -> Tensor:
            """Leave the gradients of these batches; return their mean loss."""
            for optimizer in optimizers:
                optimizer.zero_grad()
            total = torch.zeros((), device=device)
            for batch in taken:
                with accelerator.autocast():
                    value = loss(model, batch)
                scaled = value * guard.sound / accumulate
                (scaled if scaler is None else scaler.scale(scaled)).backward()  # type: ignore[no-untyped-call]
                total += value.detach() / accumulate
            return total

        try:
            model.train()
            while (
                budget.goes_on(done)
                and not best.exhausted
                and len(taken := list(islice(source, accumulate))) == accumulate
            ):
                free_memory.give_back()
                set_rates(optimizers, peaks, budget.factor(done))
                if parts is None:
                    total = gradients(taken)
                else:
                    total = parts.within_memory(partial(gradients, taken), _going_back(carried))
                average_gradients(parameters)
                if scaler is not None:
                    for optimizer in optimizers:
                        scaler.unscale_(optimizer)
                if not guard.admits(mean_over_processes(total), _clip(model, clip, unclipped)):
                    break
                for optimizer in optimizers:
                    optimizer.step() if scaler is None else scaler.step(optimizer)
                if scaler is not None:
                    scaler.update()
                average.update(guard.sound)
                done += 1

                measured = budget.due(done)
                # Processes that looked by their own clocks would part where a loss is not finite.
                may_look = n_processes() == 1 or done % _STEPS_BETWEEN_LOOKS == 0
                kept = may_look and checkpoint is not None and checkpoint.due()
                now = time.monotonic()
                telling = may_look and (n_processes() > 1 or now - told >= _SECONDS_BETWEEN_EVENTS)
                if not (measured or kept or telling):
                    continue
                if not guard.look():
                    break
                if now - told >= _SECONDS_BETWEEN_EVENTS or done == steps:
                    told = now
                    listener(Step(stage, done, f"loss {guard.recent:.3f}", guard.recent))
                if measured:
                    with budget.evaluation():
                        best.measure(done)
                    model.train()
                if checkpoint is not None and (kept or measured):
                    checkpoint.save(done, state.state_dict(), best.step, best.weights)
            if not guard.look():
                stopped = f"the loss is not finite at step {len(guard.losses) + 1}; the last good state is kept"
            elif best.exhausted and done < steps:
                stopped = f"no lower {metric} in {patience} evaluations; the state of step {best.step} is kept"
            elif done and (not best.history or best.history[-1][0] != done):
                with budget.evaluation():
                    best.measure(done)
        finally:
            guard.release()
            model.zero_grad(set_to_none=True)
            model.eval()
        if stopped is not None:
            listener(Stopped(stage, stopped))
        best.publish()
    losses = np.array(guard.losses, dtype=np.float64)
    return FitResult(len(losses), losses, best.value, best.step, stopped, tuple(best.history), tuple(budget.elapsed))


@dataclass(frozen=True, slots=True)
class _State:
    """All that a training changes from step to step."""

    model: nn.Module
    optimizers: Sequence[torch.optim.Optimizer]
    scaler: Any
    average: Average
    guard: Guard
    best: Best
    budget: Budget
    carried: Sequence[Stateful]
    device: torch.device

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "average": self.average.state_dict(),
            "losses": torch.tensor(self.guard.losses, dtype=torch.float64),
            "best": self.best.state_dict(),
            "budget": self.budget.state_dict(),
            "carried": [each.state_dict() for each in self.carried],
            "trained_on": self.trained_on,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    @property
    def trained_on(self) -> list[Any]:
        """Device and processes: with others a training has other optimizers and batches."""
        return [self.device.type, n_processes()]

    def load(self, state: dict[str, Any], weights: dict[str, Tensor]) -> None:
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        # An earlier version scaled no loss in bf16.
        if self.scaler is not None and state["scaler"] is not None:
            self.scaler.load_state_dict(state["scaler"])
        self.average.load_state_dict(state["average"])
        self.guard.losses = state["losses"].tolist()
        self.best.load_state_dict(state["best"], weights)
        # An earlier version kept no clock: what it trained counts as no time.
        unknown = {"spent": 0.0, "elapsed": [0.0] * len(self.best.history)}
        self.budget.load_state_dict(state.get("budget", unknown))
        for each, saved in zip(self.carried, state["carried"], strict=True):
            each.load_state_dict(saved)
        torch.set_rng_state(state["random"])
        if state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"], self.device)


def _resume(checkpoint: Checkpoints | None, state: _State, stage: str, listener: Listener) -> int:
    """Take over the checkpoint, if there is one of this training; return the steps that it has done."""
    if checkpoint is None:
        return 0
    saved = checkpoint.load()
    if value_of_first(0 if saved is None else saved.step) != (0 if saved is None else saved.step):
        raise OutputError(f"{checkpoint.folder}: is not the same for all processes; put it on a disk that they share")
    if saved is not None:
        kept_on = saved.state.get("trained_on", state.trained_on)
        if kept_on != state.trained_on:
            here = _place(*state.trained_on)
            raise OutputError(
                f"{checkpoint.folder}: the training was begun {_place(*kept_on)}, and this is {here}; "
                f"go on as it was begun (--device {kept_on[0]}, as many processes), or begin anew with --no-resume"
            )
        state.load(saved.state, saved.best)
        listener(Step(stage, saved.step, f"goes on after step {saved.step}", state.guard.recent))
        return saved.step
    if checkpoint.folder.exists():
        checkpoint.remove()
        listener(
            Step(
                stage, 0, "begins anew: the checkpoint is of other text or settings, of an earlier version, or damaged"
            )
        )
    return 0


def _place(device: str, processes: int) -> str:
    return f"on {device} in {processes} process{'' if processes == 1 else 'es'}"


def _going_back(carried: Sequence[Stateful]) -> Callable[[], None]:
    """Return what brings `carried` back to its present state."""
    before = [(each, each.state_dict()) for each in carried]

    def go_back() -> None:
        for each, state in before:
            each.load_state_dict(state)

    return go_back


def _clip(model: nn.Module, clip: float, unclipped: Container[int]) -> Tensor:
    """Clip the dense gradients but those of `unclipped`, by id; return a number that is finite when all of them are."""
    gradients = [(p, p.grad) for p in model.parameters() if p.grad is not None]
    dense = [p for p, gradient in gradients if not gradient.is_sparse and id(p) not in unclipped]
    rest = [gradient for p, gradient in gradients if gradient.is_sparse or id(p) in unclipped]
    # A sum is NaN or infinite when any addend is, and costs a fraction of an element-wise test.
    norms = [nn.utils.clip_grad_norm_(dense, clip)] if dense else []
    norms += [(gradient._values() if gradient.is_sparse else gradient).sum() for gradient in rest]
    return sum(norms[1:], norms[0]) if norms else torch.zeros(())

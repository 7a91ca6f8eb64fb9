"""The training loop: schedule, optimizers, best state, divergence, and that it leaves the process as it was."""

import copy
import math
import os
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.errors import ConfigError
from embedpipe.nn.fit import fit
from embedpipe.nn.memory import Parts
from embedpipe.nn.optimizers import make_optimizers
from embedpipe.nn.precision import resolve_precision
from embedpipe.nn.schedule import rate_factor, set_rates
from embedpipe.runtime import Evaluated, Step, Stopped, Warned

CPU = torch.device("cpu")


class Bagged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 4, sparse=True)
        self.out = nn.Linear(4, 1)

    def forward(self, ids: Tensor) -> Tensor:
        return self.out(self.table(ids).mean(dim=1))[:, 0]


def batches(n: int, start: int = 0):
    for number in range(start, n):
        generator = torch.Generator().manual_seed(number)
        ids = torch.randint(0, 20, (32, 3), generator=generator)
        yield ids, ids.float().mean(dim=1) / 10


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.mse_loss(model(batch[0]), batch[1])


def start() -> Bagged:
    torch.manual_seed(0)
    return Bagged()


def run(model: nn.Module, steps: int, **settings):
    settings = {"optimizers": make_optimizers(model, 0.05, 0.01), "device": CPU, "stage": "x", **settings}
    n = settings.pop("n", steps * settings.get("accumulate", 1))
    return fit(model, lambda start: batches(n, start), settings.pop("loss", loss), steps=steps, **settings)


def test_one_step_equals_adam_by_hand() -> None:
    # In its first step Adam moves every parameter with a gradient by the learning rate, against the gradient's sign.
    model = start()
    before = copy.deepcopy(model)
    ids, target = next(batches(1))
    loss(before, (ids, target)).backward()
    fit(
        model,
        lambda start: [(ids, target)],
        loss,
        optimizers=make_optimizers(model, 0.01, 0.0),
        steps=1,
        warmup=0.0,
        clip=1e9,
        device=CPU,
        stage="x",
    )
    moved = model.table.weight - before.table.weight
    expected = -0.01 * before.table.weight.grad.to_dense().sign()
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)
    assert (moved[[i for i in range(20) if i not in ids]] == 0).all()
    torch.testing.assert_close(
        model.out.weight - before.out.weight, -0.01 * before.out.weight.grad.sign(), atol=1e-5, rtol=0
    )


def test_training_lowers_the_loss_and_reports_it() -> None:
    model, events = start(), []
    result = run(model, 80, listener=events.append)
    assert result.steps == 80
    assert result.losses.shape == (80,)
    assert result.losses.dtype == np.float64
    assert result.losses[-10:].mean() < 0.1 * result.losses[:3].mean()
    steps = [event for event in events if isinstance(event, Step)]
    assert steps[-1].done == 80
    assert steps[-1].note == f"loss {result.losses[-20:].mean():.3f}"
    assert steps[-1].loss == pytest.approx(result.losses[-20:].mean())
    assert not model.training
    assert math.isnan(result.best)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_state_with_the_lowest_evaluation_is_kept() -> None:
    model, events, weights = start(), [], []
    values = iter([3.0, 1.0, 2.0, math.nan])

    def evaluate() -> float:
        assert not model.training
        weights.append(model.out.weight.clone())
        return next(values)

    result = run(model, 6, evaluate=evaluate, evaluate_every=2, listener=events.append, metric="pain")
    assert (result.best, result.best_step) == (1.0, 2)
    assert torch.equal(model.out.weight, weights[1])
    assert not torch.equal(weights[1], weights[3])
    measured = [(event.step, event.name) for event in events if isinstance(event, Evaluated)]
    assert measured == [(0, "pain"), (2, "pain"), (4, "pain"), (6, "pain")]


def test_without_keep_best_the_last_state_stays() -> None:
    model = start()
    values = iter([0.0, 1.0])
    weights = model.out.weight.clone()
    result = run(model, 2, evaluate=lambda: next(values), evaluate_every=9, keep_best=False)
    assert (result.best, result.best_step) == (0.0, 0)
    assert not torch.equal(model.out.weight, weights)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_before_the_step(poison: float) -> None:
    model, events, states = start(), [], []

    def poisoned(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        states.append(copy.deepcopy(model.state_dict()))
        return loss(model, batch) * (poison if len(states) == 4 else 1.0)

    result = run(model, 10, loss=poisoned, listener=events.append)
    assert result.steps == 3
    assert "not finite at step 4" in (result.stopped or "")
    assert [event.reason for event in events if isinstance(event, Stopped)] == [result.stopped]
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, states[-1][name])
        assert tensor.isfinite().all()


@pytest.mark.parametrize("part", ["table", "out"])
def test_a_gradient_that_is_not_finite_stops_too(part: str) -> None:
    model = start()

    def poisoned(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        # The root has a finite value and an infinite slope at zero.
        weight = model.table(batch[0]) if part == "table" else model.out.weight
        return loss(model, batch) + (weight.sum() * 0.0).abs().sqrt()

    assert run(model, 5, loss=poisoned).steps == 0
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_accumulated_batches_equal_one_large_batch() -> None:
    parts, whole = start(), start()
    run(parts, 3, accumulate=4, warmup=0.0, precision="fp32")
    joined = [[torch.cat(side) for side in zip(*list(batches(12))[i : i + 4], strict=True)] for i in (0, 4, 8)]
    fit(
        whole,
        lambda start: joined,
        loss,
        optimizers=make_optimizers(whole, 0.05, 0.01),
        steps=3,
        warmup=0.0,
        device=CPU,
        stage="x",
        precision="fp32",
    )
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], tensor, atol=1e-5, rtol=1e-4)


def test_an_accumulated_step_that_the_batches_do_not_fill_is_not_taken() -> None:
    assert run(start(), 10, n=7, accumulate=3).steps == 2


def test_the_moving_average_is_evaluated_and_left() -> None:
    model, seen, weights = start(), [], []

    def watched(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        weights.append(model.out.weight.detach().clone())
        return loss(model, batch)

    def evaluate() -> float:
        seen.append(model.out.weight.detach().clone())
        return 1.0

    run(model, 3, loss=watched, ema=0.15, keep_best=False, evaluate=evaluate, evaluate_every=1)
    # Decays are 1/10, 2/11 cut to 0.15, and 0.15; the last weights themselves are gone.
    first = 0.1 * weights[0] + 0.9 * weights[1]
    second = 0.15 * first + 0.85 * weights[2]
    torch.testing.assert_close(seen[1], first)
    torch.testing.assert_close(seen[2], second)
    assert torch.equal(seen[3], model.out.weight)
    assert not torch.equal(seen[3], second)


def test_training_stops_when_it_gets_no_better() -> None:
    model, events, values = start(), [], iter([5.0, 4.0, 4.0, 6.0])
    result = run(model, 50, evaluate=lambda: next(values), evaluate_every=3, patience=2, listener=events.append)
    assert (result.steps, result.best, result.best_step) == (9, 4.0, 3)
    assert result.stopped == "no lower validation loss in 2 evaluations; the state of step 3 is kept"
    assert [event.reason for event in events if isinstance(event, Stopped)] == [result.stopped]


def dense() -> Bagged:
    model = start()
    model.table.sparse = False
    return model


def test_losses_left_on_the_device_change_nothing() -> None:
    prompt, lazy = dense(), dense()
    first, second = run(prompt, 30, lazy=False), run(lazy, 30, lazy=True)
    assert first.losses == pytest.approx(second.losses.tolist())
    for name, tensor in prompt.state_dict().items():
        assert torch.equal(lazy.state_dict()[name], tensor)


@pytest.mark.parametrize("ema", [0.0, 0.5])
@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_no_bad_step_gets_in_before_the_losses_are_looked_at(where: str, ema: float) -> None:
    model, calls, events = dense(), [], []

    def poisoned(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        calls.append(copy.deepcopy(model.state_dict()))
        value = loss(model, batch)
        if len(calls) == 4:
            value = value * math.nan if where == "loss" else value + (model.out.weight.sum() * 0.0).abs().sqrt()
        return value

    optimizers = make_optimizers(model, 0.05, 0.01)
    result = run(model, 9, loss=poisoned, lazy=True, listener=events.append, optimizers=optimizers, ema=ema)
    assert len(calls) > 4, "nothing was read in the bad step"
    assert result.steps == 3
    assert "not finite at step 4" in str(result.stopped)
    assert not hasattr(optimizers[0], "found_inf")
    short = dense()
    run(short, 9, n=3, ema=ema)
    for name, tensor in short.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)
        assert ema or torch.equal(calls[3][name], tensor)


@pytest.fixture
def scaled_loss(monkeypatch) -> torch.amp.GradScaler:
    """The path of fp16 in float32 on the CPU."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)

    @contextmanager
    def accelerator(device: object, precision: object):
        yield SimpleNamespace(autocast=nullcontext)

    monkeypatch.setattr("embedpipe.nn.fit.accelerator_for", accelerator)
    monkeypatch.setattr("embedpipe.nn.fit.loss_scaler", lambda *_: scaler)
    return scaler


@pytest.mark.parametrize("lazy", [True, False])
def test_under_a_scaled_loss_an_overflow_costs_a_step_and_no_more(scaled_loss, lazy: bool) -> None:
    plain, model, calls = dense(), dense(), []

    def overflowing(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        calls.append(None)
        return loss(model, batch) + ((model.out.weight.sum() * 0.0).abs().sqrt() if len(calls) == 3 else 0.0)

    result = run(model, 8, loss=overflowing, lazy=lazy, clip=1e9, warmup=0.0)
    assert (result.steps, result.stopped, scaled_loss.get_scale()) == (8, None, 2.0**15)
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    # Scaling by a power of two is exact, so the steps that count are those without scaling.
    optimizers = make_optimizers(plain, 0.05, 0.01)
    for step, batch in enumerate(batches(8)):
        set_rates(optimizers, [[0.05, 0.05, 0.05]], rate_factor(step, 8, 0.0))
        if step != 2:
            optimizers[0].zero_grad()
            loss(plain, batch).backward()
            optimizers[0].step()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, plain.state_dict()[name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("poison", ["loss", "every gradient"])
def test_under_a_scaled_loss_what_stays_bad_ends_the_run(scaled_loss, poison: str, lazy: bool) -> None:
    model, calls = dense(), []

    def poisoned(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        calls.append(copy.deepcopy(model.state_dict()))
        if poison == "loss":
            return loss(model, batch) * (math.nan if len(calls) == 4 else 1.0)
        return loss(model, batch) + (model.out.weight.sum() * 0.0).abs().sqrt()

    result = run(model, 60, loss=poisoned, lazy=lazy)
    assert "not finite" in str(result.stopped)
    last = calls[3 if poison == "loss" else 0]
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in last.items())


def test_dense_updates_of_a_table_learn_as_sparse_ones_do() -> None:
    sparse, whole = run(start(), 80), run(dense(), 80)
    assert whole.losses[-10:].mean() == pytest.approx(sparse.losses[-10:].mean(), rel=0.5)
    assert whole.losses[-10:].mean() < 0.1 * whole.losses[:3].mean()


def test_dense_gradients_are_clipped() -> None:
    model, norms = start(), []

    class Spy(torch.optim.SGD):
        def step(self, closure=None):  # type: ignore[override]
            gradients = [p.grad for p in model.parameters() if p.grad is not None and not p.grad.is_sparse]
            norms.append(torch.stack([g.norm() for g in gradients]).norm().item())

    big = [(ids, target + 100) for ids, target in batches(3)]
    fit(
        model,
        lambda start: big,
        loss,
        optimizers=[Spy(model.parameters(), lr=1)],
        steps=3,
        clip=0.5,
        device=CPU,
        stage="x",
    )
    assert norms == pytest.approx([0.5] * 3, abs=1e-4)


def test_an_interrupt_propagates_and_the_end_of_the_batches_ends_the_run() -> None:
    assert run(start(), 10, n=4).steps == 4

    def interrupted(model: nn.Module, batch: object) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(start(), 3, loss=interrupted)
    assert run(start(), 0).steps == 0


def test_nothing_of_the_process_is_changed() -> None:
    from accelerate.state import AcceleratorState, PartialState

    environment = dict(os.environ)
    model = start()
    run(model, 2, precision="bf16")
    assert "forward" not in model.__dict__
    run(model, 2, precision="fp32")
    assert dict(os.environ) == environment
    assert AcceleratorState._shared_state == {}
    assert PartialState._shared_state == {}


def test_precision() -> None:
    assert resolve_precision("fp32", CPU) == "no"
    assert resolve_precision("bf16", CPU) == "bf16"
    assert resolve_precision("auto", CPU) in ("no", "bf16")
    with pytest.raises(ConfigError, match="use precision bf16 or fp32"):
        run(start(), 1, precision="fp16")
    with pytest.raises(ConfigError, match="fp8"):
        resolve_precision("fp8", CPU)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_bits() -> None:
    first, second = start(), start()
    run(first, 20)
    run(second, 20)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_memory_that_runs_out_in_a_step_leaves_it_as_it_would_be() -> None:
    class Carried:
        seen = 0

        def state_dict(self) -> dict[str, int]:
            return {"seen": self.seen}

        def load_state_dict(self, state: dict[str, int]) -> None:
            self.seen = state["seen"]

    carried, events, model, expected = Carried(), [], start(), start()
    parts = Parts(32, stage="x", listener=events.append)

    def limited(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        carried.seen += 1
        if carried.seen == 3 and parts.n < 4:
            loss(model, batch).backward()
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return loss(model, batch)

    run(expected, 6)
    result = run(model, 6, loss=limited, parts=parts, carried=[carried], listener=events.append)
    assert (result.steps, carried.seen, parts.n) == (6, 6, 4)
    assert sum(isinstance(event, Warned) for event in events) == 1
    for name, tensor in expected.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)

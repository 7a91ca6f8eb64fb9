"""The training loop: schedule, optimizers, best state, divergence, and that it leaves the process as it was."""

import copy
import math
import os
from itertools import pairwise

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
from embedpipe.nn.schedule import rate_factor
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


def test_schedule_rises_to_one_and_falls_to_zero() -> None:
    factors = [rate_factor(step, 100, 0.1) for step in range(100)]
    assert factors[:10] == pytest.approx([0.1 * i for i in range(1, 11)])
    assert max(factors) == 1.0
    assert factors[55] == pytest.approx(0.5)
    assert all(a > b for a, b in pairwise(factors[10:]))
    assert rate_factor(0, 10, 0.0) == 1.0


def test_optimizers_split_sparse_tables_from_the_rest() -> None:
    model = start()
    extra = nn.Parameter(torch.zeros(3, 2))
    dense, sparse = make_optimizers(model, 0.1, 0.3, sparse=[extra], sparse_learning_rate=0.02)
    assert isinstance(dense, torch.optim.AdamW)
    assert isinstance(sparse, torch.optim.SparseAdam)
    assert [(len(g["params"]), g["weight_decay"]) for g in dense.param_groups] == [(1, 0.3), (1, 0.0)]
    assert {id(p) for p in sparse.param_groups[0]["params"]} == {id(model.table.weight), id(extra)}
    assert (dense.param_groups[0]["lr"], sparse.param_groups[0]["lr"]) == (0.1, 0.02)


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
    result = run(model, 150, listener=events.append)
    assert result.steps == 150
    assert result.losses.shape == (150,)
    assert result.losses.dtype == np.float64
    assert result.losses[-10:].mean() < 0.1 * result.losses[:3].mean()
    steps = [event for event in events if isinstance(event, Step)]
    assert steps[-1].done == 150
    assert steps[-1].note == f"loss {result.losses[-20:].mean():.3f}"
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

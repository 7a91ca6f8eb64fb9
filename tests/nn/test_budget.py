"""Trainings by seconds, with a clock that the test winds."""

import pytest
import torch
from torch import nn

from embedpipe.nn import budget as module
from embedpipe.nn.budget import Budget
from embedpipe.nn.fit import fit
from embedpipe.nn.schedule import rate_factor


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    wound = Clock()
    monkeypatch.setattr(module, "time", wound)
    return wound


def test_seconds_end_a_training_and_its_rate_follows_them(clock) -> None:
    budget = Budget(10**9, 10.0, 0.1, "linear", 1)
    factors = []
    for done in range(11):
        assert budget.goes_on(done) == (done < 10)
        factors.append(budget.factor(done))
        clock.now += 1.0
    # Warm-up over the first of ten seconds, then down a line that ends at nothing.
    assert factors[1] == pytest.approx(1.0)
    assert factors[5] == pytest.approx(5 / 9)
    assert factors[9] == pytest.approx(1 / 9)
    assert 0 < factors[10] < 0.002


@pytest.mark.parametrize("seconds", [0.6, 1.5, 20.0, 600.0])
def test_the_rate_rises_and_falls_within_any_seconds(clock, seconds) -> None:
    budget = Budget(10**9, seconds, 0.05, "linear", 1)
    factors = []
    for _ in range(1_000):
        factors.append(budget.factor(0))
        clock.now += seconds / 1_000
    by_steps = [rate_factor(step, 1_000, 0.05, "linear") for step in range(1_000)]
    assert factors == pytest.approx(by_steps, abs=0.021), "as in a thousand steps, but for the length of one"
    assert factors[0] < 0.01
    assert factors[25] == pytest.approx(0.5, abs=0.01)
    assert factors[50] == pytest.approx(1.0, abs=0.01)
    assert factors[999] < 0.002


def test_evaluations_stop_the_clock(clock) -> None:
    budget = Budget(10**9, 4.0, 0.0, "constant", 1)
    clock.now += 3.0
    with budget.evaluation():
        clock.now += 50.0
    assert budget.spent() == 3.0
    assert budget.goes_on(1)
    clock.now += 1.0
    assert not budget.goes_on(2)
    assert budget.elapsed == [3.0]


def test_what_was_spent_before_counts(clock) -> None:
    first = Budget(10**9, 4.0, 0.0, "constant", 1)
    clock.now += 3.0
    second = Budget(10**9, 4.0, 0.0, "constant", 1)
    second.load_state_dict(first.state_dict())
    clock.now += 0.5
    assert second.spent() == 3.5


@pytest.mark.parametrize(("seconds", "a_step", "steps"), [(10.0, 1.0, 10), (10.0, 3.0, 4), (0.5, 2.0, 1)])
def test_fit_takes_the_steps_that_begin_within_its_seconds(clock, seconds, a_step, steps) -> None:
    line = nn.Linear(1, 1)
    rates = []
    optimizer = torch.optim.SGD(line.parameters(), lr=1.0)

    def loss(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        clock.now += a_step
        rates.append(optimizer.param_groups[0]["lr"])
        return (model(x) ** 2).mean()

    def evaluate() -> float:
        clock.now += 100.0
        return float(line.weight.detach().abs())

    result = fit(
        line,
        lambda start: iter(lambda: torch.ones(1, 1), None),
        loss,
        optimizers=[optimizer],
        steps=10**9,
        seconds=seconds,
        schedule="linear",
        warmup=0.0,
        device=torch.device("cpu"),
        precision="fp32",
        stage="x",
        evaluate=evaluate,
    )
    assert result.steps == steps
    assert rates == pytest.approx([1 - step * a_step / seconds for step in range(steps)], abs=1e-3)
    assert result.elapsed[0] == 0.0
    assert result.elapsed[-1] == steps * a_step
    assert list(result.elapsed) == sorted(set(result.elapsed)), "no moment is evaluated twice"

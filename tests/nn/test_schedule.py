"""How learning rates rise and fall over a training."""

from itertools import pairwise

import pytest

from embedpipe.nn.schedule import rate_factor


def test_schedule_rises_to_one_and_falls_to_zero() -> None:
    factors = [rate_factor(step, 100, 0.1) for step in range(100)]
    assert factors[:10] == pytest.approx([0.1 * i for i in range(1, 11)])
    assert max(factors) == 1.0
    assert factors[55] == pytest.approx(0.5)
    assert all(a > b for a, b in pairwise(factors[10:]))
    assert rate_factor(0, 10, 0.0) == 1.0


def test_the_linear_schedule_falls_in_a_straight_line() -> None:
    factors = [rate_factor(step, 10, 0.2, "linear") for step in range(10)]
    assert factors == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])

"""Paired comparisons of losses, on planted differences and on equal models."""

import numpy as np
import pytest

from embedpipe.errors import ConfigError
from embedpipe.generation.paired import compare_losses, perplexity_interval


def test_a_planted_difference_is_found() -> None:
    rng = np.random.default_rng(0)
    hard = rng.gamma(2.0, 3.0, (40, 100)) + rng.normal(0, 1, (40, 1))
    other = hard + 0.05 + rng.normal(0, 0.5, hard.shape)
    found = compare_losses(hard, other)
    assert found.low < -0.05 < found.high < 0
    assert found.p_value < 0.01
    assert found.ratio == pytest.approx(np.exp(hard.mean()) / np.exp(other.mean()))
    assert (found.n_rows, found.n_tokens) == (40, 4_000)
    back = compare_losses(other, hard)
    assert (back.difference, back.low, back.high) == pytest.approx((-found.difference, -found.high, -found.low))


def test_models_that_do_not_differ_have_even_p_values() -> None:
    """Of equal models, a share of about p has a p-value below p; the interval misses 0 in about 5 of 100."""
    rng = np.random.default_rng(1)
    found = [
        compare_losses(*(rng.normal(5, 1, (2, 30, 20)) + rng.normal(0, 1, (30, 1))), repeats=500) for _ in range(200)
    ]
    p_values = np.array([one.p_value for one in found])
    for level in (0.1, 0.3, 0.5, 0.7):
        assert np.mean(p_values < level) == pytest.approx(level, abs=0.11)
    assert np.mean([one.low <= 0 <= one.high for one in found]) > 0.88


def test_the_same_losses_do_not_differ() -> None:
    losses = np.random.default_rng(2).random((12, 5))
    found = compare_losses(losses, losses)
    assert (found.difference, found.low, found.high, found.p_value, found.ratio) == (0, 0, 0, 1, 1)


def test_rows_of_different_lengths_weigh_by_their_tokens() -> None:
    rows = [np.full(n, float(n)) for n in range(1, 13)]
    zero = [np.zeros(n) for n in range(1, 13)]
    found = compare_losses(rows, zero)
    assert found.difference == pytest.approx(sum(n * n for n in range(1, 13)) / 78)
    assert found.low < found.difference < found.high
    assert found.n_tokens == 78


def test_the_interval_of_a_mean_is_that_of_the_normal_where_it_holds() -> None:
    values = np.random.default_rng(3).normal(4, 0.5, (400, 1))
    low, high = perplexity_interval(values)
    half = 1.96 * values.std() / 20
    assert np.log([low, high]) == pytest.approx([values.mean() - half, values.mean() + half], abs=0.006)


def test_few_rows_have_no_interval() -> None:
    losses = np.random.default_rng(4).random((9, 50))
    assert np.isnan(perplexity_interval(losses)).all()
    found = compare_losses(losses, losses + 1)
    assert found.difference == pytest.approx(-1)
    assert np.isnan([found.low, found.high, found.p_value]).all()


def test_what_cannot_be_compared_is_said() -> None:
    losses = np.zeros((12, 5))
    with pytest.raises(ConfigError, match="12 rows of 60 tokens and on 12 rows of 48 tokens"):
        compare_losses(losses, losses[:, :4])
    with pytest.raises(ConfigError, match="no predicted tokens"):
        perplexity_interval(np.zeros((12, 0)))
    bad = losses.copy()
    bad[3, 2] = np.inf
    with pytest.raises(ConfigError, match="row 3 holds losses that are not finite"):
        compare_losses(losses, bad)

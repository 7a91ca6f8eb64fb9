"""The power law gives back what was planted, and its intervals cover the truth about as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from embedpipe.pipeline.curve_fit import fit_power_law, forecast

SIZES = [1e6, 2e6, 4e6, 8e6, 16e6]


def planted(limit, scale, exponent, sizes=SIZES):
    return np.array([limit - scale * n**-exponent for n in sizes])


@settings(deadline=None, max_examples=30)
@given(st.floats(0.3, 0.95), st.floats(0.05, 0.3), st.floats(0.1, 0.8))
def test_an_exact_law_is_given_back(limit, below, exponent):
    """`below` is how far under its limit the figure is at the largest size."""
    scale = below * SIZES[-1] ** exponent
    law = fit_power_law(SIZES, planted(limit, scale, exponent)[:, None])
    assert law.residual < 2e-3
    for n in (*SIZES, 2 * SIZES[-1]):
        assert law.at(n) == pytest.approx(limit - scale * n**-exponent, abs=5e-3)


def test_agrees_with_scipy_on_noisy_points():
    rng = np.random.default_rng(0)
    values = planted(0.8, 40.0, 0.35) + 0.002 * rng.normal(size=len(SIZES))

    def function(n, limit, scale, exponent):
        return limit - scale * (n / SIZES[-1]) ** -exponent

    theirs, _ = curve_fit(function, SIZES, values, p0=[0.7, 0.1, 0.3], bounds=([0, 0, 0.05], [1, 1, 2]))
    law = fit_power_law(SIZES, values[:, None])
    assert law.at(32e6) == pytest.approx(function(32e6, *theirs), abs=2e-3)


def test_the_limit_is_held_and_a_falling_figure_is_flat():
    rising = fit_power_law(SIZES, np.array([[0.90], [0.94], [0.97], [0.99], [1.0]]))
    assert rising.limit <= 1.0
    falling = fit_power_law(SIZES, np.array([[0.5], [0.4], [0.3], [0.2], [0.1]]))
    assert falling.scale == 0.0
    assert falling.at(1e9) == pytest.approx(0.3)


def test_intervals_of_the_gain_cover_the_truth():
    """Noise of the size that the resamples stand for: the true gain lies in nine of ten intervals at least."""
    limit, scale, exponent, noise = 0.75, 20.0, 0.3, 0.004
    truth = planted(limit, scale, exponent)
    true_gain = scale * (SIZES[-1] ** -exponent - (2 * SIZES[-1]) ** -exponent)
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        measured = truth + noise * rng.normal(size=len(SIZES))
        resamples = measured[:, None] + noise * rng.normal(size=(len(SIZES), 300))
        law = fit_power_law(SIZES, np.concatenate([measured[:, None], resamples], axis=1))
        made = forecast(law, SIZES[-1], 2)
        assert made.gain_low <= made.gain_high
        covered += made.gain_low <= true_gain <= made.gain_high
    assert covered >= 54


def test_a_flat_figure_promises_nothing():
    rng = np.random.default_rng(1)
    flat = 0.5 + 0.01 * rng.normal(size=(5, 401))
    flat[:, 0] = [0.5, 0.503, 0.498, 0.501, 0.5]
    assert not forecast(fit_power_law(SIZES, flat), SIZES[-1], 8).measurable


def test_three_sizes_are_too_few():
    with pytest.raises(ValueError, match="4 sizes are needed, not 3"):
        fit_power_law([1, 2, 3], np.zeros((3, 1)))

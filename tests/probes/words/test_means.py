"""Means of one number for each question: intervals and units that are resampled."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from embedpipe.probes.statistics import accuracy_interval
from embedpipe.probes.words.means import mean_rows


def test_the_interval_is_scipy_s_percentile_bootstrap():
    rng = np.random.default_rng(0)
    own, other = rng.uniform(0.4, 1.0, 80), rng.uniform(0.0, 0.9, 80)
    (row,) = mean_rows("t", "m", {"a": own, "b": other}, coverage=1.0, note="", bootstrap=4_000, seed=1)
    theirs = bootstrap((own,), np.mean, n_resamples=4_000, method="percentile", rng=2).confidence_interval
    assert (row.value, row.baseline_value) == (pytest.approx(own.mean()), pytest.approx(other.mean()))
    assert (row.low, row.high) == (pytest.approx(theirs.low, abs=0.005), pytest.approx(theirs.high, abs=0.005))
    difference = bootstrap((own - other,), np.mean, n_resamples=4_000, method="percentile", rng=2).confidence_interval
    assert row.difference_low == pytest.approx(difference.low, abs=0.01)
    assert row.difference_high == pytest.approx(difference.high, abs=0.01)
    assert row.p_value < 0.01


def test_units_are_drawn_whole():
    """Ten units of equal numbers: the interval of 50 numbers is that of the ten."""
    values = np.linspace(0.1, 1.0, 10)
    whole = mean_rows("t", "m", {"a": values}, coverage=1, note="", bootstrap=500, seed=3)[0]
    units = np.repeat(np.arange(10), 5)
    each = mean_rows("t", "m", {"a": values[units]}, coverage=1, note="", bootstrap=500, seed=3, units=units)[0]
    assert (each.low, each.high) == (pytest.approx(whole.low), pytest.approx(whole.high))
    assert (each.n, whole.n, each.baseline) == (50, 10, None)


def test_too_few_units_have_no_interval_and_no_test():
    values = {"a": np.ones(18), "b": np.zeros(18)}
    (row,) = mean_rows("t", "m", values, coverage=1, note="n", bootstrap=50, seed=1, units=np.arange(18) // 2)
    assert (row.value, row.baseline_value, row.note) == (1.0, 0.0, "9 sets, too few for an interval; n")
    assert all(map(math.isnan, (row.low, row.high, row.p_value, row.difference_low)))
    assert row.effect == pytest.approx(math.pi)


def test_equal_units_have_no_interval_of_no_width():
    """All ten questions right: Wilson's interval of 10 of 10, and none of a difference that never varies."""
    (row,) = mean_rows("t", "m", {"a": np.ones(10), "b": np.zeros(10)}, coverage=1, note="n", bootstrap=50, seed=1)
    assert (row.low, row.high) == accuracy_interval(10, 10)
    assert row.low == pytest.approx(0.722, abs=0.001)
    assert row.note == "n; all 10 questions are equal, the interval is Wilson's"
    assert math.isnan(row.difference_low)
    assert row.p_value == pytest.approx(2 / 51)

"""Intervals and tests against scipy, which computes them the slow way."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from embedpipe.probes.statistics import (
    accuracy_interval,
    bootstrap_correlations,
    correlation,
    mcnemar,
    paired_p_value,
    percentile_interval,
    weighted_correlation,
    weighted_ranks,
)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(0, 4)), min_size=3, max_size=30))
def test_weights_mean_repetition(points):
    x, y, weights = (np.array(column) for column in zip(*points, strict=True))
    a, b = np.repeat(x, weights), np.repeat(y, weights)
    ranks = weighted_ranks(x.astype(float), weights[:, None].astype(float))[:, 0]
    assert np.repeat(ranks, weights).tolist() == stats.rankdata(a).tolist()
    for kind, reference in (("spearman", stats.spearmanr), ("pearson", stats.pearsonr)):
        found = weighted_correlation(kind, [x.astype(float)], y.astype(float), weights[:, None].astype(float))[0, 0]
        if len(set(a)) < 2 or len(set(b)) < 2:
            assert math.isnan(found)
        else:
            assert found == pytest.approx(reference(a, b).statistic, abs=1e-9)


def test_bootstrap_interval_agrees_with_scipy():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, 200).astype(float)
    y = x + 3 * rng.normal(size=200)
    mine = percentile_interval(bootstrap_correlations("spearman", [y], x, repeats=1_000, seed=1)[0])
    theirs = stats.bootstrap(
        (x, y),
        lambda a, b: stats.spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=1_000,
        rng=rng,
    ).confidence_interval
    assert mine == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_bootstrap_is_seeded_and_does_not_depend_on_its_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 40))
    first = bootstrap_correlations("pearson", [y], x, repeats=50, seed=3)
    monkeypatch.setattr("embedpipe.probes.resampling._BLOCK", 400)
    assert np.array_equal(first, bootstrap_correlations("pearson", [y], x, repeats=50, seed=3))
    assert not np.array_equal(first, bootstrap_correlations("pearson", [y], x, repeats=50, seed=4))


def test_pairs_of_documents_are_resampled_by_document():
    """Pairs that share a document are not independent, so the interval over documents is the wider one."""
    rng = np.random.default_rng(0)
    level = rng.normal(size=20)
    pairs = np.triu_indices(20, 1)
    human = level[pairs[0]] + level[pairs[1]]
    system = human + rng.normal(size=len(human))
    by_pair = percentile_interval(bootstrap_correlations("pearson", [system], human, repeats=500, seed=1)[0])
    by_document = percentile_interval(
        bootstrap_correlations("pearson", [system], human, repeats=500, seed=1, units=pairs)[0]
    )
    assert by_document[1] - by_document[0] > 1.3 * (by_pair[1] - by_pair[0])


def test_interval_covers_a_known_correlation_about_as_often_as_it_says():
    hits = 0
    for seed in range(60):
        x, noise = np.random.default_rng(seed).normal(size=(2, 80))
        y = 0.6 * x + 0.8 * noise
        low, high = percentile_interval(bootstrap_correlations("pearson", [y], x, repeats=200, seed=seed)[0])
        hits += low <= 0.6 <= high
    assert 50 <= hits <= 60


def test_paired_difference_sees_what_separate_intervals_do_not():
    rng = np.random.default_rng(0)
    target, shared = rng.normal(size=(2, 300))
    good = target + shared
    worse = target + 1.15 * shared
    replicates = bootstrap_correlations("pearson", [good, worse, good], target, repeats=500, seed=1)
    assert percentile_interval(replicates[0])[0] < percentile_interval(replicates[1])[1]
    assert paired_p_value(replicates[0], replicates[1]) < 0.01
    assert paired_p_value(replicates[0], replicates[2]) == 1.0


def test_undefined_correlations():
    assert math.isnan(correlation("spearman", np.array([1.0, 2.0]), np.array([1.0, 2.0])))
    assert math.isnan(correlation("pearson", np.ones(9), np.arange(9.0)))
    assert all(map(math.isnan, percentile_interval(np.full(10, np.nan))))
    assert math.isnan(paired_p_value(np.array([np.nan]), np.array([1.0])))


def test_wilson_by_hand():
    """Wilson (1927), z = 1.959964: 8 of 10."""
    z, p, n = 1.959964, 0.8, 10
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert accuracy_interval(8, 10) == pytest.approx((centre - half, centre + half), abs=1e-6)
    assert all(map(math.isnan, accuracy_interval(0, 0)))


def test_mcnemar_by_hand():
    ours = np.array([True] * 6 + [False] + [True] * 5)
    other = np.array([False] * 6 + [True] + [True] * 5)
    assert mcnemar(ours, other) == pytest.approx(2 * (1 + 7) / 2**7)  # 6 wins against 1 of 7 discordant
    assert mcnemar(ours, ours) == 1.0

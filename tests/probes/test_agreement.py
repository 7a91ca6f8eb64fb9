"""Every statistic against scipy, statsmodels, a published table, or figures worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from embedpipe.probes.statistics import (
    accuracy_interval,
    across_folds,
    bootstrap_means,
    cohen_h,
    cohen_q,
    difference_interval,
    holm,
    mcnemar,
    paired_p_value,
    percentile_interval,
    permutation_p_values,
)

statsmodels_proportion = pytest.importorskip("statsmodels.stats.proportion")
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar  # noqa: E402
from statsmodels.stats.multitest import multipletests  # noqa: E402


@given(st.integers(1, 500), st.data())
def test_wilson_is_that_of_statsmodels(n, data):
    k = data.draw(st.integers(0, n))
    theirs = statsmodels_proportion.proportion_confint(k, n, method="wilson")
    assert accuracy_interval(k, n) == pytest.approx(theirs, abs=1e-9)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5), st.integers(0, 5))
def test_mcnemar_is_that_of_statsmodels(wins, losses, both, neither):
    ours = np.repeat([True, False, True, False], [wins, losses, both, neither])
    other = np.repeat([False, True, True, False], [wins, losses, both, neither])
    if not len(ours):
        return
    theirs = statsmodels_mcnemar([[both, wins], [losses, neither]], exact=True).pvalue
    assert mcnemar(ours, other) == pytest.approx(1.0 if wins + losses == 0 else theirs)


def test_holm_is_that_of_statsmodels():
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 20):
        p_values = rng.random(n) ** 3
        p_values[n // 2 :] = p_values[n // 2]
        assert holm(p_values.tolist()) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


def test_holm_passes_over_what_was_not_tested():
    corrected = holm([0.01, math.nan, 0.04])
    assert corrected[::2] == pytest.approx([0.02, 0.04])
    assert math.isnan(corrected[1])


@given(st.floats(0, 1), st.floats(0, 1))
def test_cohen_h_is_that_of_statsmodels(share, other):
    theirs = statsmodels_proportion.proportion_effectsize(share, other)
    assert cohen_h(share, other) == pytest.approx(theirs, abs=1e-9)


def test_cohen_q_by_fisher_s_table():
    """Fisher's z to three places, as printed in tables: r .30 .310, .50 .549, .70 .867, .90 1.472."""
    z = {0.3: 0.310, 0.5: 0.549, 0.7: 0.867, 0.9: 1.472}
    for one in z:
        for other in z:
            assert cohen_q(one, other) == pytest.approx(z[one] - z[other], abs=1.1e-3)
    assert math.isfinite(cohen_q(1.0, 0.0))
    assert math.isnan(cohen_q(math.nan, 0.5))


def folds_with(wins):
    """Return two systems on five folds of ten: the first is ahead by `wins` questions in each fold."""
    ours, other = np.zeros((1, 50), dtype=bool), np.zeros((1, 50), dtype=bool)
    for fold, ahead in enumerate(wins):
        (ours if ahead > 0 else other)[0, 10 * fold : 10 * fold + abs(ahead)] = True
    return ours, other, np.repeat(np.arange(5), 10)[None]


def test_corrected_t_worked_out_by_hand():
    """Differences .1 .2 .3 0 .4: mean .2, variance .025; (1/5 + 1/4) .025 = .01125; t = .2 / .10607 = 1.8856, 4 df."""
    ours, other, folds = folds_with([1, 2, 3, 0, 4])
    found = across_folds(ours, other, folds)
    assert found.p_value == pytest.approx(2 * stats.t.sf(0.2 / math.sqrt(0.01125), 4))
    assert found.p_value == pytest.approx(0.1324, abs=1e-4)
    assert (found.low, found.high) == pytest.approx((0.2 - 2.7764 * 0.106066, 0.2 + 2.7764 * 0.106066), abs=1e-4)
    back = across_folds(other, ours, folds)
    assert (back.p_value, back.low, back.high) == pytest.approx((found.p_value, -found.high, -found.low))


def test_corrected_t_is_the_ordinary_one_but_for_the_factor():
    """scipy's t-test divides the variance by J; the correction multiplies it by 1 / J + 1 / 4 instead."""
    wins = [3, -1, 2, 4, 1]
    ours, other, folds = folds_with(wins)
    ordinary = stats.ttest_1samp(np.array(wins) / 10, 0.0)
    statistic = float(ordinary.statistic) / math.sqrt((1 / 5 + 1 / 4) / (1 / 5))
    assert across_folds(ours, other, folds).p_value == pytest.approx(2 * stats.t.sf(statistic, 4))


def test_seeds_are_more_folds_and_not_more_questions():
    ours, other, folds = folds_with([3, -1, 2, 4, 1])
    thrice = across_folds(*(np.repeat(array, 3, axis=0) for array in (ours, other, folds)))
    wins = np.tile([0.3, -0.1, 0.2, 0.4, 0.1], 3)
    statistic = wins.mean() / math.sqrt(wins.var(ddof=1) * (1 / 15 + 1 / 4))
    assert thrice.p_value == pytest.approx(2 * stats.t.sf(statistic, 14))


def test_folds_that_all_say_the_same_leave_the_question_to_mcnemar():
    ours, other, folds = folds_with([2] * 5)
    same = across_folds(ours, other, folds)
    assert same.p_value == mcnemar(ours[0], other[0], round(0.8 * ours.shape[1])) < 0.05
    assert (same.low, same.high) == pytest.approx((0.2, 0.2))
    assert across_folds(*folds_with([0] * 5)).p_value == 1.0
    ours, other, folds = folds_with([1] * 5)
    assert all(map(math.isnan, across_folds(ours, other, np.zeros_like(folds))))


@pytest.mark.parametrize("kind", ["spearman", "pearson"])
def test_permutations_are_those_of_scipy(kind):
    rng = np.random.default_rng(4)
    truth, one, other = rng.normal(size=(3, 60))
    near, far = truth + one, truth + 1.3 * other

    def difference(a, b, axis=-1):
        return [np.corrcoef(x, wanted)[0, 1] - np.corrcoef(y, wanted)[0, 1] for x, y in zip(a, b, strict=True)]

    wanted = stats.rankdata(truth) if kind == "spearman" else truth
    z = [stats.zscore(stats.rankdata(x) if kind == "spearman" else x) for x in (near, far)]
    theirs = stats.permutation_test(
        z,
        lambda a, b, axis: np.array(difference(np.atleast_2d(a), np.atleast_2d(b))).squeeze(),
        permutation_type="samples",
        vectorized=True,
        n_resamples=2_000,
        rng=1,
    ).pvalue
    (mine,) = permutation_p_values(kind, [near, far], truth, repeats=4_000, seed=1)
    assert 0.01 < theirs < 0.9
    assert mine == pytest.approx(theirs, abs=4 * math.sqrt(theirs * (1 - theirs) / 1_500))


def test_permutations_of_few_pairs_are_those_that_can_be_listed():
    """Three pairs have eight ways to change places, two of which are as extreme as the extremest."""
    truth, right, wrong = np.array([1.0, 2, 3]), np.array([1.0, 2, 3]), np.array([3.0, 2, 1])
    (p_value,) = permutation_p_values("pearson", [right, wrong], truth, repeats=20_000, seed=1)
    # The middle pair is the same for both, so four of the eight are the same as they stand or reversed.
    assert p_value == pytest.approx(0.5, abs=0.02)
    assert permutation_p_values("pearson", [right, right], truth, repeats=99, seed=1) == [1.0]
    flat, short = (
        permutation_p_values("pearson", [x, np.ones(len(x))], x, repeats=9, seed=1) for x in (truth, truth[:2])
    )
    assert math.isnan(flat[0])
    assert math.isnan(short[0])


def test_permutations_do_not_depend_on_their_blocks(monkeypatch):
    truth, one, other = np.random.default_rng(0).normal(size=(3, 40))
    first = permutation_p_values("spearman", [one, other], truth, repeats=200, seed=3)
    monkeypatch.setattr("embedpipe.probes.resampling._BLOCK", 400)
    assert permutation_p_values("spearman", [one, other], truth, repeats=200, seed=3) == first


def test_difference_of_accuracies_is_the_bootstrap_of_scipy():
    rng = np.random.default_rng(0)
    ours = rng.random(150) < 0.8
    other = np.where(rng.random(150) < 0.7, ours, rng.random(150) < 0.6)
    theirs = stats.bootstrap(
        (ours.astype(float) - other,), np.mean, method="percentile", n_resamples=5_000, rng=1
    ).confidence_interval
    mine = difference_interval(ours, other, repeats=5_000, seed=1)
    assert mine == pytest.approx((theirs.low, theirs.high), abs=0.011)
    by_question = bootstrap_means([ours, other], repeats=5_000, seed=1)
    assert mine == pytest.approx(percentile_interval(by_question[0] - by_question[1]), abs=0.011)
    assert all(map(math.isnan, difference_interval(ours[:0], other[:0], repeats=9, seed=1)))


def test_bootstrap_p_value_turns_where_the_interval_leaves_zero():
    replicates = np.concatenate([np.full(30, -0.1), np.full(970, 0.1)])
    assert paired_p_value(replicates, np.zeros(1_000)) == pytest.approx(2 * 31 / 1_001)
    half = np.where(np.arange(1_000) < 501, np.nan, replicates)
    assert math.isnan(paired_p_value(half, np.zeros(1_000)))


def test_mcnemar_of_trained_classifiers_by_hand():
    """30 wins, 14 losses of 100 after 100 texts: 16 / sqrt(44 * 2) = 1.7056; without training 16 / sqrt(44) = 2.41."""
    ours = np.repeat([True, False, True], [30, 14, 56])
    other = np.repeat([False, True, True], [30, 14, 56])
    assert mcnemar(ours, other, 100) == pytest.approx(2 * stats.norm.sf(16 / math.sqrt(88)))
    assert mcnemar(ours, other, 100) == pytest.approx(0.0881, abs=1e-4)
    assert mcnemar(ours, other, 10**9) == mcnemar(ours, other) == pytest.approx(0.0226, abs=1e-3)
    assert mcnemar(ours, ours, 100) == 1.0

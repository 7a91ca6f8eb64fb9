"""Outliers that are planted, and the compactness that the paper defines, computed to the letter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedpipe.probes.words.outliers import outlier_position, outlier_rows
from embedpipe.tasks.shapes import Outliers, OutlierSet


def sets(n):
    """Four words of one topic, and as outliers three of the others, n times."""
    topics = ("sea", "war", "law", "sea")
    return [
        OutlierSet(
            str(i),
            tuple(f"{topics[i % 3]}{j % 10}" for j in range(i, i + 4)),
            tuple(f"{topics[i % 3 + 1]}{j % 10}" for j in range(i, i + 3)),
        )
        for i in range(n)
    ]


def test_planted_outliers_are_found_where_chance_and_random_vectors_do_not_find_them(planted):
    rows = outlier_rows(Outliers("t", sets(12)), planted.subject().words, bootstrap=200, seed=1)
    of = {(row.metric, row.baseline): row for row in rows}
    assert {baseline for _, baseline in of} == {"spelling", "random vectors", "chance"}
    for metric, chance in (("accuracy", 1 / 5), ("opp", 1 / 2)):
        row = of[metric, "chance"]
        assert (row.system, row.value, row.n, row.coverage) == ("words", 1, 36, 1)
        assert row.baseline_value == pytest.approx(chance)
        assert row.p_value < 0.01
        assert of[metric, "random vectors"].baseline_value == pytest.approx(chance, abs=0.25)
    assert (
        of["accuracy", "chance"].note
        == "36 of 36 questions in 12 sets seen, unknown words left out: 0; sets are resampled; "
        "all 12 sets are equal, the interval is Wilson's"
    )


def test_unknown_words_are_counted_and_unseen_questions_are_wrong_over_all(planted):
    # no outlier known; one of two outliers known; one member known; two members known
    task = Outliers(
        "t",
        [
            OutlierSet("a", ("sea1", "sea2", "sea3"), ("gun",)),
            OutlierSet("b", ("sea1", "sea2", "reef"), ("war1", "gun")),
            OutlierSet("c", ("sea1", "reef"), ("war1",)),
            OutlierSet("d", ("sea1", "sea2"), ("war3",)),
        ],
    )
    rows = outlier_rows(task, planted.subject().words, bootstrap=100, seed=1)
    of = {row.metric: row for row in rows}
    assert (of["accuracy"].value, of["accuracy"].n, of["accuracy"].coverage) == (1.0, 2, 0.4)
    assert of["accuracy"].note == (
        "2 sets, too few for an interval; 2 of 5 questions in 2 sets seen, unknown words left out: 2; "
        "sets are resampled"
    )
    assert (of["accuracy (all)"].value, of["accuracy (all)"].n) == (pytest.approx(2 / 5), 5)
    assert "all 5 questions, the 3 unseen ones counted as wrong" in of["accuracy (all)"].note
    assert of["opp (all)"].value == pytest.approx((2 * 1 + 3 * 0.5) / 5)
    (row,) = outlier_rows(Outliers("t", task.sets[:1]), planted.subject().words, bootstrap=100, seed=1)
    assert row.note == "skipped: in none of 1 questions the outlier and two words of its set are in the vocabulary"


@given(st.integers(3, 9), st.integers(0, 10_000))
def test_the_position_is_that_of_the_paper_s_compactness(n, seed):
    """p(w) is the mean similarity of all pairs without w; the outlier is to have the highest."""
    unit = np.random.default_rng(seed).normal(size=(n, 4))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    similarities = unit @ unit.T
    compactness = []
    for w in range(n):
        rest = [i for i in range(n) if i != w]
        compactness.append(np.mean([similarities[i, j] for i in rest for j in rest if i != j]))
    position = int(np.argsort(np.argsort(compactness))[-1])
    assert outlier_position(similarities) == (float(position == n - 1), position / (n - 1))


def test_a_tie_is_half_a_step_and_a_share():
    similarities = np.array([[0, 2, 1, 1], [2, 0, 0, 0], [1, 0, 0, 1], [1, 0, 1, 0]], dtype=float)  # sums 4, 2, 2, 2
    assert outlier_position(similarities) == (1 / 3, pytest.approx((1 + 1) / 3))


def test_questions_of_one_set_are_resampled_together(planted):
    """Of ten sets the words know five; with thrice as many questions in each, no more is known."""
    known = [OutlierSet(f"k{i}", ("sea1", "sea2", "sea3"), ("war1",)) for i in range(5)]
    missed = [OutlierSet(f"m{i}", ("sea1", "sea2", "war1"), ("sea3",)) for i in range(5)]
    once = outlier_rows(Outliers("t", known + missed), planted.subject().words, bootstrap=400, seed=1)[0]
    words = planted.subject().words
    more = [
        OutlierSet(s.name, s.members, (s.outliers[0], f"{s.outliers[0][:3]}4", f"{s.outliers[0][:3]}5"))
        for s in known + missed
    ]
    thrice = outlier_rows(Outliers("t", more), words, bootstrap=400, seed=1)[0]
    assert (once.value, thrice.value, once.n, thrice.n) == (0.5, 0.5, 10, 30)
    assert (thrice.low, thrice.high) == (pytest.approx(once.low), pytest.approx(once.high))

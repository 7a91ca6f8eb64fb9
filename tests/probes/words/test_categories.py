"""Clusters of planted categories, and purity as the textbook counts it."""

import numpy as np
import pytest

from embedpipe.probes.words.categories import category_rows, majority_of_cluster
from embedpipe.tasks.shapes import Categories

TOPICS = ("sea", "war", "law")


def of(planted, words=(), categories=()):
    known = [word for topic in TOPICS for word in planted.words[topic]]
    return Categories("t", [*known, *words], [*np.repeat(TOPICS, 10).tolist(), *categories])


def test_purity_of_the_textbook_s_example():
    """Manning et al. (2008), figure 16.4: 17 points of three classes in three clusters; purity 0.71."""
    clusters = np.repeat([0, 1, 2], [6, 6, 5])
    labels = np.array([0] * 5 + [1] + [0] + [1] * 4 + [2] + [0] * 2 + [2] * 3)
    assert (majority_of_cluster(clusters, labels) == labels).sum() == 12
    assert (majority_of_cluster(clusters, labels) == labels).mean() == pytest.approx(0.71, abs=0.005)


def test_planted_categories_are_found_where_spelling_chance_and_one_cluster_do_not_find_them(planted):
    task = Categories("t", [f"{t}{i}" for t in TOPICS for i in range(10)], [t for t in TOPICS for _ in range(10)])
    rows = category_rows(task, planted.subject().words, bootstrap=200, seed=1)
    beside = {row.baseline: row for row in rows}
    assert set(beside) == {"spelling", "random vectors", "one cluster"}
    row = beside["random vectors"]
    assert (row.metric, row.system, row.value, row.n, row.coverage, row.spread) == (
        "purity",
        "words",
        1.0,
        30,
        1.0,
        0.0,
    )
    assert 1 / 3 < row.baseline_value < 0.65, "k-means of noise is purer than one cluster: purity rises with clusters"
    assert row.p_value < 0.01
    assert row.difference_low > 0.2
    assert beside["one cluster"].baseline_value == pytest.approx(1 / 3)
    assert beside["spelling"].baseline_value == 1.0, "the words of a topic are spelt alike"
    assert row.note == (
        "3 categories, the largest of 10 words; k-means on vectors of length 1, mean of 10 seeds; "
        "adjusted for chance: Rand 1.000, mutual information 1.000; "
        "all 30 questions are equal, the interval is Wilson's"
    )


def test_categories_that_the_vectors_do_not_have_are_no_better_than_chance(planted):
    labels = np.random.default_rng(5).permutation(np.repeat(TOPICS, 10)).tolist()
    task = Categories("t", [word for topic in TOPICS for word in planted.words[topic]], labels)
    beside = {row.baseline: row for row in category_rows(task, planted.subject().words, bootstrap=200, seed=1)}
    row = beside["random vectors"]
    assert row.value < 0.65
    assert row.difference_low < 0 < row.difference_high
    rand = float(row.note.split("Rand ")[1].split(",")[0])
    assert abs(rand) < 0.1


def test_unknown_words_are_left_out_and_count_as_wrong_over_all(planted):
    rows = category_rows(
        of(planted, ["reef", "gun", "reef"], ["sea", "war", "none"]), planted.subject().words, bootstrap=100, seed=1
    )
    of_metric = {row.metric: row for row in rows}
    assert (of_metric["purity"].value, of_metric["purity"].n) == (1.0, 30)
    assert of_metric["purity"].coverage == pytest.approx(30 / 33)
    assert "3 categories" in of_metric["purity"].note, "a category of unknown words alone is none"
    assert "; left out for an unknown word: 3 of 33" in of_metric["purity"].note
    assert (of_metric["purity (all)"].value, of_metric["purity (all)"].n) == (pytest.approx(30 / 33), 33)
    assert of_metric["purity (all)"].note == "all 33 words, the 3 unknown ones counted as wrong"


def test_too_few_words_are_said(planted):
    (row,) = category_rows(Categories("t", ["sea1", "x"], ["a", "b"]), planted.subject().words, bootstrap=100, seed=1)
    assert row.note.startswith("skipped: 1 of 2 words, of 1 categories, are in the vocabulary")

"""Relations that are planted in the vectors, and average precision beside scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from embedpipe.probes.words.relations import average_precision, nearest_of_relations, relation_rows
from embedpipe.tasks.shapes import Relations


def task(relations=("coord", "event", "random-n"), extra=()):
    """Eight words of the sea, and of the law: kin of it, half of the events of the war, random words of the other."""
    rows = []
    for topic, other in (("sea", "law"), ("law", "sea")):
        for i in range(8):
            rows += [(f"{topic}{i}", "coord", f"{topic}{j}") for j in (8, 9)]
            rows += [(f"{topic}{i}", "event", word) for word in (f"{topic}9", "war1")]
            rows += [(f"{topic}{i}", "random-n", word) for word in (f"{other}1", f"{other}2", "war2")]
    rows = [row for row in rows if row[1] in relations] + list(extra)
    return Relations("t", [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])


def test_planted_relations_stand_before_random_words(planted):
    rows = relation_rows(task(), planted.subject().words, bootstrap=200, seed=1)
    of = {(row.metric, row.baseline): row for row in rows}
    assert {metric for metric, _ in of} == {"map", "map (coord)", "map (event)"}
    row = of["map (coord)", "random vectors"]
    assert (row.n, row.coverage, row.system) == (16, 1.0, "words")
    assert row.value > 0.98
    assert row.p_value < 0.01
    assert row.baseline_value < 0.9
    # one event is kin; the other, of another topic, is somewhere among three random words: 1 and 2/2 … 2/5, halved
    assert 0.7 <= of["map (event)", "spelling"].value <= 1.0
    assert of["map (coord)", "spelling"].note.startswith("before random words; its nearest word: z +")
    assert of["map", "spelling"].note == "related before random words; 112 of 112 rows seen"


def test_without_random_words_relations_stand_against_each_other(planted):
    rows = relation_rows(task(("coord", "event")), planted.subject().words, bootstrap=100, seed=1)
    assert {row.metric for row in rows} == {"map (coord)", "map (event)"}
    assert rows[0].note.startswith("before words of all other relations")
    # coord is sea8 and sea9, event is sea9, a tie, and war1, the last: 1 and 2/3 halved, or 1/2 and 2/3 halved
    assert (1 / 2 + 2 / 3) / 2 < rows[0].value < (1 + 2 / 3) / 2


def test_unknown_words_are_left_out_and_guessed_over_all(planted):
    extra = [("sea1", "coord", "reef"), ("reef", "coord", "sea1"), ("reef", "random-n", "war1")]
    rows = relation_rows(task(extra=extra), planted.subject().words, bootstrap=100, seed=1)
    of = {row.metric: row for row in rows}
    assert (of["map"].n, of["map"].coverage) == (16, pytest.approx(112 / 115))
    assert (
        of["map"].note == "related before random words; 112 of 115 rows seen, the others left out for an unknown word"
    )
    assert of["map (all)"].n == 17
    assert of["map (all)"].note == "all 115 rows; the mean of the other cosines for 3 with an unknown word"
    # the last concept is unknown: both of its words have the same guess, a tie of one in two
    unseen = Relations("t", ["x", "y"], ["coord", "random"], ["sea1", "sea2"])
    (row,) = relation_rows(unseen, planted.subject().words, bootstrap=100, seed=1)
    assert row.note == "skipped: in none of 2 rows both words are in the vocabulary"


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 4)), min_size=1, max_size=40))
def test_average_precision_is_that_of_sklearn(rows):
    groups, positive, scores = (np.array(column) for column in zip(*rows, strict=True))
    positive, scores = positive.astype(bool), scores.astype(float)
    expected = [
        average_precision_score(positive[groups == g], scores[groups == g])
        for g in np.unique(groups)
        if 0 < positive[groups == g].sum() < (groups == g).sum()
    ]
    assert average_precision(scores, positive, groups).tolist() == pytest.approx(expected)


def test_nearest_of_relations_by_hand():
    """Concept 0: nearest 0.9, 0.5, 0.1 (z 1.22, 0, -1.22); concept 1: 0.2 and 0.6 (z -1, 1), no third relation."""
    scores = np.array([0.9, 0.3, 0.5, 0.1, 0.2, 0.6])
    concepts = np.array([0, 0, 0, 0, 1, 1])
    relations = np.array(["coord", "coord", "hyper", "random", "coord", "hyper"])
    found = nearest_of_relations(scores, concepts, relations)
    assert found["coord"] == (pytest.approx((1.2247 - 1) / 2, abs=1e-4), 0.5)
    assert found["hyper"] == (pytest.approx(0.5), 0.5)
    assert found["random"] == (pytest.approx(-1.2247, abs=1e-4), 0.0)
    assert nearest_of_relations(scores[:2], concepts[:2], relations[:2]) == {}

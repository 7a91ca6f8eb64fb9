"""Categories, outliers and relations beside a rival whose vectors are noise, or the same, or know fewer words."""

import numpy as np
import pytest

from embedpipe.probes.words.categories import category_rows
from embedpipe.probes.words.outliers import outlier_rows
from embedpipe.probes.words.relations import relation_rows
from embedpipe.probes.words.rival_sets import rival_set_rows
from embedpipe.probes.words.rival_sets_all import rival_rows_of_all
from embedpipe.tasks.shapes import Categories, Outliers, OutlierSet, Relations
from embedpipe.words.table import WordVectors

TOPICS = ("sea", "war", "law")


@pytest.fixture(scope="module")
def tasks(planted):
    known = [word for topic in TOPICS for word in planted.words[topic]]
    pairs = [(topic, i, other) for topic in TOPICS for i in range(5) for other in TOPICS]
    return {
        "purity": Categories("t", [*known, "reef"], [*np.repeat(TOPICS, 10).tolist(), "sea"]),
        "accuracy": Outliers(
            "t",
            [
                OutlierSet(f"{a}{i}", (f"{a}{i}", f"{a}8", f"{a}9"), (f"{b}{i}", f"{b}9"))
                for a, b in (("sea", "war"), ("war", "law"))
                for i in range(8)
            ],
        ),
        "map": Relations(
            "t",
            [f"{topic}{i}" for topic, i, _ in pairs],
            ["kin" if topic == other else "random" for topic, _, other in pairs],
            [f"{other}{i + 5}" for _, i, other in pairs],
        ),
    }


def compared(task, planted, rival):
    rows = rival_set_rows(task, planted.subject().words, {"rival": rival}, bootstrap=200, seed=1)
    return {row.metric: row for row in rows}


def noise(planted):
    vectors = np.random.default_rng(9).normal(size=planted.vectors.shape).astype(np.float32)
    return WordVectors(planted.vocabulary, vectors)


@pytest.mark.parametrize("metric", ["purity", "accuracy", "map"])
def test_noise_is_worse_and_the_same_vectors_are_the_same(planted, tasks, metric):
    row = compared(tasks[metric], planted, noise(planted))[metric]
    assert (row.system, row.baseline, row.value) == ("words", "rival", 1.0)
    assert row.baseline_value < 0.85
    assert row.p_value < 0.05
    assert row.difference_low > 0
    same = compared(tasks[metric], planted, planted.subject().words)[metric]
    assert (same.value, same.baseline_value, same.p_value, same.effect) == (1.0, 1.0, 1.0, 0.0)


def test_a_rival_that_knows_fewer_words_is_compared_on_those(planted, tasks, word_table):
    known = [word for word in planted.vocabulary.tokens[4:] if word not in ("sea9", "war9")]
    fewer = word_table({word: planted.vectors[planted.vocabulary.index[word]] for word in known})
    row = compared(tasks["purity"], planted, fewer)["purity (shared with rival)"]
    assert (row.n, row.coverage, row.value, row.baseline_value) == (28, pytest.approx(28 / 31), 1.0, 1.0)
    assert row.note.startswith("30 words of the task are in the vocabulary, 28 in that of rival too")
    row = compared(tasks["accuracy"], planted, fewer)["opp (shared with rival)"]
    assert (row.n, row.coverage) == (24, 0.75)  # one of two outliers of each set about war
    of_map = compared(tasks["map"], planted, fewer)
    # sea4 and war4 have no kin left, law4 has nothing else
    assert of_map["map (kin, shared with rival)"].n == of_map["map (shared with rival)"].n == 12


@pytest.mark.parametrize("metric", ["purity", "accuracy", "map"])
def test_a_rival_that_knows_none_is_said(planted, tasks, word_table, metric):
    (row,) = compared(tasks[metric], planted, word_table({"zebra": [1.0]})).values()
    assert row.metric == f"{metric} (shared with rival)"
    assert row.note.endswith("0 in that of rival too: too few to ask")


@pytest.mark.parametrize(
    ("metric", "alone"), [("purity", category_rows), ("accuracy", outlier_rows), ("map", relation_rows)]
)
def test_on_all_words_a_rival_has_what_it_would_have_alone(planted, tasks, word_table, metric, alone):
    known = [word for word in planted.vocabulary.tokens[4:] if word not in ("sea9", "war9")]
    fewer = word_table({word: planted.vectors[planted.vocabulary.index[word]] for word in known})
    rows = rival_rows_of_all(tasks[metric], planted.subject().words, {"rival": fewer}, bootstrap=20, seed=1)
    beside = next(row for row in rows if row.metric == f"{metric} (all)")
    of_rival = next(row for row in alone(tasks[metric], fewer, bootstrap=20, seed=1) if row.metric == beside.metric)
    assert (beside.baseline, beside.baseline_value) == ("rival", pytest.approx(of_rival.value))
    assert beside.value > beside.baseline_value
    whole = rival_rows_of_all(
        tasks["map"], planted.subject().words, {"same": planted.subject().words}, bootstrap=9, seed=1
    )
    assert whole == []

"""Pairs of sentences of one document, in an order that is written into them."""

import re
from collections import Counter

import numpy as np
import pytest

from embedpipe.probes.baselines import Subject
from embedpipe.probes.linguistic.neighbours import adjacency_task, order_task
from embedpipe.probes.measure import MeasureSettings, measure
from embedpipe.tasks.shapes import Inference


class Place:
    """Reads nothing but the number of the sentence."""

    def encode(self, texts):
        return np.array([[float(place(text)[1])] for text in texts], dtype=np.float32)


def place(text):
    document, number = re.search(r"doc2x(\d+)x(\d+)", text).groups()
    return int(document), int(number)


def test_neighbours_follow_each_other_and_the_others_stand_elsewhere_in_the_document(topics):
    task = adjacency_task(topics.pool, n_sentences=100, seed=1)
    assert Counter(task.labels) == {"next": 50, "elsewhere": 50}
    for label, a, b in zip(task.labels, task.texts_a, task.texts_b, strict=True):
        (document, i), (other, j) = place(a), place(b)
        assert document == other
        assert (j == i + 1) if label == "next" else abs(j - i) > 1
    assert len(set(task.texts_a)) == len(set(task.texts_b)) == 100


def test_either_label_holds_second_sentences_of_the_same_kind(topics):
    task = adjacency_task(topics.pool, n_sentences=600, seed=1)
    apart = np.array(task.labels) == "elsewhere"
    firsts, seconds = ([place(text) for text in side] for side in (task.texts_a, task.texts_b))
    follow_some = {(document, i + 1) for document, i in firsts}
    assert all(second in follow_some for second in seconds)
    assert {firsts[i][0] for i in np.flatnonzero(apart)} == {firsts[i][0] for i in np.flatnonzero(~apart)}


def test_order_turns_half_of_the_pairs_round(topics):
    task = order_task(topics.pool, n_sentences=100, seed=1)
    for label, a, b in zip(task.labels, task.texts_a, task.texts_b, strict=True):
        (document, i), (other, j) = place(a), place(b)
        assert document == other
        assert j - i == (1 if label == "in order" else -1)
    sentences = [*task.texts_a, *task.texts_b]
    assert len(set(sentences)) == len(sentences)


def test_who_sees_the_numbers_solves_the_order_and_the_words_of_one_side_tell_nothing(topics):
    task = order_task(topics.pool, n_sentences=160, seed=1)
    rows = measure(Subject(encoder=Place(), codec=topics.corpus.codec), task, MeasureSettings(bootstrap=100))
    beside = {row.baseline: row.baseline_value for row in rows}
    assert rows[0].value == pytest.approx(1.0, abs=0.02)
    assert abs(beside["tf-idf of text_b alone"] - 0.5) < 0.12


def test_a_sentence_without_its_neighbour_is_in_no_pair(prepare_by_hand):
    held_out = [[f"the king of house x{i} sleeps doc2x{d}x{i}" for i in range(60)] for d in range(6)]
    held_out[0][1] = "short"
    held_out[0][3] = "no"
    train = [[sentence for document in held_out for sentence in document]]
    task = order_task(prepare_by_hand(train, held_out).pool, n_sentences=600, seed=1)
    numbers = [place(text)[1] for text in (*task.texts_a, *task.texts_b) if place(text)[0] == 0]
    # Pairs begin at sentence 4 or at sentence 5.
    assert sorted(numbers) in (list(range(4, 60)), list(range(5, 59)))


def test_given_folds_of_pairs_are_used(planted):
    rng = np.random.default_rng(1)
    first = [planted.sentence(rng, topic) for topic in ("sea", "war") * 20]
    labels = ["sea", "war"] * 20
    # The test part holds one label, the training part the other: whoever uses these folds must be always wrong.
    folds = np.array([0, 1] * 20)
    task = Inference("given", labels, first, first, folds, "by hand")
    rows = measure(planted.subject(), task, MeasureSettings(bootstrap=100))
    assert rows[0].value == 0.0
    assert rows[0].note.startswith("by hand; 2 labels, 2 given folds")

"""The logistic-regression probes on planted labels."""

import numpy as np
import pytest

from embedpipe.probes.baselines import Subject
from embedpipe.probes.classification import classification_rows, inference_rows
from embedpipe.probes.features import pair_features
from embedpipe.probes.logistic import stratified_folds
from embedpipe.tasks.shapes import Classification, Inference, with_test_part


class Constant:
    """Every text is the same point."""

    def encode(self, texts):
        return np.ones((len(texts), 3), dtype=np.float32)


def topical(planted, n, seed, name="topics"):
    rng = np.random.default_rng(seed)
    labels = rng.choice(list(planted.words), size=n)
    return Classification(name, labels.tolist(), [planted.sentence(rng, label, 2) for label in labels])


def test_planted_topics_are_read_off(planted):
    rows = classification_rows(topical(planted, 90, 1), planted.subject(), seed=1, n_seeds=1)
    beside = {row.baseline: row for row in rows}
    assert list(beside) == ["random vectors", "tf-idf", "majority"]
    assert rows[0].value > 0.95
    assert rows[0].n == 90
    assert rows[0].low < rows[0].value <= rows[0].high
    assert beside["majority"].baseline_value < 0.5
    assert beside["majority"].p_value < 0.001
    assert rows[0].note.startswith("3 labels, 5 folds, logistic regression")


def test_a_constant_encoder_is_no_better_than_the_majority_which_is_counted_by_hand():
    labels = ["a"] * 12 + ["b"] * 8
    texts = [f"t{i}" for i in range(20)]
    rows = classification_rows(Classification("m", labels, texts), Subject(encoder=Constant()), seed=1, n_seeds=1)
    majority = next(row for row in rows if row.baseline == "majority")
    assert majority.baseline_value == 0.6  # every training part holds more a than b: the 12 of 20 are right
    assert majority.value == 0.6
    assert majority.p_value == 1.0


def test_random_labels_give_an_interval_that_holds_chance(planted):
    rng = np.random.default_rng(5)
    texts = [planted.sentence(rng, topic) for topic in rng.choice(list(planted.words), size=120)]
    task = Classification("chance", ["x", "y"] * 60, texts)
    row = classification_rows(task, planted.subject(), seed=1, n_seeds=1)[0]
    assert row.low <= 0.5 <= row.high


def test_a_given_split_tests_the_test_part_only(planted):
    task = with_test_part(topical(planted, 60, 1), topical(planted, 15, 2, "held out"))
    row = classification_rows(task, planted.subject(), seed=1, n_seeds=1)[0]
    assert (row.task, row.n) == ("held out", 15)
    assert row.value > 0.9
    assert "a given test part" in row.note


def test_the_majority_is_that_of_the_training_part():
    labels = ["a"] * 10 + ["b"] * 12
    task = Classification("m", labels, [f"t{i}" for i in range(22)], np.array([-1] * 10 + [0] * 10 + [-1] * 2))
    rows = classification_rows(task, Subject(encoder=Constant()), seed=1, n_seeds=1)
    assert next(row.baseline_value for row in rows if row.baseline == "majority") == 0.0


def test_same_seed_same_rows(planted):
    task = topical(planted, 60, 3)
    first, again = (classification_rows(task, planted.subject(), seed=4, n_seeds=1) for _ in range(2))
    assert [row.as_dict() for row in first] == [row.as_dict() for row in again]


def test_a_label_seen_once_and_too_few_texts():
    subject = Subject(encoder=Constant())
    task = Classification("rare", ["a"] * 10 + ["b"] * 5 + ["c"], [f"t{i}" for i in range(16)])
    assert classification_rows(task, subject, seed=1, n_seeds=1)[0].n == 16
    (row,) = classification_rows(Classification("few", ["a", "b"], ["x", "y"]), subject, seed=1, n_seeds=1)
    assert row.note == "skipped: 2 texts, 10 are needed"


def test_inference_reads_the_relation_of_two_texts(planted):
    rng = np.random.default_rng(6)
    topics = rng.choice(list(planted.words), size=(120, 2))
    first, second = ([planted.sentence(rng, topic) for topic in side] for side in topics.T)
    labels = np.where(topics[:, 0] == topics[:, 1], "same", "other").tolist()
    rows = inference_rows(Inference("relation", labels, first, second), planted.subject(), seed=1, n_seeds=1)
    beside = {row.baseline: row for row in rows}
    assert rows[0].value > 0.9
    assert beside["tf-idf of text_b alone"].baseline_value < rows[0].low
    assert "majority" in beside


def test_pair_features_by_hand():
    u, v = np.array([[1.0, 2.0]], dtype=np.float32), np.array([[3.0, -1.0]], dtype=np.float32)
    assert pair_features(u, v).tolist() == [[1, 2, 3, -1, 2, 3, 3, -2]]


@pytest.mark.parametrize("n_folds", [2, 5])
def test_folds_are_stratified(n_folds):
    labels = np.array(["a"] * 40 + ["b"] * 20 + ["c"])
    folds = stratified_folds(labels, n_folds, seed=1)
    for label in "ab":
        counts = np.bincount(folds[labels == label], minlength=n_folds)
        assert counts.max() - counts.min() <= 1
    assert not np.array_equal(folds, stratified_folds(labels, n_folds, seed=2))

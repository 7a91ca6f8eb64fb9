"""The logistic-regression probes on planted labels."""

import numpy as np
import pytest

from embedpipe.probes.baselines import Subject
from embedpipe.probes.texts.classification import classification_rows, inference_rows
from embedpipe.probes.texts.features import pair_features
from embedpipe.probes.texts.logistic import stratified_folds
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
    first, again = (classification_rows(task, planted.subject(), seed=4, n_folds=2, n_seeds=1) for _ in range(2))
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


def test_several_seeds_draw_other_folds_and_give_a_spread(planted):
    rng = np.random.default_rng(8)
    labels = rng.choice(list(planted.words), size=60)
    said = np.where(rng.random(60) < 0.3, rng.choice(list(planted.words), size=60), labels)
    texts = [planted.sentence(rng, topic, 1) for topic in labels]
    task = Classification("noisy", said.tolist(), texts)
    row = classification_rows(task, planted.subject(), seed=1, n_folds=3, n_seeds=2)[0]
    assert row.n == 60
    assert row.value * 120 == pytest.approx(round(row.value * 120))  # the mean of two runs over 60 texts
    assert row.spread > 0
    assert f"3 folds drawn 2 times, standard deviation over draws {row.spread:.4f}" in row.note


def test_rare_labels_and_labels_that_are_never_trained_on_are_said():
    subject = Subject(encoder=Constant())
    labels, texts = ["a"] * 11 + ["b"] * 6 + ["c"], [f"t{i}" for i in range(18)]
    row = classification_rows(Classification("rare", labels, texts), subject, seed=1, n_seeds=1)[0]
    assert "labels with fewer than 5 texts: 1" in row.note
    split = Classification("split", labels, texts, np.array([-1] * 10 + [0] * 8))
    row = classification_rows(split, subject, seed=1)[0]
    assert "one fit: another seed would change nothing" in row.note
    assert "tested texts whose label the training part lacks: 7" in row.note
    assert np.isnan(row.spread)


def test_macro_f1_stands_beside_accuracy_where_one_label_is_most(planted):
    labels = ["a"] * 17 + ["b"] * 3
    rows = classification_rows(
        Classification("m", labels, [f"t{i}" for i in range(20)]), Subject(encoder=Constant()), seed=1, n_seeds=1
    )
    by_metric = {(row.metric, row.baseline): row for row in rows}
    assert by_metric["accuracy", "majority"].value == 0.85
    assert by_metric["macro-F1", "majority"].value == pytest.approx((2 * 17 / 37 + 0) / 2)
    even = Classification("even", ["a", "b"] * 10, [f"t{i}" for i in range(20)])
    rows = classification_rows(even, Subject(encoder=Constant()), seed=1, n_folds=2, n_seeds=1)
    assert {row.metric for row in rows} == {"accuracy"}


def test_a_split_without_a_training_part_is_said():
    task = Classification("t", ["a", "b"] * 6, [f"t{i}" for i in range(12)], np.zeros(12, dtype=np.int64))
    (row,) = classification_rows(task, Subject(encoder=Constant()), seed=1)
    assert row.note == "skipped: no text is in the training part"


def test_the_majority_of_balanced_folds_is_a_floor_and_not_zero(planted):
    """Each fold lacks the label that it is asked for most: what training parts say is always wrong."""
    task = Classification("t", ["a"] * 10 + ["b"] * 10, ["sea0"] * 20, np.repeat([0, 1], 10))
    row = next(row for row in classification_rows(task, planted.subject(), seed=1) if row.baseline == "majority")
    assert row.baseline_value == 0.5

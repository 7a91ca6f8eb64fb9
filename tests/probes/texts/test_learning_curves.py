"""Accuracy by number of labels on topics that were planted."""

import numpy as np
import pytest
from scipy.stats import t

from embedpipe.probes.baselines import Rival, Subject
from embedpipe.probes.texts.learning_curves import curve_table, learning_curves
from embedpipe.tasks.shapes import Classification, with_test_part


def topical(planted, n, seed, name="topics"):
    rng = np.random.default_rng(seed)
    labels = rng.choice(list(planted.words), size=n)
    return Classification(name, labels.tolist(), [planted.sentence(rng, label, 1) for label in labels])


def test_vectors_need_fewer_labels_than_words_do(planted):
    curves = {(c.system, c.per_label): c for c in learning_curves(topical(planted, 125, 1), planted.subject(), seed=1)}
    assert set(curves) == {(system, few) for system in ("encoder", "tf-idf", "majority") for few in (False, True)}
    encoder, words = curves["encoder", False], curves["tf-idf", False]
    assert encoder.labels == words.labels == (32, 64, 100)
    # One word a text, ten words a topic: vectors know the topic of a word that no labelled text holds.
    assert encoder.accuracy[0] > words.accuracy[0] + 0.1
    assert all(low <= value <= high for low, value, high in zip(words.low, words.accuracy, words.high, strict=True))
    few = curves["encoder", True]
    assert few.labels == (4, 8, 16)
    assert few.accuracy[-1] > 0.9


def test_labels_that_mean_nothing_stay_at_chance(planted):
    rng = np.random.default_rng(2)
    texts = [planted.sentence(rng, topic) for topic in rng.choice(list(planted.words), size=200)]
    task = Classification("chance", rng.choice(["x", "y"], 200).tolist(), texts)
    curve = learning_curves(task, planted.subject(), seed=1, shots=())[0]
    assert curve.low[-1] <= 0.5 <= curve.high[-1]


def test_the_interval_of_one_test_part_by_hand(planted):
    task = with_test_part(topical(planted, 40, 3), topical(planted, 20, 4, "held out"))
    curve = next(c for c in learning_curves(task, planted.subject(), seed=1, draws=3) if c.system == "tf-idf")
    assert (curve.task, curve.system, curve.labels) == ("held out", "tf-idf", (40,))
    value = curve.accuracy[0]  # all draws hold the same 40 texts: only the questions vary
    assert curve.high[0] - value == pytest.approx(min(1 - value, 1.959964 * np.sqrt(value * (1 - value) / 20)))


def test_the_interval_over_folds_is_student_s():
    class Line:
        def encode(self, texts):
            return np.float32([[float(text)] for text in texts])

    texts = ["-1" if i < 10 else "1" for i in range(20)]
    labels = ["a" if i < 10 else "b" for i in range(20)]
    labels[19] = "a"  # where b is right four times in five
    folds = np.array([i % 2 for i in range(20)])
    subject = Subject(encoder=Line(), against={"rival": Rival(encoder=Line())})
    curve, rival, *_ = learning_curves(Classification("line", labels, texts, folds), subject, seed=1, draws=2, shots=())
    assert (rival.system, rival.accuracy, rival.low) == ("rival", curve.accuracy, curve.low)
    assert curve.labels == (10,)
    assert curve.accuracy[0] == pytest.approx(0.95)  # 1 and .9
    assert 0.95 - curve.low[0] == pytest.approx(min(0.95, t.ppf(0.975, 1) * 0.05))


def test_what_cannot_be_measured_has_no_curve(planted):
    assert learning_curves(Classification("few", ["a", "b"], ["x", "y"]), planted.subject(), seed=1) == []


def test_the_table_has_a_line_for_each_point(planted):
    curves = learning_curves(topical(planted, 30, 5), planted.subject(), seed=1, draws=2, shots=(4,))
    table = curve_table(curves)
    assert [(line["labels"], line["system"]) for line in table] == [
        ("24", "encoder"),
        ("4 of each", "encoder"),
        ("24", "tf-idf"),
        ("4 of each", "tf-idf"),
        ("24", "majority"),
        ("4 of each", "majority"),
    ]
    assert {line["n"] for line in table} == {12}  # two of five folds


def test_the_majority_is_that_of_the_texts_that_were_drawn(planted):
    texts = [planted.sentence(np.random.default_rng(i), "sea") for i in range(100)]
    folds = np.repeat([-1, 0], [60, 40])
    task = Classification("t", ["a"] * 50 + ["b"] * 10 + ["b"] * 30 + ["a"] * 10, texts, folds)
    (curve,) = [
        c for c in learning_curves(task, planted.subject(), seed=1, draws=3, shots=()) if c.system == "majority"
    ]
    assert (curve.labels, curve.accuracy, curve.n) == ((32, 60), (0.25, 0.25), 40)
    assert "3 draws of labelled texts, all tested on the same 40 texts" in curve.note

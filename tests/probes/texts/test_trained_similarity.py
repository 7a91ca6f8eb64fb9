"""Sentence similarity by a trained regressor, and by source: named apart, trained without a look at the test side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from embedpipe.probes.baselines import Subject
from embedpipe.probes.rows import pivot
from embedpipe.probes.texts import regression
from embedpipe.probes.texts.regression import apart, features_of_pairs, predict_scores
from embedpipe.probes.texts.similarity import sentence_similarity_rows
from embedpipe.tasks.shapes import SentenceSimilarity


class Vectors:
    """Text i has row i of a table."""

    def __init__(self, n, dim=6, seed=0):
        self.table = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
        self.table /= np.linalg.norm(self.table, axis=1, keepdims=True)

    def encode(self, texts):
        return self.table[[int(text) for text in texts]]


def planted_task(first, n, noise=0.0, seed=0):
    """Pairs of texts that people score by the first dimension alone."""
    vectors = Vectors(2_000)
    a, b = np.arange(first, first + n), np.arange(first + n, first + 2 * n)
    scores = -np.abs(vectors.table[a, 0] - vectors.table[b, 0]).astype(np.float64)
    scores += noise * np.random.default_rng(seed).normal(size=n)
    return SentenceSimilarity("t", [str(i) for i in a], [str(i) for i in b], scores)


def of_metric(rows, metric):
    return {row.baseline: row for row in rows if row.metric == metric}


def test_what_stands_in_one_dimension_takes_training_to_find():
    rows = sentence_similarity_rows(planted_task(0, 200), Subject(encoder=Vectors(2_000)), bootstrap=200, seed=1)
    assert {row.metric for row in rows} == {"spearman", "pearson", "spearman (trained)", "pearson (trained)"}
    row = of_metric(rows, "spearman (trained)")["zero-shot cosine"]
    assert row.value > 0.95
    assert row.baseline_value == of_metric(rows, "spearman")["tf-idf"].value < 0.6
    assert row.p_value < 0.01
    assert row.note == (
        "ridge regression on |u - v|, u * v, 5 folds, trained on 160 pairs or more, "
        "pairs that share a text in the same fold"
    )
    assert of_metric(rows, "spearman")["tf-idf"].note == "zero-shot cosine"


def test_a_given_training_part_is_trained_on_and_the_task_alone_is_tested():
    test, train = planted_task(0, 60), planted_task(500, 300)
    whole = SentenceSimilarity("t", test.texts_a, test.texts_b, test.scores, train=train)
    subject = Subject(encoder=Vectors(2_000))
    rows = sentence_similarity_rows(whole, subject, bootstrap=100, seed=1)
    row = of_metric(rows, "spearman (trained)")["tf-idf"]
    assert (row.n, row.value > 0.95) == (60, True)
    assert "trained on the 300 pairs of a given training part" in row.note
    alone = sentence_similarity_rows(test, subject, bootstrap=100, seed=1)
    assert of_metric(rows, "spearman")["tf-idf"].value == of_metric(alone, "spearman")["tf-idf"].value
    wrong = SentenceSimilarity("t", train.texts_a, train.texts_b, -train.scores)
    contrary = SentenceSimilarity("t", test.texts_a, test.texts_b, test.scores, train=wrong)
    found = sentence_similarity_rows(contrary, subject, bootstrap=100, seed=1)
    assert of_metric(found, "spearman (trained)")["tf-idf"].value < -0.95


def test_scores_of_the_test_side_are_not_looked_at():
    task = planted_task(0, 120)
    u, v = (Vectors(2_000).encode(texts) for texts in (task.texts_a, task.texts_b))
    features, folds = features_of_pairs(u, v), np.arange(120) % 3
    before = predict_scores(features, task.scores, folds, seed=1)
    changed = np.where(folds == 0, 99.0, task.scores)
    after = predict_scores(features, changed, folds, seed=1)
    assert np.array_equal(before[folds == 0], after[folds == 0])
    assert not np.allclose(before[folds == 1], after[folds == 1])
    given = predict_scores(features, task.scores, np.where(folds == 0, 0, -1), seed=1)
    assert np.array_equal(given[folds == 0], before[folds == 0])
    assert np.isnan(given[folds != 0]).all()


def test_prediction_is_ridge_regression_in_closed_form(monkeypatch):
    monkeypatch.setattr(regression, "_ALPHAS", (50.0,))
    rng = np.random.default_rng(1)
    x, y = rng.normal(2, 3, size=(40, 5)), rng.normal(size=40)
    folds = np.repeat([0, -1], [10, 30])
    mean, spread = x[10:].mean(axis=0), x[10:].std(axis=0)
    z, held = (x[10:] - mean) / spread, (x[:10] - mean) / spread
    weights = np.linalg.solve(z.T @ z + 50 * np.eye(5), z.T @ (y[10:] - y[10:].mean()))
    assert predict_scores(x, y, folds, seed=1)[:10] == pytest.approx(held @ weights + y[10:].mean())


def test_scores_by_chance_are_not_learnt_though_texts_come_again():
    """Each text stands in eight pairs whose scores are alike: a regressor that met it elsewhere would know them."""
    rng = np.random.default_rng(3)
    hubs = np.repeat(np.arange(30), 8)
    scores = np.repeat(rng.normal(size=30), 8) + 0.1 * rng.normal(size=240)
    task = SentenceSimilarity("t", [str(i) for i in hubs], [str(i) for i in range(100, 340)], scores)
    subject = Subject(encoder=Vectors(2_000, dim=60))
    row = sentence_similarity_rows(task, subject, bootstrap=100, seed=1)[-1]
    assert row.metric == "pearson (trained)"
    assert abs(row.value) < 0.15
    u, v = (subject.encoder.encode(texts) for texts in (task.texts_a, task.texts_b))
    mixed = predict_scores(features_of_pairs(u, v), scores, rng.permutation(240) % 5, seed=1)
    assert np.corrcoef(mixed, scores)[0, 1] > 0.3, "with folds that share texts it would seem to be learnt"


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=1, max_size=30), st.integers(0, 99))
def test_no_text_is_in_two_folds(pairs, seed):
    a, b = ([str(pair[i]) for pair in pairs] for i in (0, 1))
    folds = apart(a, b, np.random.default_rng(seed).normal(size=len(a)), 3, seed=seed)
    where = {}
    for text, fold in zip([*a, *b], [*folds, *folds], strict=True):
        assert where.setdefault(text, fold) == fold
    assert set(folds.tolist()) <= {0, 1, 2}


def test_folds_of_pairs_without_common_texts_are_of_equal_size():
    scores = np.random.default_rng(2).normal(size=50)
    folds = apart([str(i) for i in range(50)], [f"b{i}" for i in range(50)], scores, 5, seed=1)
    assert np.bincount(folds).tolist() == [10] * 5
    means = [scores[folds == fold].mean() for fold in range(5)]
    assert np.ptp(means) < 0.3 * scores.std(), "and of nearly the same mean score"


def test_each_source_has_rows_and_the_note_says_how_the_headline_sums_up():
    easy, hard = planted_task(0, 60), planted_task(300, 100, noise=1.0)
    sources = ["easy"] * 60 + ["hard"] * 100
    task = SentenceSimilarity(
        "sts",
        [*easy.texts_a, *hard.texts_a],
        [*easy.texts_b, *hard.texts_b],
        np.concatenate([easy.scores, hard.scores]),
        sources=sources,
    )
    vectors = Vectors(2_000)
    rows = sentence_similarity_rows(task, Subject(encoder=vectors), bootstrap=100, seed=1)
    cosines = (vectors.encode(task.texts_a) * vectors.encode(task.texts_b)).sum(axis=1)
    expected = [spearmanr(cosines[part], task.scores[part]).statistic for part in (slice(60), slice(60, 160))]
    of = {row.metric: row for row in rows}
    assert (of["spearman (easy)"].value, of["spearman (easy)"].n) == (pytest.approx(expected[0]), 60)
    assert (of["spearman (hard)"].value, of["spearman (hard)"].n) == (pytest.approx(expected[1]), 100)
    assert of["spearman"].value == pytest.approx(spearmanr(cosines, task.scores).statistic)
    mean, weighted = sum(expected) / 2, (60 * expected[0] + 100 * expected[1]) / 160
    assert of["spearman"].note == (
        f"zero-shot cosine; all pairs pooled (mean of 2 sources {mean:.3f}, weighted by their pairs {weighted:.3f})"
    )
    assert of["spearman (easy)"].note == "zero-shot cosine"
    assert of["spearman (trained, section: easy)"].value > of["spearman (trained, section: hard)"].value
    assert {"pearson (section: easy)", "pearson (trained, section: hard)"} <= of.keys()
    assert [line["metric"] for line in pivot(rows)] == [
        "spearman",
        "spearman (easy)",
        "spearman (hard)",
        "pearson",
        "spearman (trained)",
        "pearson (trained)",
    ]


def test_parts_and_sources_stand_side_by_side_and_many_sources_stay_out_of_tables():
    task = planted_task(0, 130)
    sources = [f"s{i % 13}" for i in range(130)]
    task = SentenceSimilarity("t", task.texts_a, task.texts_b, task.scores, sources=sources)
    clean = {"unleaked": np.arange(130) < 100}
    rows = sentence_similarity_rows(task, Subject(encoder=Vectors(2_000)), bootstrap=50, seed=1, parts=clean)
    of = {row.metric: row.n for row in rows}
    assert of["spearman (unleaked)"] == of["spearman (trained, unleaked)"] == 100
    assert of["spearman (section: s12)"] == 10


def test_pairs_that_all_share_one_text_cannot_be_split_and_that_is_said():
    task = planted_task(0, 80)
    same = SentenceSimilarity("t", ["7"] * 80, task.texts_b, task.scores)
    *found, last = sentence_similarity_rows(same, Subject(encoder=Vectors(2_000)), bootstrap=50, seed=1)
    assert {row.metric for row in found} == {"spearman", "pearson"}
    assert last.note == "skipped: so many pairs share a text that 0 are left to train on for the others"

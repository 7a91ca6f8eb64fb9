"""Logistic regression beside what scikit-learn itself would choose and say, and the features that it sees."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from embedpipe.probes.texts.features import dense, tfidf, tfidf_of_pairs
from embedpipe.probes.texts.logistic import fit_predict, predict, stratified_folds, strengths_of_folds
from embedpipe.probes.texts.macro_f1 import macro_f1, macro_f1_rows


@pytest.fixture(scope="module")
def points():
    x, y = make_classification(150, 6, n_informative=4, n_classes=3, n_clusters_per_class=1, flip_y=0.2, random_state=3)
    return x.astype(np.float32), y


def test_predictions_are_those_of_a_pipeline_of_scikit_learn(points):
    x, y = points
    folds, ours = stratified_folds(y, 3, seed=1), np.empty_like(y)
    for fold in range(3):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        ours[test] = fit_predict(*_split(x, y, train, test), c=0.1)[0]
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    theirs = cross_val_predict(pipeline, x, y, cv=PredefinedSplit(folds))
    assert (ours == theirs).mean() > 0.99


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_strength_is_that_of_a_grid_search_on_the_same_folds(points, seed):
    x, y = points
    grid = (1e-3, 1e-2, 0.1)
    train, test = np.arange(100), np.arange(100, 150)
    seen, labels, held = _split(x, y, train, test)
    shuffled = np.random.default_rng(seed).permutation(100)
    folds = np.empty(100, dtype=np.int64)
    folds[shuffled] = stratified_folds(labels[shuffled], 3, seed)
    search = GridSearchCV(LogisticRegression(), {"C": grid}, cv=PredefinedSplit(folds)).fit(seen, labels)
    # The scorer of scikit-learn takes the mean over folds, which are of nearly one size here.
    ours = predict(seen, labels, held, grid, seed=seed)[0]
    assert (ours == search.predict(held)).mean() > 0.97


def test_a_strength_of_tfidf_is_not_lost_to_a_fit_that_stops_where_it_begins():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(400)]
    tokens = [[f"{'ab'[i % 2]}{rng.integers(60)}", *rng.choice(words, 12)] for i in range(400)]
    labels = np.arange(400) % 2
    train, test = np.arange(200), np.arange(200, 400)
    x, held = tfidf(tokens)(train, test)
    chosen = (predict(x, labels[train], held, (0.01, 10.0), seed=1)[0] == labels[test]).mean()
    weak, strong = ((fit_predict(x, labels[train], held, c)[0] == labels[test]).mean() for c in (0.01, 10.0))
    assert chosen == max(weak, strong)


def test_tfidf_counted_once_is_the_vectorizer_fitted_on_the_training_part():
    tokens = [["a", "b", "a"], ["b", "c"], ["d", "a", "e"], []]
    train, test = np.array([0, 1]), np.array([2, 3])
    ours = tfidf(tokens)(train, test)
    vectorizer = TfidfVectorizer(analyzer=lambda tokens: tokens, sublinear_tf=True).fit([tokens[i] for i in train])
    for found, rows in zip(ours, (train, test), strict=True):
        np.testing.assert_allclose(found.toarray(), vectorizer.transform([tokens[i] for i in rows]).toarray())


def test_tfidf_of_pairs_by_hand_and_of_nothing():
    (train, _) = tfidf_of_pairs([["a"], ["b"]], [["b"], ["b"]])(np.array([0, 1]), np.array([0]))
    assert train.toarray().tolist() == [[1, 0, 0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 0, 0, 1]]
    (empty, _) = tfidf([[], [], ["a"]])(np.array([0, 1]), np.array([2]))
    assert empty.toarray().tolist() == [[0.0], [0.0]]


def test_a_column_that_does_not_vary_is_no_division_by_zero():
    train, test = dense(np.float32([[1, 2], [1, 4], [3, 6]]))(np.array([0, 1]), np.array([2]))
    assert train.tolist() == [[0, -1], [0, 1]]
    assert test.tolist() == [[2, 3]]


def test_macro_f1_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    labels, said = rng.integers(0, 3, 50), rng.integers(0, 4, 50)
    assert macro_f1(said[None], labels)[0] == pytest.approx(f1_score(labels, said, average="macro"))
    weights = rng.integers(0, 3, (50, 1)).astype(float)
    repeated = np.repeat(np.arange(50), weights[:, 0].astype(int))
    expected = f1_score(labels[repeated], said[repeated], average="macro")
    assert macro_f1(said[None], labels, weights)[0] == pytest.approx(expected)


def test_the_rows_of_macro_f1_find_what_accuracy_hides():
    labels = np.repeat([0, 1], [90, 10])
    found, never = labels.copy(), np.zeros_like(labels)
    found[:10] = 1  # ten false alarms: as often wrong as the majority, but not blind
    (row,) = macro_f1_rows(
        "t", {"s": found[None], "majority": never[None]}, labels, coverage=1.0, note="", bootstrap=500, seed=1
    )
    assert row.value == pytest.approx(f1_score(labels, found, average="macro"))
    assert row.baseline_value == pytest.approx(0.9 / 1.9)
    assert row.difference_low > 0.15
    assert row.p_value < 0.01


def test_the_strength_for_a_fold_is_the_best_on_the_others_and_not_on_itself():
    rng = np.random.default_rng(0)
    labels, folds = np.tile([0, 1], 60), np.repeat(np.arange(6), 20)
    # One strong feature with flipped labels in fold 5, and much noise: what fold 5 says would favour no fit at all.
    x = np.c_[labels * 2.0 - 1, 0.5 * rng.standard_normal((120, 30))].astype(np.float32)
    x[folds == 5, 0] *= -1
    asked = []

    def features(train, test):
        asked.append(set(folds[test]))
        return x[train], x[test]

    grid = (1e-4, 1e-1)
    found = strengths_of_folds(features, labels, folds, grid)
    assert asked == [{0, 1}, {2, 3}, {4, 5}]  # three fits for all six folds
    right = {c: np.zeros(120, dtype=bool) for c in grid}
    for held in asked:
        inside = np.isin(folds, list(held))
        for c in grid:
            fitted = LogisticRegression(C=c, max_iter=1_000).fit(x[~inside], labels[~inside])
            right[c][inside] = fitted.predict(x[inside]) == labels[inside]
    for fold, strength in found.items():
        hits = [right[c][folds != fold].sum() for c in grid]
        assert strength == grid[int(np.argmax(hits))]


def test_texts_in_as_many_coordinates_as_there_are_of_them_are_classified_as_they_were(monkeypatch):
    rng = np.random.default_rng(2)
    labels = np.arange(120) % 10
    tokens = [[f"own{label}x{rng.integers(6)}", *(f"w{i}" for i in rng.integers(0, 900, 12))] for label in labels]
    x, held = tfidf(tokens)(np.arange(80), np.arange(80, 120))
    rotated, _ = fit_predict(x, labels[:80], held, 10.0)
    monkeypatch.setattr("embedpipe.probes.texts.logistic._MANY_LABELS", 1_000)
    plain, _ = fit_predict(x, labels[:80], held, 10.0)
    assert 4 * x.shape[0] < x.shape[1]
    assert rotated.tolist() == plain.tolist()
    assert (plain == labels[80:]).mean() > 0.3


@pytest.mark.slow
def test_one_thread_binds_libraries_that_were_not_loaded_before():
    code = (
        "from embedpipe.probes.texts.logistic import one_thread\n"
        "from threadpoolctl import threadpool_info\n"
        "with one_thread():\n"
        "    import sklearn.linear_model\n"
        "    print({pool['num_threads'] for pool in threadpool_info()})"
    )
    environment = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert found.stdout.strip() == "{1}", found.stderr


def _split(x, y, train, test):
    seen, held = dense(x)(train, test)
    return seen, y[train], held

"""Simulated probes in which the truth is known: equal systems are seldom called different, planted differences are."""

from dataclasses import replace

import numpy as np
import pytest

from embedpipe.probes.baselines import Rival, Subject
from embedpipe.probes.comparison import accuracy_rows, correlation_rows
from embedpipe.probes.measure import MeasureSettings, measure
from embedpipe.probes.texts.macro_f1 import macro_f1_rows
from embedpipe.tasks.shapes import Classification, SentenceSimilarity

ALPHA = 0.05


class Table:
    """An encoder that knows each text's vector."""

    def __init__(self, texts, vectors):
        self.vectors = dict(zip(texts, np.asarray(vectors, dtype=np.float32), strict=True))

    def encode(self, texts):
        return np.stack([self.vectors[text] for text in texts])


def called_different(task, texts, ours, theirs, *metrics):
    """Measure one encoder beside another as the command line does; return whether each metric calls them different."""
    subject = Subject(
        encoder=Table(texts, ours), against={"other": Rival(encoder=Table(texts, theirs))}, baselines=False
    )
    rows = measure(subject, task, MeasureSettings(bootstrap=400))
    found = {row.metric: row.p_value <= ALPHA for row in rows if row.baseline == "other"}
    return np.array([found[metric] for metric in metrics])


def rankings(seed, n, noise):
    """Return what people say, and what two systems say: the same signal and each its own noise, B's `noise` times."""
    truth, one, other, shared = np.random.default_rng(seed).normal(size=(4, n))
    common = truth + 0.5 * shared
    return truth, common + one, common + noise * other


@pytest.mark.parametrize("kind", ["spearman", "pearson"])
def test_equal_correlations_and_a_planted_difference(kind):
    def found(noise, n_probes):
        rows = []
        for seed in range(n_probes):
            truth, one, other = rankings(seed, 60, noise)
            rows += correlation_rows(
                "t", {"a": one, "b": other}, truth, coverage=1.0, note="", bootstrap=200, seed=seed, kind=kind
            )
        return sum(row.p_value <= ALPHA for row in rows)

    assert found(1.0, 200) <= ALPHA * 200
    assert found(3.0, 50) >= 35


def nearer_centroid(features, labels, folds):
    """Return which of two centroids, of the other folds, is the nearer one."""
    said = np.empty(len(labels), dtype=np.int64)
    for fold in np.unique(folds):
        held = folds == fold
        means = np.stack([features[~held & (labels == label)].mean(axis=0) for label in (0, 1)])
        distances = ((features[held][:, None] - means) ** 2).sum(axis=2)
        said[held] = distances.argmin(axis=1)
    return said


def two_encoders(seed, n, noise):
    """Return labels and what two encoders make of texts: the same signal, each its own noise, B's `noise` times."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    signal = labels[:, None] + rng.normal(size=(n, 1)) * 0.5
    return labels, signal + rng.normal(size=(n, 6)), signal + noise * rng.normal(size=(n, 6))


def two_random_encoders(seed, n):
    """Return labels and what two random encoders of the same kind make of the same texts.

    They are wide, so that both are worth the same. Narrow ones are not: their draws truly differ, and tests over
    questions say so.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    features = rng.normal(size=(n, 12)) + 0.5 * labels[:, None]
    one, other = (np.tanh(features @ rng.normal(size=(12, 200)) / 3) for _ in "ab")
    return labels, one, other


@pytest.mark.parametrize(
    ("kind", "n_seeds"),
    [
        ("own noise", 0),
        ("own noise", 3),
        ("random encoders", 0),
        pytest.param("own noise", 1, marks=pytest.mark.slow),
        pytest.param("random encoders", 1, marks=pytest.mark.slow),
        pytest.param("random encoders", 3, marks=pytest.mark.slow),
    ],
)
def test_equal_accuracies_and_a_planted_difference(kind, n_seeds):
    """`n_seeds` cross-validations, or for none a single split into halves."""

    def found(noise, n_probes):
        called = 0
        for seed in range(n_probes):
            made = (
                two_random_encoders(seed, 150) if kind != "own noise" and noise == 1 else two_encoders(seed, 150, noise)
            )
            labels, one, other = made
            rng = np.random.default_rng(seed)
            folds = [rng.permutation(150) % (5 if n_seeds else 2) for _ in range(n_seeds or 1)]
            hits = [[nearer_centroid(x, labels, fold) == labels for fold in folds] for x in (one, other)]
            tested = slice(None) if n_seeds else folds[0] == 1
            (row,) = accuracy_rows(
                "t",
                {name: np.array(right)[:, tested] for name, right in zip("ab", hits, strict=True)},
                metric="accuracy",
                coverage=1.0,
                system="a",
                note="",
                folds=np.array(folds) if n_seeds else None,
                n_train=75,
            )
            called += row.p_value <= ALPHA
        return called

    assert found(1, 200) <= ALPHA * 200
    # A split into halves and a single cross-validation say little: half of such differences are overlooked.
    assert found(4, 50) >= {0: 20, 1: 15, 3: 40}[n_seeds]


@pytest.mark.parametrize(("n_folds", "n_probes"), [(5, 60), pytest.param(2, 200, marks=pytest.mark.slow)])
def test_equal_macro_f1(n_folds, n_probes):
    """Two random encoders and labels of which one is rare: five folds, or a single split into halves."""
    called = 0
    for seed in range(n_probes):
        rng = np.random.default_rng([seed, 5])
        labels = (rng.permutation(150) < 38).astype(np.int64)
        features = rng.normal(size=(150, 12)) + 0.5 * labels[:, None]
        encoded = [np.tanh(features @ rng.normal(size=(12, 60)) / 3) for _ in "ab"]
        folds = rng.permutation(150) % n_folds
        tested = slice(None) if n_folds > 2 else folds == 1
        (row,) = macro_f1_rows(
            "t",
            {name: nearer_centroid(x, labels, folds)[None, tested] for name, x in zip("ab", encoded, strict=True)},
            labels[tested],
            coverage=1.0,
            note="",
            bootstrap=50,
            seed=seed,
            folds=folds[None] if n_folds > 2 else None,
            n_train=75 if n_folds == 2 else None,
        )
        called += row.p_value <= ALPHA
    assert called <= ALPHA * n_probes


@pytest.mark.slow
@pytest.mark.parametrize("given", [False, True])
def test_200_probes_of_sentence_similarity(given):
    """Two encoders of the same pairs, through the probe itself, without training and with: of folds or a given part."""

    def probe(seed, noise):
        rng = np.random.default_rng([seed, 7])
        n = 120
        first, turn = rng.normal(size=(2, n, 16))
        closeness = rng.uniform(0.1, 1.0, n)[:, None]
        second = closeness * first + (1 - closeness) * turn
        texts = [f"text {i}" for i in range(2 * n)]
        ends = [slice(0, n // 2), slice(n // 2, n)] if given else [slice(0, n)]
        tested, *others = (
            SentenceSimilarity("t", texts[:n][part], texts[n:][part], closeness.ravel()[part]) for part in ends
        )
        task = replace(tested, train=others[0]) if given else tested
        both = np.concatenate([first, second])
        ours, theirs = (both + scale * rng.normal(size=both.shape) for scale in (1.0, noise))
        return called_different(task, texts, ours, theirs, "spearman", "spearman (trained)", "pearson (trained)")

    assert max(sum(probe(seed, 1.0) for seed in range(200))) <= ALPHA * 200
    zero_shot, *trained = sum(probe(seed, 3.0) for seed in range(50)).tolist()
    assert zero_shot >= (25 if given else 40)
    # What little a training part of 60 pairs says about a difference is said to be little.
    assert min(trained) >= (4 if given else 15)


@pytest.mark.slow
@pytest.mark.parametrize("split", ["folds", "given"])
@pytest.mark.parametrize("kind", ["own noise", "random encoders"])
def test_200_probes_of_classification(kind, split):
    """Two encoders of the same texts, through logistic regression as it is."""
    n = 160
    texts = [f"text {i}" for i in range(n)]
    folds = np.repeat([-1, 0], n // 2) if split == "given" else None

    def probe(seed, noise):
        made = two_random_encoders(seed, n) if kind != "own noise" and noise == 1 else two_encoders(seed, n, noise)
        labels, ours, theirs = made
        task = Classification("t", [f"label {label}" for label in labels], texts, folds)
        return bool(called_different(task, texts, ours, theirs, "accuracy")[0])

    assert sum(probe(seed, 1) for seed in range(200)) <= ALPHA * 200
    assert sum(probe(seed, 10) for seed in range(30)) >= 20

"""Logistic regression on frozen sentence vectors: what can be read off them, beside much simpler features."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Subject, token_coverage
from embedpipe.probes.comparison import Parts, accuracy_rows
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.similarity import NO_ENCODER
from embedpipe.tasks.shapes import Classification, Inference

__all__ = ["classification_rows", "inference_rows", "pair_features", "predict", "stratified_folds"]

_FOLDS = 5
_INNER_FOLDS = 3
_INNER_ROWS = 3_000
_C_DENSE = (0.001, 0.01, 0.1, 1.0)
_C_TFIDF = (1.0, 10.0, 100.0)
_HOW = "logistic regression, C by 3-fold cross-validation inside the training part"

Labels = NDArray[np.str_]
Features = Any
"""A dense float32 matrix, or a scipy sparse matrix of tf-idf weights."""
FeaturesOfSplit = Callable[[NDArray[np.int64], NDArray[np.int64]], tuple[Features, Features]]
"""Rows of the training and of the test part to their features; whatever is fitted sees the training part only."""


def classification_rows(task: Classification, subject: Subject, *, seed: int, parts: Parts | None = None) -> list[Row]:
    """Return the accuracy of logistic regression on the frozen vectors of the texts.

    Folds are the task's own, or five stratified ones. Features are standardised on the training part. Baselines,
    all on the same folds: majority, tf-idf + logistic regression, the SIF average, the plain average, a random
    encoder, and random vectors.
    """
    encoders, labels = subject.encoders(), np.array(task.labels)
    folds = stratified_folds(labels, _FOLDS, seed) if task.folds is None else task.folds
    reason = _why_not(labels, folds, bool(encoders))
    if reason:
        return [skipped(task.name, "accuracy", reason)]
    texts = list(task.texts)
    systems = {name: _dense(encoder.encode(texts)) for name, encoder in encoders.items()}
    tokens = [subject.tokenize(text) for text in texts]
    return _rows(task.name, labels, folds, systems, {"tf-idf": _tfidf(tokens)}, subject, texts, task.note, seed, parts)


def inference_rows(task: Inference, subject: Subject, *, seed: int, parts: Parts | None = None) -> list[Row]:
    """Return the accuracy of logistic regression on ``[u, v, |u - v|, u * v]`` (Conneau et al., 2017).

    Beside the baselines of `classification_rows` stands tf-idf of the second text alone: what its wording gives
    away without the first (Gururangan et al., 2018).
    """
    encoders, labels = subject.encoders(), np.array(task.labels)
    folds = stratified_folds(labels, _FOLDS, seed)
    reason = _why_not(labels, folds, bool(encoders))
    if reason:
        return [skipped(task.name, "accuracy", reason)]
    n, texts = len(labels), [*task.texts_a, *task.texts_b]
    systems = {}
    for name, encoder in encoders.items():
        vectors = encoder.encode(texts)
        systems[name] = _dense(pair_features(vectors[:n], vectors[n:]))
    tokens = [subject.tokenize(text) for text in texts]
    sparse = {"tf-idf": _tfidf_pairs(tokens[:n], tokens[n:]), "tf-idf of text_b alone": _tfidf(tokens[n:])}
    return _rows(task.name, labels, folds, systems, sparse, subject, texts, "", seed, parts)


def pair_features(u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``[u, v, |u - v|, u * v]``, shape (n, 4 * dim)."""
    return np.concatenate([u, v, np.abs(u - v), u * v], axis=1)


def stratified_folds(labels: Labels, n_folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row, int64 of shape (n,): each label is dealt out evenly, in an order drawn by `seed`.

    >>> folds = stratified_folds(np.array(list("aaaabbbb")), 2, seed=0)
    >>> np.bincount(folds[:4]).tolist(), np.bincount(folds[4:]).tolist()
    ([2, 2], [2, 2])
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    dealt = shuffled[np.argsort(labels[shuffled], kind="stable")]
    folds = np.empty(len(labels), dtype=np.int64)
    folds[dealt] = np.arange(len(labels)) % n_folds
    return folds


def predict(
    train: Features, labels: Labels, test: Features, grid: Sequence[float], *, seed: int
) -> tuple[Labels, bool]:
    """Return the predicted label of each row of `test`, and whether the last fit converged.

    C is the value of `grid` with the best accuracy over three inner folds of (at most 3,000 rows of) the training
    part, the smallest one on a tie.
    """
    inner = np.random.default_rng(seed).permutation(len(labels))[:_INNER_ROWS]
    folds = stratified_folds(labels[inner], _INNER_FOLDS, seed)
    hits = [0] * len(grid)
    for fold in range(_INNER_FOLDS):
        fit_rows, held = inner[folds != fold], inner[folds == fold]
        for i, c in enumerate(grid):
            guesses, _ = _fit_predict(train[fit_rows], labels[fit_rows], train[held], c)
            hits[i] += int((guesses == labels[held]).sum())
    return _fit_predict(train, labels, test, grid[int(np.argmax(hits))])


def _fit_predict(train: Features, labels: Labels, test: Features, c: float) -> tuple[Labels, bool]:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if len(set(labels.tolist())) < 2:
        return np.full(test.shape[0], labels[0] if len(labels) else ""), True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # counted in the note of the row
        model = LogisticRegression(C=c, max_iter=300, tol=1e-3).fit(train, labels)
    return model.predict(test), bool(np.max(model.n_iter_) < 300)


def _rows(
    name: str,
    labels: Labels,
    folds: NDArray[np.int64],
    dense: dict[str, FeaturesOfSplit],
    sparse: dict[str, FeaturesOfSplit],
    subject: Subject,
    texts: list[str],
    note: str,
    seed: int,
    parts: Parts | None,
) -> list[Row]:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    tested = folds >= 0
    sparse = sparse if subject.baselines else {}
    predictions = {system: labels.copy() for system in (*dense, *sparse, "majority")}
    stopped = 0
    # A fit of this size is many times slower when its small products are shared out over threads.
    with threadpool_limits(limits=1):
        for fold in np.unique(folds[tested]):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            for systems, grid in ((dense, _C_DENSE), (sparse, _C_TFIDF)):
                for system, features in systems.items():
                    x, held = features(train, test)
                    predictions[system][test], converged = predict(x, labels[train], held, grid, seed=seed)
                    stopped += not converged
            counts = Counter(labels[train].tolist())
            predictions["majority"][test] = min(counts, key=lambda label: (-counts[label], label))
    n_folds = len(np.unique(folds[tested]))
    split = "a given test part" if (folds == -1).any() else f"{n_folds} folds"
    how = f"{len(set(labels.tolist()))} labels, {split}, {_HOW}"
    if stopped:
        how += f"; {stopped} fits stopped before they converged"
    return accuracy_rows(
        name,
        {system: (guess == labels)[tested] for system, guess in predictions.items()},
        metric="accuracy",
        coverage=token_coverage(subject.codec, texts),
        system=next(iter(dense)),
        note="; ".join(part for part in (note, how) if part),
        folds=folds[tested] if n_folds > 1 else None,
        n_train=int((folds == -1).sum()),
        seed=seed,
        parts={part: inside[tested] for part, inside in (parts or {}).items()},
    )


def _why_not(labels: Labels, folds: NDArray[np.int64], encoders: bool) -> str:
    if not encoders:
        return NO_ENCODER
    if len(set(labels.tolist())) < 2:
        return "all texts have the same label"
    if len(labels) < 2 * _FOLDS or not (folds >= 0).any():
        return f"{len(labels)} texts, {2 * _FOLDS} are needed"
    return ""


def _dense(matrix: NDArray[np.float32]) -> FeaturesOfSplit:
    def features(train: NDArray[np.int64], test: NDArray[np.int64]) -> tuple[Features, Features]:
        mean, spread = matrix[train].mean(axis=0), matrix[train].std(axis=0)
        spread[spread < 1e-8] = 1.0
        return (matrix[train] - mean) / spread, (matrix[test] - mean) / spread

    return features


def _tfidf(tokens: list[list[str]]) -> FeaturesOfSplit:
    def features(train: NDArray[np.int64], test: NDArray[np.int64]) -> tuple[Features, Features]:
        vectorizer = _vectorizer([tokens[i] for i in train])
        return vectorizer.transform([tokens[i] for i in train]), vectorizer.transform([tokens[i] for i in test])

    return features


def _tfidf_pairs(first: list[list[str]], second: list[list[str]]) -> FeaturesOfSplit:
    def features(train: NDArray[np.int64], test: NDArray[np.int64]) -> tuple[Features, Features]:
        from scipy.sparse import hstack

        vectorizer = _vectorizer([side[i] for side in (first, second) for i in train])

        def of(rows: NDArray[np.int64]) -> Features:
            u, v = (vectorizer.transform([side[i] for i in rows]) for side in (first, second))
            return hstack([u, v, abs(u - v), u.multiply(v)]).tocsr()

        return of(train), of(test)

    return features


def _vectorizer(tokens: list[list[str]]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    # A training part without a single token still needs one column.
    return TfidfVectorizer(analyzer=_as_it_is, sublinear_tf=True).fit([*tokens, [""]])


def _as_it_is(tokens: list[str]) -> list[str]:
    return tokens

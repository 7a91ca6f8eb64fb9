"""Ridge regression from pairs of sentence vectors to human scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["apart", "features_of_pairs", "predict_scores"]

_ALPHAS = (3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0)
_ALPHAS_SPARSE = (0.3, 1.0, 3.0, 10.0)
_INNER_ROWS = 600

Array = NDArray[np.float64]
Features = Any
"""A dense float32 matrix, or a scipy sparse matrix of tf-idf weights."""


def features_of_pairs(u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``[|u - v|, u * v]`` (Tai et al., 2015) of the vectors at length 1, float32 of shape (n, 2 * dim).

    The sum of the second half is the cosine, so that a linear model can do what zero-shot does.

    >>> features_of_pairs(np.array([[3.0, 4.0]], dtype=np.float32), np.array([[1.0, 0.0]], dtype=np.float32)).round(1)
    array([[0.4, 0.8, 0.6, 0. ]], dtype=float32)
    """
    one, two = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (u, v))
    return np.concatenate([np.abs(one - two), one * two], axis=1)


def apart(
    texts_a: Sequence[str], texts_b: Sequence[str], scores: Array, n_folds: int, *, seed: int
) -> NDArray[np.int64]:
    """Return the fold of each pair, int64 of shape (n,): pairs that share a text are in the same fold.

    Groups of such pairs are dealt out to the smallest fold, the largest first and those of one size by their mean
    score, so that folds have nearly the same mean: a model of the other folds that has learnt nothing predicts their
    mean, which is high where that of its own fold is low, and over all folds that would look like a negative
    correlation.

    Parameters
    ----------
    texts_a, texts_b : the pairs.
    scores : float64 of shape (n,).
    n_folds : how many.
    seed : of the choice between folds of one size.

    Examples
    --------
    >>> folds = apart(["a", "c", "e", "b"], ["b", "d", "f", "c"], np.arange(4.0), 2, seed=1)
    >>> (folds == folds[0]).tolist()  # a-b, b-c and c-d belong together
    [True, True, False, True]
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    number = {text: i for i, text in enumerate(dict.fromkeys([*texts_a, *texts_b]))}
    a, b = (np.array([number[text] for text in texts]) for texts in (texts_a, texts_b))
    edges = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(number), len(number)))
    group = np.unique(connected_components(edges, directed=False)[1][a], return_inverse=True)[1]
    sizes = np.bincount(group)
    means = np.bincount(group, weights=scores) / sizes
    rng = np.random.default_rng(seed)
    fold_of_group = np.zeros(len(sizes), dtype=np.int64)
    filled = np.zeros(n_folds, dtype=np.int64)
    for one in np.lexsort((means, -sizes)):
        smallest = rng.choice(np.flatnonzero(filled == filled.min()))
        fold_of_group[one] = smallest
        filled[smallest] += sizes[one]
    folds: NDArray[np.int64] = fold_of_group[group]
    return folds


def predict_scores(features: Features, scores: Array, folds: NDArray[np.int64], *, seed: int) -> Array:
    """Return the score that ridge regression predicts for each row that has a fold, NaN for the others.

    A row of fold *f* is predicted by a model of all rows of other folds; fold -1 is trained on and never predicted.
    Dense features are standardised on the training part. The penalty is the best of a few when each of at most 600 rows
    of the training part is left out in turn (Golub et al., 1979); it hardly depends on the number of rows.

    Parameters
    ----------
    features : dense of shape (n, width), or sparse.
    scores : float64 of shape (n,).
    folds : int64 of shape (n,).
    seed : of the rows that the penalty is chosen on.
    """
    from threadpoolctl import threadpool_limits

    predicted = np.full(len(scores), np.nan)
    with threadpool_limits(limits=1):
        for fold in np.unique(folds[folds >= 0]):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            x, held = _standardised(features[train], features[test])
            penalty = _penalty(x, scores[train], seed)
            predicted[test] = _fit_predict(x, scores[train], held, penalty)
    return predicted


def _standardised(train: Features, test: Features) -> tuple[Features, Features]:
    if not isinstance(train, np.ndarray):
        return train, test
    mean, spread = train.mean(axis=0), train.std(axis=0)
    spread[spread < 1e-8] = 1.0
    return (train - mean) / spread, (test - mean) / spread


def _penalty(x: Features, scores: Array, seed: int) -> float:
    from sklearn.linear_model import RidgeCV

    rows = np.random.default_rng(seed).permutation(len(scores))[:_INNER_ROWS]
    grid = _ALPHAS if isinstance(x, np.ndarray) else _ALPHAS_SPARSE
    return float(RidgeCV(np.array(grid)).fit(x[rows], scores[rows]).alpha_)


def _fit_predict(x: Features, scores: Array, held: Features, alpha: float) -> Array:
    from sklearn.linear_model import Ridge

    solver = "cholesky" if isinstance(x, np.ndarray) else "sparse_cg"
    predicted: Array = Ridge(alpha=alpha, solver=solver).fit(x, scores).predict(held)
    return predicted

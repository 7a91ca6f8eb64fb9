"""Logistic regression of scikit-learn, its strength of regularisation chosen inside the training part."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.texts.features import FeaturesOfSplit

__all__ = ["fit_predict", "one_thread", "predict", "stratified_folds", "strengths_of_folds"]

_INNER_FOLDS = 3
_INNER_ROWS = 6_000
_MANY_LABELS, _FEW_TEXTS = 8, 1_000
_MAX_STEPS = 300
_TOLERANCE, _TOLERANCE_SPARSE = 1e-3, 1e-4
"""Largest gradient at which a fit is done. Those of tf-idf weights, which are small, are small from the start: with
1e-3 a fit that goes on from a smaller C stops where it begins, and all strengths look alike."""

Labels = NDArray[Any]
"""One value for each row, text or whole numbers."""
Features = Any
"""A dense float32 matrix, or a scipy sparse matrix of tf-idf weights."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Fit on one thread: a fit of this size is many times slower when its small products are shared out.

    scikit-learn is imported first, for the limit binds only the libraries that are loaded when it is set. Its checks
    of what it is given, half the time of a small fit, are left out: features are finite and made here.
    """
    import sklearn.linear_model
    from threadpoolctl import threadpool_limits

    checked = sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
    with threadpool_limits(limits=1), checked:
        yield


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
    """Return the predicted label of each row of `test`, and whether the fit converged.

    Parameters
    ----------
    train, test : rows of features, dense float32 or sparse, of shapes (n_train, dim) and (n_test, dim).
    labels : the label of each row of `train`, shape (n_train,).
    grid : strengths C to choose from, ascending (a small C regularises much). The one with the best accuracy over
        three inner folds of (at most 6,000 rows of) the training part is taken, the smallest on a tie.
    seed : of the inner folds.

    Examples
    --------
    >>> train, test = np.array([[-2.0], [-1.0], [1.0], [2.0]] * 3), np.array([[-3.0], [3.0]])
    >>> predict(train, np.array(list("aabb" * 3)), test, (0.1, 1.0), seed=0)[0].tolist()
    ['a', 'b']
    """
    return fit_predict(train, labels, test, _best(train, labels, grid, seed))


def fit_predict(train: Features, labels: Labels, test: Features, c: float) -> tuple[Labels, bool]:
    """Return the predicted label of each row of `test` at one strength `c`, and whether the fit converged.

    Where all rows of `train` have one label, that is predicted.
    """
    if (labels == labels[0]).all():
        return np.full(test.shape[0], labels[0]), True
    train, test = _rotated(train, test, len(np.unique(labels)))
    model = _model(train)
    converged = _fit(model, train, labels, c)
    return model.predict(test), converged


def strengths_of_folds(
    features: FeaturesOfSplit, labels: Labels, folds: NDArray[np.int64], grid: Sequence[float]
) -> dict[int, float]:
    """Return for each fold the strength that is best on the texts of the other folds.

    The folds are put together to three parts, and each is held out once: these fits serve all folds, where inner folds
    of each training part would take as many for every one of them. The answers to a fold have no say in its own
    strength, though its texts are among those that the fits are trained on.

    Parameters
    ----------
    features : rows of the training and of the test part to their features.
    labels : the label of each text, shape (n,).
    folds : the fold of each text, int64 of shape (n,), three folds at least; -1 for a text that is only trained on.
    grid : strengths C to choose from, ascending; the smallest of the best is taken.

    Examples
    --------
    >>> from embedpipe.probes.texts.features import dense
    >>> labels, folds = np.tile([0, 1], 8), np.repeat([0, 1, 2, 3], 4)
    >>> strengths_of_folds(dense(labels[:, None].astype(np.float32)), labels, folds, (0.1, 1.0))
    {0: 0.1, 1: 0.1, 2: 0.1, 3: 0.1}
    """
    numbers = np.unique(folds[folds >= 0])
    part = np.searchsorted(numbers, folds) * _INNER_FOLDS // len(numbers)
    right = np.zeros((len(grid), len(labels)), dtype=np.bool_)
    for held_out in range(_INNER_FOLDS):
        held = (part == held_out) & (folds >= 0)
        y = labels[~held]
        if (y != y[0]).any():
            x, x_held = features(np.flatnonzero(~held), np.flatnonzero(held))
            right[:, held] = _right_along(x, y, x_held, labels[held], grid)
    return {fold: grid[int(np.argmax(right[:, folds != fold].sum(axis=1)))] for fold in numbers.tolist()}


def _right_along(x: Features, y: Labels, x_held: Features, y_held: Labels, grid: Sequence[float]) -> NDArray[np.bool_]:
    """Return which held-out rows each strength gets right, (n_grid, n_held); each fit starts from the one before it."""
    x, x_held = _rotated(x, x_held, len(np.unique(y)))
    model = _model(x, warm=True)
    right = np.empty((len(grid), len(y_held)), dtype=np.bool_)
    for i, c in enumerate(grid):
        _fit(model, x, y, c)
        right[i] = model.predict(x_held) == y_held
    return right


def _best(train: Features, labels: Labels, grid: Sequence[float], seed: int) -> float:
    """Return the strength with most hits over three inner folds."""
    if len(grid) == 1:
        return grid[0]
    inner = np.random.default_rng(seed).permutation(len(labels))[:_INNER_ROWS]
    folds = stratified_folds(labels[inner], _INNER_FOLDS, seed)
    hits = np.zeros(len(grid), dtype=np.int64)
    for fold in range(_INNER_FOLDS):
        rows, held = inner[folds != fold], inner[folds == fold]
        x, y, x_held, y_held = train[rows], labels[rows], train[held], labels[held]
        if not len(y_held) or (y == y[0]).all():
            continue
        hits += _right_along(x, y, x_held, y_held, grid).sum(axis=1)
    return grid[int(np.argmax(hits))]


def _rotated(train: Features, test: Features, n_labels: int) -> tuple[Features, Features]:
    """Return few texts of many terms in as many coordinates as there are training texts, float64.

    A rotation changes no product of two texts, hence no prediction of a fit whose penalty is the length of its weights.
    It pays where there are many labels, each with a weight for every term.
    """
    from scipy.sparse import issparse

    n, n_terms = train.shape
    transposed = train.T
    if not issparse(train) or n_labels < _MANY_LABELS or n > _FEW_TEXTS or 4 * n > n_terms:
        return train, test
    squares, axes = np.linalg.eigh((train @ transposed).toarray())
    kept = squares > squares[-1] * 1e-10
    lengths, axes = np.sqrt(squares[kept]), axes[:, kept]
    return axes * lengths, (test @ transposed).toarray() @ (axes / lengths)


def _model(train: Features, *, warm: bool = False) -> Any:
    from sklearn.linear_model import LogisticRegression

    tolerance = _TOLERANCE if train.dtype == np.float32 else _TOLERANCE_SPARSE
    return LogisticRegression(max_iter=_MAX_STEPS, tol=tolerance, warm_start=warm)


def _fit(model: Any, train: Features, labels: Labels, c: float) -> bool:
    """Fit at one strength and return whether it converged, for the caller to count."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of unique classes")  # few texts of many labels are meant here
        model.C = c
        model.fit(train, labels)
    return bool(np.max(model.n_iter_) < _MAX_STEPS)

"""What a classifier sees of texts: standardised vectors, or tf-idf; what is fitted sees the training part only."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FeaturesOfSplit", "dense", "pair_features", "tfidf", "tfidf_of_pairs"]

Rows = NDArray[np.int64]
FeaturesOfSplit = Callable[[Rows, Rows], tuple[Any, Any]]
"""Rows of the training and of the test part to their features: dense float32 or a sparse matrix."""


def dense(matrix: NDArray[np.float32]) -> FeaturesOfSplit:
    """Return each column of `matrix` less its mean, over its standard deviation; both of the training part.

    >>> train, test = dense(np.float32([[0.0, 5.0], [2.0, 5.0], [4.0, 6.0]]))(np.array([0, 1]), np.array([2]))
    >>> train.tolist(), test.tolist()
    ([[-1.0, 0.0], [1.0, 0.0]], [[3.0, 1.0]])
    """

    def features(train: Rows, test: Rows) -> tuple[Any, Any]:
        seen = matrix[train]
        mean, spread = seen.mean(axis=0), seen.std(axis=0)
        spread[spread < 1e-8] = 1.0
        return (seen - mean) / spread, (matrix[test] - mean) / spread

    return features


def pair_features(u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``[u, v, |u - v|, u * v]``, shape (n, 4 * dim) (Conneau et al., 2017).

    >>> pair_features(np.float32([[1, 2]]), np.float32([[3, -1]])).tolist()
    [[1.0, 2.0, 3.0, -1.0, 2.0, 3.0, 3.0, -2.0]]
    """
    return np.concatenate([u, v, np.abs(u - v), u * v], axis=1)


def tfidf(tokens: list[list[str]]) -> FeaturesOfSplit:
    """Return tf-idf weights of unit length, with 1 + log(count), over the tokens that the training part holds.

    Tokens are counted once for all splits; weights are fitted on each training part.
    """
    counts = _counts(tokens)

    def features(train: Rows, test: Rows) -> tuple[Any, Any]:
        weights, seen = _fitted(counts[train])
        return weights.transform(counts[train][:, seen]), weights.transform(counts[test][:, seen])

    return features


def tfidf_of_pairs(first: list[list[str]], second: list[list[str]]) -> FeaturesOfSplit:
    """Return `pair_features` of the tf-idf weights of both texts, over one vocabulary."""
    n, counts = len(first), _counts([*first, *second])

    def features(train: Rows, test: Rows) -> tuple[Any, Any]:
        from scipy.sparse import hstack

        weights, seen = _fitted(counts[np.concatenate([train, train + n])])

        def of(rows: Rows) -> Any:
            u, v = (weights.transform(counts[side][:, seen]) for side in (rows, rows + n))
            return hstack([u, v, abs(u - v), u.multiply(v)]).tocsr()

        return of(train), of(test)

    return features


def _counts(tokens: list[list[str]]) -> Any:
    """Return how often each token stands in each text, sparse; the empty token keeps the matrix from being empty."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=_as_it_is, dtype=np.float64).fit([*tokens, [""]])
    return vectorizer.transform(tokens)


def _fitted(counts: Any) -> tuple[Any, Rows]:
    """Return the fitted weights and the columns of the tokens that the training part holds, one at least."""
    from sklearn.feature_extraction.text import TfidfTransformer

    seen = np.flatnonzero(counts.getnnz(axis=0))
    seen = seen if len(seen) else np.zeros(1, dtype=np.int64)
    return TfidfTransformer(sublinear_tf=True).fit(counts[:, seen]), seen


def _as_it_is(tokens: list[str]) -> list[str]:
    return tokens

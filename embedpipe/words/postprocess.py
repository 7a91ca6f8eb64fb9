"""The geometry of word vectors under the unigram distribution: moments, directions, whitening, unit rows.

Averages over words are taken under the unigram distribution, as text meets them, not over the types of the
vocabulary, most of which are rare. float64 inside, float32 out; the steps have no random part.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["principal_directions", "unit_rows", "weighted_moments", "whitening_matrix", "zipfian_whitening"]

Float = TypeVar("Float", bound=np.floating)
_ROWS = 16_384
_FLOOR = 1e-10
"""Directions whose share of the largest variance is below this hold rounding noise alone."""


def zipfian_whitening(
    vectors: NDArray[np.float32], probabilities: NDArray[np.float64], *, exponent: float = 1.0
) -> NDArray[np.float32]:
    """Centre and whiten `vectors` under the unigram distribution (Yokoi et al., 2024, "Zipfian Whitening").

    With the weighted covariance U diag(s) U', a centred row x becomes x U diag(s^(-exponent/2)) U': symmetric (ZCA),
    so that neither signs nor the order of eigenvectors are left to chance. Directions without variance are dropped.
    Whitening in full what was whitened in part gives the same as whitening in full at once.

    Parameters
    ----------
    vectors : float32 array of shape (n, dim).
    probabilities : float64 array of shape (n,) that sums to 1. Rows of probability 0 (specials) become zero rows.
    exponent : 0 only centres, 1 makes the weighted covariance the identity, between them in part.

    Returns
    -------
    float32 array of shape (n, dim).

    Raises
    ------
    ValueError
        If the shapes do not agree, `exponent` is not in [0, 1], or all probabilities are zero.

    Examples
    --------
    >>> rows = np.array([[1, 0], [5, 4]], dtype=np.float32)
    >>> zipfian_whitening(rows, np.array([0.75, 0.25]), exponent=0).tolist()
    [[-1.0, -1.0], [3.0, 3.0]]
    """
    _check(vectors, probabilities, exponent)
    mean, covariance = weighted_moments(vectors, probabilities)
    matrix = whitening_matrix(covariance, exponent)
    result = np.zeros(vectors.shape, dtype=np.float32)
    for rows, block, weights in _blocks(vectors, probabilities):
        result[rows] = ((block - mean) @ matrix) * (weights[:, None] > 0)
    return result


def unit_rows(vectors: NDArray[Float]) -> NDArray[Float]:
    """Return `vectors` with every row scaled to length 1; zero rows stay zero.

    >>> unit_rows(np.array([[3, 4], [0, 0]], dtype=np.float32)).round(1).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    result = np.zeros_like(vectors)
    np.divide(vectors, norms, out=result, where=norms > 0)
    return result


def _check(vectors: NDArray[Any], probabilities: NDArray[Any], exponent: float) -> None:
    if vectors.ndim != 2 or probabilities.shape != (len(vectors),):
        raise ValueError(f"vectors of shape {vectors.shape} do not go with probabilities of {probabilities.shape}")
    if not 0 <= exponent <= 1:
        raise ValueError(f"the exponent of the whitening lies between 0 and 1, not {exponent}")
    if not probabilities.sum() > 0:
        raise ValueError("all probabilities are zero: there is nothing to average over")


def _blocks(
    vectors: NDArray[np.float32], probabilities: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
    for start in range(0, len(vectors), _ROWS):
        rows = slice(start, start + _ROWS)
        yield rows, vectors[rows].astype(np.float64), probabilities[rows].astype(np.float64)


def weighted_moments(
    vectors: NDArray[np.float32], probabilities: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean, shape (dim,), and covariance, shape (dim, dim), of rows that are met with `probabilities`.

    >>> mean, covariance = weighted_moments(np.array([[0.0], [4.0]], dtype=np.float32), np.array([0.75, 0.25]))
    >>> mean.tolist(), covariance.tolist()
    ([1.0], [[3.0]])
    """
    dim, total = vectors.shape[1], float(probabilities.sum())
    mean, covariance = np.zeros(dim), np.zeros((dim, dim))
    for _, block, weights in _blocks(vectors, probabilities):
        mean += weights @ block / total
    for _, block, weights in _blocks(vectors, probabilities):
        scaled = (block - mean) * np.sqrt(weights / total)[:, None]
        covariance += scaled.T @ scaled
    return mean, covariance


def principal_directions(covariance: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the `n` directions of largest variance, float64 of shape (n, dim) with orthonormal rows, largest first."""
    directions: NDArray[np.float64] = np.linalg.eigh(covariance)[1].T[::-1][:n]
    return directions


def whitening_matrix(covariance: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """Return U diag(s^(-exponent/2)) U' for the covariance U diag(s) U', directions without variance dropped.

    An exponent of 0 gives the identity.
    """
    if exponent == 0:
        return np.eye(len(covariance))
    variances, directions = np.linalg.eigh(covariance)
    kept = variances > _FLOOR * max(variances[-1], 0.0)
    factors = np.zeros_like(variances)
    factors[kept] = variances[kept] ** (-exponent / 2)
    matrix: NDArray[np.float64] = (directions * factors) @ directions.T
    return matrix

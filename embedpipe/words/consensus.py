"""Several trainings of the same words made one: aligned, averaged, and asked how far they agree.

Word2Vec draws at random, and on a small corpus the neighbours of many words change with the seed. Two trainings differ
by a rotation as well, which means nothing; orthogonal Procrustes (Schönemann, 1966) takes it away. How many of a word's
nearest neighbours two trainings share says how far its vector is to be trusted (Antoniak and Mimno, 2018, "Evaluating
the Stability of Embedding-based Word Similarities").
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from embedpipe.words.postprocess import unit_rows

__all__ = ["alignment", "consensus_rotations", "neighbour_overlap"]

_ROUNDS = 2
_BLOCK = 8_000_000


def alignment(
    vectors: NDArray[np.float32], onto: NDArray[np.float32], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the rotation or reflection R for which the weighted sum of |vectors R - onto|^2 is smallest.

    Parameters
    ----------
    vectors, onto : float32 arrays of shape (n, dim), row by row the same words.
    weights : float64 array of shape (n,), what each word counts.

    Returns
    -------
    float64 array of shape (dim, dim), orthogonal.

    Examples
    --------
    >>> turned = np.array([[0, 1], [-1, 0]], dtype=np.float32)
    >>> alignment(turned, np.eye(2, dtype=np.float32), np.ones(2)).round(6).tolist()
    [[0.0, -1.0], [1.0, 0.0]]
    """
    product = vectors.T.astype(np.float64) @ (onto * weights[:, None])
    left, _, right = np.linalg.svd(product)
    rotation: NDArray[np.float64] = left @ right
    return rotation


def consensus_rotations(runs: Sequence[NDArray[np.float32]], weights: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the rotation of each run onto their common mean, found by generalised Procrustes (Gower, 1975).

    Parameters
    ----------
    runs : float32 arrays of shape (n, dim), row by row the same words.
    weights : float64 array of shape (n,), what each word counts.

    Returns
    -------
    One orthogonal float64 array of shape (dim, dim) per run; the mean of the turned runs is the consensus.
    """
    mean = runs[0]
    rotations = [np.eye(runs[0].shape[1])]
    for _ in range(_ROUNDS):
        rotations = [alignment(run, mean, weights) for run in runs]
        turned = (run @ rotation.astype(np.float32) for run, rotation in zip(runs, rotations, strict=True))
        mean = sum(turned, np.zeros_like(runs[0])) / np.float32(len(runs))
    return rotations


def neighbour_overlap(
    runs: Sequence[NDArray[np.float32]], k: int = 10, *, first: int = 0, candidates: int = 50_000
) -> NDArray[np.float32]:
    """Return for every word the share of its `k` nearest words that two runs have in common, averaged over the pairs.

    Parameters
    ----------
    runs : two or more float32 arrays of shape (n, dim), row by row the same words, rows of any length.
    k : neighbours compared.
    first : rows before this one are no words: their share is 0 and they are no neighbours.
    candidates : neighbours are searched among so many words after `first`, the most frequent ones.

    Returns
    -------
    float32 array of shape (n,), in [0, 1].

    Examples
    --------
    >>> a = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], dtype=np.float32)
    >>> b = np.array([[1, 0], [1, 0.1], [0, 1], [1, -0.3]], dtype=np.float32)
    >>> neighbour_overlap([a, b], k=1).tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    if len(runs) < 2:
        raise ValueError("stability compares runs: two or more are needed")
    n = len(runs[0])
    overlap = np.zeros(n, dtype=np.float32)
    units = [unit_rows(run) for run in runs]
    limit = min(n, first + candidates)
    k = min(k, limit - first - 1)
    if k < 1:
        return overlap
    rows = max(1, _BLOCK // (limit - first))
    pairs = list(combinations(range(len(runs)), 2))
    for start in range(first, n, rows):
        block = np.arange(start, min(start + rows, n))
        nearest = [_nearest(unit, block, first, limit, k) for unit in units]
        for a, b in pairs:
            shared = (nearest[a][:, :, None] == nearest[b][:, None, :]).any(axis=2).sum(axis=1)
            overlap[block] += shared / np.float32(k * len(pairs))
    return overlap


def _nearest(unit: NDArray[np.float32], block: NDArray[np.int64], first: int, limit: int, k: int) -> NDArray[np.int64]:
    scores = unit[block] @ unit[first:limit].T
    inside = block < limit
    scores[np.flatnonzero(inside), block[inside] - first] = -np.inf
    nearest: NDArray[np.int64] = np.argpartition(scores, -k, axis=1)[:, -k:]
    return nearest

"""Words of a task as rows of a table, and what all probes of word vectors do with them."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Words
from embedpipe.words.postprocess import unit_rows

__all__ = [
    "as_wrong",
    "cosines_of",
    "find_words",
    "guessed",
    "pair_cosines",
    "random_like",
    "spelling_similarities",
    "spelling_similarity",
    "unit_length",
]


def find_words(words: Words, asked: Iterable[str]) -> NDArray[np.int64]:
    """Return the row of each word, int64 of shape (n,); -1 where there is none or it is all zeros.

    A word is looked up as `Vocabulary.find` does: as it is written, then in lower case.
    """
    asked = list(asked)
    ids = {word: words.vocabulary.find(word) for word in dict.fromkeys(asked)}
    rows = np.array([i for i in ids.values() if i is not None], dtype=np.int64)
    without = set(rows[~np.asarray(words.vectors[rows]).any(axis=1)].tolist())
    found = {word: -1 if i is None or i in without else i for word, i in ids.items()}
    return np.array([found[word] for word in asked], dtype=np.int64)


def unit_length(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the vectors in float64 at length 1; zeros stay zeros."""
    return unit_rows(vectors.astype(np.float64))


def random_like(vectors: NDArray[np.floating], seed: int) -> NDArray[np.float64]:
    """Return normally distributed numbers of the same shape: what the questions alone give away."""
    return np.random.default_rng(seed).standard_normal(vectors.shape)


def pair_cosines(vectors: NDArray[np.floating], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the cosine of each pair of rows, float64 of shape (n,); `pairs` is of shape (n, 2).

    >>> pair_cosines(np.array([[2.0, 0.0], [3.0, 4.0]]), np.array([[0, 1], [0, 0]])).tolist()
    [0.6, 1.0]
    """
    unit = unit_length(vectors)
    cosines: NDArray[np.float64] = np.einsum("ij,ij->i", unit[pairs[:, 0]], unit[pairs[:, 1]])
    return cosines


def cosines_of(words: Words, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the cosine of each pair of words, float64 of shape (n,); of `words` only the rows in `pairs` are read."""
    known, places = np.unique(pairs, return_inverse=True)
    return pair_cosines(np.asarray(words.vectors[known]), places.reshape(pairs.shape))


def as_wrong(values: NDArray[np.floating] | NDArray[np.bool_], covered: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the values of the covered questions at their places among all, and 0 for the others.

    >>> as_wrong(np.array([1.0, 0.5]), np.array([True, False, True])).tolist()
    [1.0, 0.0, 0.5]
    """
    everywhere = np.zeros(len(covered))
    everywhere[covered] = values
    return everywhere


def guessed(values: NDArray[np.float64], covered: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return a value for every question: for those that are not covered a guess, the mean of the others.

    >>> guessed(np.array([1.0, 0.5]), np.array([True, False, True])).tolist()
    [1.0, 0.75, 0.5]
    """
    everywhere = np.full(len(covered), values.mean())
    everywhere[covered] = values
    return everywhere


def spelling_similarity(a: str, b: str) -> float:
    """Return the Dice coefficient (Dice, 1945) of the sets of character bigrams, word ends included.

    >>> spelling_similarity("night", "nacht")  # ^n, ht and t$ of six bigrams each
    0.5
    """
    one, two = ({f"^{word}$"[i : i + 2] for i in range(len(word) + 1)} for word in (a, b))
    return 2 * len(one & two) / (len(one) + len(two))


def spelling_similarities(pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
    """Return `spelling_similarity` of each pair in lower case, float64 of shape (n,)."""
    return np.array([spelling_similarity(a.lower(), b.lower()) for a, b in pairs])

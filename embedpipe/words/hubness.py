"""Hubs: words that stand among the nearest neighbours of very many others (Radovanović et al., 2010)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.words.table import WordVectors

__all__ = ["Hubness", "hubness"]

_FIRST_BLOCK = 1_000
_TIE = 1e-6


@dataclass(frozen=True, slots=True)
class Hubness:
    """How often words are among the `k` nearest of others.

    Parameters
    ----------
    counts : N_k of each word: of how many words in the sample it is one of the `k` nearest.
    expected : mean of N_k over all words; far above it is a hub, 0 an orphan.
    k : neighbours looked at.
    sample : words whose neighbours were looked at.
    """

    counts: tuple[int, ...]
    expected: float
    k: int
    sample: int


def hubness(words: WordVectors, ids: list[int], *, k: int = 10, sample: int = 10_000, seed: int = 1) -> Hubness:
    """Count of how many words of a random sample each of `ids` is one of the `k` nearest.

    Exact for the sample, and fast: a word of the sample is given up as soon as `k` others are nearer to it.

    Parameters
    ----------
    words : the table; words without a vector take no part.
    ids : the words in question.
    k : neighbours.
    sample : most words whose neighbours are looked at; a smaller vocabulary is taken whole.
    seed : decides which.

    Examples
    --------
    >>> from embedpipe.text.vocabulary import Vocabulary
    >>> rows = [[0, 0]] * 4 + [[1, 0], [2, 1], [1, -2]]
    >>> words = WordVectors(Vocabulary.from_counts({"a": 3, "b": 2, "c": 1}), np.array(rows, dtype=np.float32))
    >>> hubness(words, [4, 5, 6], k=1)
    Hubness(counts=(2, 1, 0), expected=1.0, k=1, sample=3)
    """
    shown = np.flatnonzero(words.inverse_norms)
    drawn = np.random.default_rng(seed).permutation(shown)[:sample]
    chosen = np.sort(drawn)
    counts = tuple(_occurrences(words, word, chosen, k) for word in ids)
    return Hubness(counts, k * len(chosen) / max(len(shown), 1), k, len(chosen))


def _occurrences(words: WordVectors, word: int, chosen: NDArray[np.int64], k: int) -> int:
    if not words.inverse_norms[word]:
        return 0
    alive = chosen[chosen != word]
    units = words.vectors[alive] * words.inverse_norms[alive, None]
    reach = units @ words.vectors[word] * words.inverse_norms[word]
    nearer = np.zeros(len(alive), dtype=np.int64)
    start, size = 0, _FIRST_BLOCK
    while start < len(words) and len(alive):
        stop = min(len(words), start + size)
        scores = units @ words.vectors[start:stop].T * words.inverse_norms[start:stop]
        scores[:, words.inverse_norms[start:stop] == 0] = -np.inf
        own = np.flatnonzero((alive >= start) & (alive < stop))
        scores[own, alive[own] - start] = -np.inf
        nearer += (scores > reach[:, None] + _TIE).sum(axis=1)
        stays = nearer < k
        alive, units, reach, nearer = alive[stays], units[stays], reach[stays], nearer[stays]
        start, size = stop, 4 * size
    return len(alive)

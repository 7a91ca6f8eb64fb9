"""The table of word vectors and its nearest-neighbour queries: NumPy alone, on a memory map as well as in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedpipe.errors import ConfigError, EmbedpipeError
from embedpipe.text.vocabulary import PAD, SPECIALS, Vocabulary

__all__ = ["NO_DIRECTION", "UNSTABLE", "Neighbour", "WordVectors", "best", "inverse_norms"]

NO_DIRECTION = (
    "the words of the query add up to a zero vector, which has no neighbours: name other words, or leave out one "
    "that is both added and taken away"
)
UNSTABLE = 0.3
"""Stability below which fewer than three of a word's ten neighbours come back in another run."""

_BLOCK = 16_000_000
"""Similarities held at once (64 MB); norms are computed over blocks of as many numbers."""
_RUN = 256
"""Similarities of which the highest is found before the best of all are looked for."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A word near a query: its cosine similarity in [-1, 1], its count in the training text, its id, its stability.

    Stability is the share in [0, 1] of its nearest neighbours that come back in another run, None where it was not
    measured.
    """

    word: str
    similarity: float
    count: int
    id: int
    stability: float | None = None


class WordVectors:
    """Word vectors over a vocabulary; row *i* belongs to id *i*.

    A word is looked up as `Vocabulary.find` does. Specials and words without a vector (zero rows) are never returned.

    Parameters
    ----------
    vocabulary : the id space.
    vectors : float32 array of shape (len(vocabulary), dim), rows of any length; may be a read-only memory map.
    stability : float32 array of shape (len(vocabulary),) in [0, 1], where several runs were compared.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts({"cat": 3, "dog": 2, "car": 1})
    >>> rows = [[0, 0]] * 4 + [[3, 0], [4, 3], [0, 1]]
    >>> words = WordVectors(vocabulary, np.array(rows, dtype=np.float32))
    >>> [(n.word, round(n.similarity, 3), n.count) for n in words.similar("Cat")]
    [('dog', 0.8, 2), ('car', 0.0, 1)]
    """

    def __init__(
        self, vocabulary: Vocabulary, vectors: NDArray[np.float32], stability: NDArray[np.float32] | None = None
    ) -> None:
        if vectors.ndim != 2 or len(vectors) != len(vocabulary) or vectors.dtype != np.float32:
            raise ValueError(
                f"expected float32 vectors of shape ({len(vocabulary)}, dim), got {vectors.dtype} {vectors.shape}"
            )
        self.vocabulary = vocabulary
        if stability is not None and stability.shape != (len(vocabulary),):
            raise ValueError(f"expected stability of shape ({len(vocabulary)},), got {stability.shape}")
        self.vectors = np.asarray(vectors)
        self.stability = stability

    def __repr__(self) -> str:
        return f"WordVectors({len(self) - len(SPECIALS)} words, {self.dim} dimensions)"

    def __len__(self) -> int:
        return len(self.vectors)

    def __contains__(self, word: str) -> bool:
        return self.vocabulary.find(word) is not None

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self.vectors.shape[1])

    @cached_property
    def inverse_norms(self) -> NDArray[np.float32]:
        """float32 array of shape (len(vocabulary),): 1 / length of each row, 0 for rows that are never returned."""
        return inverse_norms(self.vectors)

    @cached_property
    def _hidden(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.inverse_norms == 0)

    def id(self, word: str) -> int:
        """Return the id of a word, as `Vocabulary.find` finds it.

        Raises
        ------
        UnknownWordError
            If it is not in the vocabulary; the error carries near spellings.
        """
        found = self.vocabulary.find(word)
        if found is None:
            raise self.vocabulary.unknown(word)
        return found

    def vector(self, word: str) -> NDArray[np.float32]:
        """Return the vector of a word, float32 of shape (dim,), a copy; raise `UnknownWordError` otherwise."""
        return np.array(self.vectors[self.id(word)])

    def similarity(self, word_a: str, word_b: str) -> float:
        """Return the cosine similarity of two words, in [-1, 1]; 0 where one has a zero vector."""
        a, b = self.id(word_a), self.id(word_b)
        cosine = self.vectors[a] @ self.vectors[b] * self.inverse_norms[a] * self.inverse_norms[b]
        return float(np.clip(cosine, -1, 1))

    def similar(
        self, positive: str | Sequence[str], negative: str | Sequence[str] = (), k: int = 10
    ) -> list[Neighbour]:
        """Return the words nearest to the mean of unit vectors of `positive` less those of `negative`.

        Parameters
        ----------
        positive : one word or several.
        negative : words whose vectors are subtracted.
        k : most neighbours to return.

        Returns
        -------
        list of Neighbour
            Best first, equal similarities in id order (more frequent first), without the words of the query.

        Raises
        ------
        UnknownWordError
            For the first word that is not in the vocabulary.
        ConfigError
            If `k` is below 1.
        EmbedpipeError
            If the words add up to a zero vector, which has no neighbours.
        """
        plus = [self.id(word) for word in _several(positive)]
        minus = [self.id(word) for word in _several(negative)]
        return self._neighbours(plus, minus, k)

    def analogy(self, a: str, b: str, c: str, k: int = 10) -> list[Neighbour]:
        """Answer "`a` is to `b` as `c` is to what?" by 3CosAdd: nearest to b - a + c (Mikolov et al., 2013).

        Returns, raises and excludes the three words as `similar` does.
        """
        return self._neighbours([self.id(b), self.id(c)], [self.id(a)], k)

    def _neighbours(self, plus: list[int], minus: list[int], k: int) -> list[Neighbour]:
        return self.nearest(self.vectors[plus], self.vectors[minus], k, exclude=[*plus, *minus])

    def nearest(
        self,
        positive: NDArray[np.float32],
        negative: NDArray[np.float32] | None = None,
        k: int = 10,
        *,
        exclude: Sequence[int] = (),
    ) -> list[Neighbour]:
        """Return the words nearest to the mean of the unit vectors of `positive` less those of `negative`.

        Parameters
        ----------
        positive, negative : float32 arrays of shape (n, dim), rows of any length; n may be 0 in one of them.
        k : most neighbours to return.
        exclude : ids that are not returned.

        Returns
        -------
        list of Neighbour
            Best first, equal similarities in id order (more frequent first).

        Raises
        ------
        EmbedpipeError
            If the rows add up to a zero vector, which has no neighbours.

        Examples
        --------
        >>> vocabulary = Vocabulary.from_counts({"cat": 3, "dog": 2, "car": 1})
        >>> rows = np.array([[0, 0]] * 4 + [[3, 0], [4, 3], [0, 1]], dtype=np.float32)
        >>> [n.word for n in WordVectors(vocabulary, rows).nearest(np.array([[5, 4]], dtype=np.float32), k=2)]
        ['dog', 'cat']
        """
        minus = positive[:0] if negative is None else negative
        rows = np.concatenate([positive, minus]).astype(np.float64)
        if not len(rows):
            raise ValueError("a query needs at least one word")
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        units = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
        units[len(positive) :] *= -1
        query = units.mean(axis=0)
        if np.linalg.norm(query) <= 1e-7:
            raise EmbedpipeError(NO_DIRECTION)
        excluded = np.array([exclude], dtype=np.int64) if exclude else None
        ids, similarities = self.most_similar_ids(query[None].astype(np.float32), k, excluded)
        found = zip(ids[0].tolist(), similarities[0].tolist(), strict=True)
        return [self.neighbour(i, similarity) for i, similarity in found if i != PAD]

    def neighbour(self, i: int, similarity: float) -> Neighbour:
        """Return what there is to say of the word with id `i`, found at `similarity`."""
        stability = None if self.stability is None else float(self.stability[i])
        return Neighbour(self.vocabulary.word(i), similarity, int(self.vocabulary.counts[i]), i, stability)

    def cosines(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the cosine of words with every word, float32 of shape (len(ids), len(vocabulary)).

        0 for specials and for words without a vector (where `inverse_norms` is 0).
        """
        chosen = np.asarray(ids, dtype=np.int64)
        scores: NDArray[np.float32] = self.vectors[chosen] @ self.vectors.T
        scores *= self.inverse_norms[chosen][:, None]
        scores *= self.inverse_norms
        return np.clip(scores, -1, 1, out=scores)

    def most_similar_ids(
        self,
        queries: NDArray[np.float32],
        k: int = 10,
        exclude: ArrayLike | None = None,
        restrict: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the ids nearest to each of many query vectors by cosine.

        Parameters
        ----------
        queries : array of shape (n, dim), rows of any length.
        k : most ids per query.
        exclude : ids of shape (n, m) that row by row are not returned; repeat an id to fill a row.
        restrict : search only the first `restrict` ordinary words, the most frequent ones.

        Returns
        -------
        ids : int64 array of shape (n, min(k, words searched)), best first, ties in id order. Where a row has fewer
            answers, it is filled with id 0, which is never an answer.
        similarities : float32 array of that shape, in [-1, 1]; -inf where the id is 0.
        """
        if k < 1 or (restrict is not None and restrict < 1):
            raise ConfigError(f"k and restrict count words from 1, not k={k}, restrict={restrict}")
        queries = np.asarray(queries, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise ValueError(f"expected queries of shape (n, {self.dim}), got {queries.shape}")
        stop = len(self) if restrict is None else min(len(self), len(SPECIALS) + restrict)
        k = min(k, stop - len(SPECIALS))
        excluded = None if exclude is None else np.asarray(exclude, dtype=np.int64).reshape(len(queries), -1)
        ids = np.zeros((len(queries), k), dtype=np.int64)
        similarities = np.full((len(queries), k), -np.inf, dtype=np.float32)
        if k == 0:
            return ids, similarities
        norms = np.linalg.norm(queries, axis=1, keepdims=True)
        units = np.divide(queries, norms, out=np.zeros_like(queries), where=norms > 0)
        table, inverse = self.vectors[:stop], self.inverse_norms[:stop]
        hidden = self._hidden[self._hidden < stop]
        rows = max(1, _BLOCK // stop)
        for start in range(0, len(queries), rows):
            block = slice(start, start + rows)
            scores = units[block] @ table.T
            scores *= inverse
            scores[:, hidden] = -np.inf
            if excluded is not None:
                _hide(scores, excluded[block])
            ids[block], similarities[block] = best(scores, k)
        np.clip(similarities, -1, 1, out=similarities, where=np.isfinite(similarities))
        ids[np.isneginf(similarities)] = PAD
        return ids, similarities


def inverse_norms(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 / length of each row, float32 of shape (n,); 0 for the specials and for zero rows.

    >>> inverse_norms(np.array([[1, 0]] * 4 + [[3, 4], [0, 0]], dtype=np.float32)).round(1).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.20000000298023224, 0.0]
    """
    norms = np.empty(len(vectors), dtype=np.float32)
    rows = max(1, _BLOCK // max(vectors.shape[1], 1))
    for start in range(0, len(vectors), rows):
        block = vectors[start : start + rows]
        norms[start : start + rows] = np.sqrt(np.einsum("ij,ij->i", block, block))
    norms[: len(SPECIALS)] = 0.0
    return np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)


def _several(words: str | Sequence[str]) -> list[str]:
    return [words] if isinstance(words, str) else list(words)


def _hide(scores: NDArray[np.float32], excluded: NDArray[np.int64]) -> None:
    row, column = np.nonzero(excluded < scores.shape[1])
    scores[row, excluded[row, column]] = -np.inf


def best(scores: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the columns of the `k` largest numbers of every row, and these numbers; largest first, ties in order.

    >>> best(np.array([[1, 3, 2, 3]], dtype=np.float32), 3)[0].tolist()
    [[1, 3, 2]]
    """
    if k == 1:
        ids = scores.argmax(axis=1)[:, None]
        return ids, np.take_along_axis(scores, ids, axis=1)
    n = scores.shape[1]
    width = max(1, min(_RUN, n // (8 * k)))
    # Each of k runs holds a score at least as high as the k-th highest of their maxima: no answer lies below it.
    maxima = np.maximum.reduceat(scores, np.arange(0, n, width), axis=1)
    lowest = np.partition(maxima, -k, axis=1)[:, -k, None]
    rows, ids = np.nonzero(scores >= lowest)
    found = scores[rows, ids]
    order = np.lexsort((ids, -found, rows))
    chosen = order[np.searchsorted(rows, np.arange(len(scores)))[:, None] + np.arange(k)]
    return ids[chosen], found[chosen]

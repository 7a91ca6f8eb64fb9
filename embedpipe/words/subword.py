"""Vectors of any string from the character n-grams that it is made of: a table of them, read with NumPy alone.

A word stands between ``<`` and ``>``; each of its n-grams is hashed into one of a fixed number of rows (Bojanowski et
al., 2017, "Enriching Word Vectors with Subword Information"), by fastText's hash (`ngrams`), so that rows trained by
fastText or gensim are found again. A table may instead hold a row for each of some n-grams, named by their hashes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.words.ngrams import ngram_buckets
from embedpipe.words.postprocess import unit_rows

__all__ = ["HASHES", "NgramRows", "Subwords", "mean_rows", "ngram_rows", "ngram_strings"]

HASHES = 2**32 - 1
"""A table of so many rows would hold nearly every n-gram in a row of its own."""
_WORDS = 1_000
"""Words composed at once: what is gathered for them stays below some tens of megabytes."""


@dataclass(frozen=True, slots=True)
class NgramRows:
    """The n-grams of several words: ``rows[offsets[i]:offsets[i + 1]]`` are the rows of word *i*.

    Parameters
    ----------
    rows : int64 array of shape (n_ngrams,), a row once for each place where it occurs.
    offsets : int64 array of shape (n_words + 1,).
    """

    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]

    @property
    def words(self) -> NDArray[np.int64]:
        """int64 array of shape (n_ngrams,): the place of the word that each n-gram belongs to."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def keep(self, kept: NDArray[np.bool_]) -> "NgramRows":
        """Return the n-grams where `kept`, of shape (n_ngrams,), is true, of the same words."""
        return NgramRows(self.rows[kept], np.concatenate([[0], np.cumsum(kept)])[self.offsets])


def ngram_rows(words: Sequence[str], shortest: int, longest: int, buckets: int) -> NgramRows:
    """Return the rows that the character n-grams of `words` are hashed into, in fastText's order.

    Parameters
    ----------
    words : any strings. One without an n-gram (it and its two marks are shorter than `shortest`) has no rows.
    shortest, longest : characters of an n-gram, the marks counted.
    buckets : rows of the table.

    Examples
    --------
    >>> ngram_rows(["ab", "", "ab"], 3, 4, 1000).offsets.tolist()  # <ab <ab> ab>
    [0, 3, 3, 6]
    """
    marked = [f"<{word}>".encode("utf-8", "surrogatepass") for word in words]
    rows, lengths = ngram_buckets(marked, shortest, longest, buckets)
    return NgramRows(rows, np.concatenate([[0], np.cumsum(lengths)]))


def ngram_strings(word: str, shortest: int, longest: int) -> list[str]:
    """Return the n-grams of one word in the order in which `ngram_rows` numbers them.

    >>> ngram_strings("ab", 1, 3)
    ['<a', '<ab', 'a', 'ab', 'ab>', 'b', 'b>']
    """
    marked = f"<{word}>"
    ends = (0, len(marked) - 1)
    return [
        marked[start : start + n]
        for start in range(len(marked))
        for n in range(shortest, min(longest, len(marked) - start) + 1)
        if n > 1 or start not in ends
    ]


def mean_rows(table: NDArray[np.float32] | NDArray[np.float16], ngrams: NgramRows) -> NDArray[np.float32]:
    """Return the mean of each word's rows of `table`, float32 of shape (n_words, dim); rows of zeros are left out.

    A word without a row that is not zero gets zeros.

    Examples
    --------
    >>> table = np.array([[2, 0], [0, 4], [0, 0]], dtype=np.float32)
    >>> mean_rows(table, NgramRows(np.array([0, 1, 2, 2]), np.array([0, 3, 4, 4]))).tolist()
    [[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]]
    """
    means = np.zeros((len(ngrams.offsets) - 1, table.shape[1]), dtype=np.float32)
    for begin in range(0, len(means), _WORDS):
        block = means[begin : begin + _WORDS]
        offsets = ngrams.offsets[begin : begin + len(block) + 1]
        gathered = np.asarray(table[ngrams.rows[offsets[0] : offsets[-1]]], dtype=np.float32)
        filled = np.flatnonzero(np.diff(offsets))
        if len(filled):
            places = offsets[filled] - offsets[0]
            known = np.add.reduceat(gathered.any(axis=1), places, dtype=np.int64)
            sums = np.add.reduceat(gathered, places, axis=0)
            block[filled] = sums / np.maximum(known, 1)[:, None].astype(np.float32)
    return means


@dataclass(frozen=True)
class Subwords:
    """A table of n-gram vectors, from which any string gets one.

    Parameters
    ----------
    vectors : float32 array of shape (buckets, dim); may be a read-only memory map. A row of zeros is one that no word
        of the training was hashed into. With `hashes`, float16 of shape (n_ngrams + 1, dim), the last row zeros.
    shortest, longest : characters of an n-gram, the marks of the word's ends counted.
    unit : whether vectors are scaled to length 1, as the published ones are after the step ``unit``.
    hashes : uint32 array of shape (n_ngrams,), rising: the n-grams that have rows; None where any is hashed into one.

    Examples
    --------
    >>> table = np.arange(1, 11, dtype=np.float32).reshape(5, 2)
    >>> Subwords(table, 3, 6).vector("ab").round(2).tolist()  # the rows of <ab <ab> ab>
    [5.0, 6.0]
    """

    vectors: NDArray[np.float32] | NDArray[np.float16]
    shortest: int
    longest: int
    unit: bool = False
    hashes: NDArray[np.uint32] | None = None

    def __post_init__(self) -> None:
        dtype, rows = ("float32", "buckets") if self.hashes is None else ("float16", f"{len(self.hashes) + 1}")
        fits = self.hashes is None or len(self.vectors) == len(self.hashes) + 1
        if self.vectors.ndim != 2 or not len(self.vectors) or self.vectors.dtype != dtype or not fits:
            raise ValueError(
                f"expected {dtype} n-gram vectors of shape ({rows}, dim), got {self.vectors.dtype} {self.vectors.shape}"
            )
        if not 1 <= self.shortest <= self.longest:
            raise ValueError(f"n-grams of {self.shortest} to {self.longest} characters do not exist")

    def ngrams(self, words: Sequence[str]) -> NgramRows:
        """Return the rows of the n-grams of `words`, the untrained ones too."""
        if self.hashes is None:
            return ngram_rows(words, self.shortest, self.longest, len(self.vectors))
        found = ngram_rows(words, self.shortest, self.longest, HASHES)
        place = np.searchsorted(self.hashes, found.rows.astype(np.uint32))
        there = np.append(self.hashes, 0)[place] == found.rows
        return NgramRows(np.where(there & (place < len(self.hashes)), place, len(self.hashes)), found.offsets)

    def known(self, ngrams: NgramRows) -> NDArray[np.bool_]:
        """Return of each n-gram whether its row was trained, bool of shape (n_ngrams,)."""
        return np.asarray(self.vectors[ngrams.rows].any(axis=1))

    def compose(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return the means of the trained n-grams of `words`, float32 of shape (len(words), dim); zeros where none is.

        The words' own vectors, where the vocabulary holds them, play no part.
        """
        return self.mean(self.ngrams(words))

    def mean(self, ngrams: NgramRows) -> NDArray[np.float32]:
        """Return the means of n-grams that were found already, as `compose` does."""
        means = mean_rows(self.vectors, ngrams)
        return unit_rows(means) if self.unit else means

    def vector(self, word: str) -> NDArray[np.float32] | None:
        """Return the vector of one string, float32 of shape (dim,), or None where none of its n-grams was trained."""
        row: NDArray[np.float32] = self.compose([word])[0]
        return row if row.any() else None

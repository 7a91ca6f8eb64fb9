"""What the spelling of words says of their vectors: a vector for each character n-gram, fitted to trained vectors.

No text is read. Each word is a mixture of the n-grams that it shares with other words, and the vectors of the n-grams
are those whose mixtures come nearest to the vectors of the words, by ridge regression (Zhao, Mudgal and Liang, 2018,
"Generalizing Word Embeddings using Bag of Subwords"; Pinter, Guthrie and Eisenstein, 2017, "Mimicking Word Embeddings
using Subword RNNs"). What the fit says of a word is what words spelt like it have in common.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.subword import HASHES, Subwords, ngram_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["SharedNgrams", "shared_ngrams"]

_SYLLABIC = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")
"""Characters that stand for syllables or morphemes: Kana, Han, Hangul."""
_MOST_NGRAMS = 100_000
"""N-grams that are kept, those of the most words: at 300 dimensions a bundle holds 60 MB of them."""
_WEIGHT = -0.25
"""Power of the number of words that share an n-gram by which it weighs in them: what few share says more."""
_PENALTY = 1.0
"""Of the ridge regression, where the mixture of each word has length 1 (docs/experiments/words_components.md)."""
_ROUNDS, _ENOUGH = 12, 0.03
"""Steps of conjugate gradients, and the share of a column not accounted for at which they end for it."""
_COLUMNS = 64
"""Columns that are fitted at once: the tables of the solver are that wide, not as wide as the vectors."""


@dataclass(frozen=True)
class SharedNgrams:
    """The character n-grams that two or more words of a vocabulary share.

    Parameters
    ----------
    hashes : uint32 array of shape (n_ngrams,), rising: the n-grams by their hash, see `embedpipe.words.ngrams`.
    weights : float32 array of shape (n_ngrams,): what each weighs in the words that have it.
    mixtures : sparse float32 matrix of shape (n_tokens, n_ngrams); a row has length 1, or none where nothing is shared.
    lengths : shortest and longest n-gram in characters, the marks of the word's ends counted.

    Examples
    --------
    >>> found = shared_ngrams(["<pad>", "<unk>", "<bos>", "<eos>", "walked", "talked", "cat"], (3, 3))
    >>> found.mixtures.shape, found.mixtures.sum(axis=1).round(3).tolist()  # alk, lke, ked, ed>
    ((7, 4), [0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 0.0])
    """

    hashes: NDArray[np.uint32]
    weights: NDArray[np.float32]
    mixtures: "csr_array"
    lengths: tuple[int, int]

    @cached_property
    def _turned(self) -> Any:
        from scipy.sparse import csr_array

        return csr_array(self.mixtures.T)

    def fit(self, vectors: NDArray[np.float32], rows: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Return the vectors of the n-grams whose mixtures come nearest to `vectors`.

        Parameters
        ----------
        vectors : float32 array of shape (n_tokens, dim).
        rows : bool array of shape (n_tokens,): the words that are fitted; None for all.

        Returns
        -------
        float32 array of shape (n_ngrams, dim); the fit of the words is ``mixtures @`` it.
        """
        ours, turned = self.mixtures, self._turned
        if rows is not None:
            from scipy.sparse import csr_array

            ours = self.mixtures[np.flatnonzero(rows)]
            turned = csr_array(ours.T)
        fitted = np.empty((len(self.hashes), vectors.shape[1]), dtype=np.float32)
        for first in range(0, vectors.shape[1], _COLUMNS):
            block = vectors[:, first : first + _COLUMNS]
            target = np.array(block if rows is None else block[rows], order="C")
            fitted[:, first : first + _COLUMNS] = turned @ _dual(ours, turned, target)
        return fitted

    def subwords(self, fitted: NDArray[np.float32]) -> Subwords:
        """Return the table from which any string gets a vector of length 1, of what `fit` returned."""
        rows = np.zeros((len(self.hashes) + 1, fitted.shape[1]), dtype=np.float16)
        rows[:-1] = fitted * self.weights[:, None]
        return Subwords(rows, *self.lengths, unit=True, hashes=self.hashes)


def _dual(ours: Any, turned: Any, target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the dual of the regression, a number for each word and column of `target`, which is overwritten.

    Conjugate gradients, each column by itself: which others are fitted beside it changes nothing.
    """
    dual, rest, tiny = np.zeros_like(target), target, np.finfo(np.float32).tiny
    step, size = rest.copy(), np.einsum("ij,ij->j", rest, rest)
    enough = np.float32(_ENOUGH**2) * size
    for _ in range(_ROUNDS):
        ended = size <= enough
        if ended.all():
            break
        moved = ours @ (turned @ step)
        moved += np.float32(_PENALTY) * step
        share = np.where(ended, np.float32(0), size / np.maximum(np.einsum("ij,ij->j", step, moved), tiny))
        dual += share * step
        moved *= share
        rest -= moved
        before, size = size, np.where(ended, size, np.einsum("ij,ij->j", rest, rest))
        step *= size / np.maximum(before, tiny)
        step += rest
    return dual


def shared_ngrams(tokens: Sequence[str], lengths: tuple[int, int]) -> SharedNgrams:
    """Return the n-grams that two or more words share, up to the 100,000 that most words have.

    Parameters
    ----------
    tokens : of a vocabulary, the specials first: these have none.
    lengths : shortest and longest n-gram in characters. Where most words are of Han, Kana or Hangul, the shortest is
        one character: words of two or three of them share hardly anything longer.
    """
    from scipy.sparse import csr_array

    if 2 * sum(map(bool, map(_SYLLABIC.search, tokens[len(SPECIALS) :]))) > len(tokens) - len(SPECIALS):
        lengths = 1, lengths[1]
    found = ngram_rows(tokens[len(SPECIALS) :], *lengths, HASHES)
    pairs = np.unique(np.column_stack([found.words, found.rows]), axis=0)
    hashes, column, n_words = np.unique(pairs[:, 1], return_inverse=True, return_counts=True)
    kept = np.flatnonzero(n_words > 1)
    kept = np.sort(kept[np.argsort(-n_words[kept], kind="stable")[:_MOST_NGRAMS]])
    place = np.full(len(hashes), -1)
    place[kept] = np.arange(len(kept))
    inside = place[column] >= 0
    row, column = pairs[inside, 0] + len(SPECIALS), place[column[inside]]
    weights = (n_words[kept] ** _WEIGHT).astype(np.float32)
    norms = np.sqrt(np.bincount(row, weights=weights[column].astype(np.float64) ** 2, minlength=len(tokens)))
    values = weights[column] / norms[row].astype(np.float32)
    mixtures = csr_array((values, (row, column)), shape=(len(tokens), len(kept)))
    return SharedNgrams(hashes[kept].astype(np.uint32), weights, mixtures, lengths)

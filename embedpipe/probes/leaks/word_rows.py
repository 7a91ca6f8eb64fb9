"""Texts as rows of words, compared by what words and neighbouring words they hold."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.deduplicate import digest_rows, mix
from embedpipe.text.numbering import number_texts, take_rows
from embedpipe.text.split import hash_texts
from embedpipe.text.tokenizer import RegexTokenizer

__all__ = ["WordRows", "hash_words", "jaccard", "join_treebank", "rows_of_words", "word_rows"]

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]+")
_TREEBANK = re.compile(r" (?=n't\b|'(?:s|re|ve|ll|d|m)\b)|-[lr][rsc]b-", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class WordRows:
    """Texts as hashes of their words, without punctuation, one text after the other.

    Parameters
    ----------
    hashes : uint64, shape (n_words,).
    sizes : int64, shape (n_texts,): words of each text; a text may have none.
    """

    hashes: NDArray[np.uint64]
    sizes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sizes)

    def take(self, rows: NDArray[np.int64]) -> "WordRows":
        """Return the texts with the numbers `rows`, in their order."""
        return WordRows(take_rows(self.hashes, self.sizes, rows), self.sizes[rows])

    def digests(self) -> NDArray[np.uint64]:
        """Return a hash of the words of each text in their order, uint64 of shape (n_texts,)."""
        return digest_rows(self.hashes, self.sizes)

    def members(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return the words and pairs of neighbouring words, text after text, and how many each text has.

        What stands in a text twice is there twice.
        """
        found = np.empty((len(self.hashes), 2), dtype=np.uint64)
        found[:, 0] = self.hashes
        found[:-1, 1] = mix(self.hashes[:-1] * np.uint64(3) + mix(self.hashes[1:]))
        kept = np.ones(found.shape, dtype=np.bool_)
        kept[(np.cumsum(self.sizes) - 1)[self.sizes > 0], 1] = False
        return found[kept], np.maximum(2 * self.sizes - 1, 0)


def word_rows(texts: Sequence[str]) -> WordRows:
    """Return the words of each text; a character is a word in scripts that are written without spaces.

    What the Penn Treebank's tokenizer set apart (``do n't``, ``-lrb-``) is put together again.

    Examples
    --------
    >>> word_rows(["Don't stop!", "...", "他走了。"]).sizes.tolist()
    [2, 0, 3]
    """
    types, numbers, lengths = number_texts([_spaced(join_treebank(text)) for text in texts], RegexTokenizer())
    return rows_of_words(numbers, lengths, *hash_words(types))


def rows_of_words(
    numbers: NDArray[np.uint32], lengths: NDArray[np.int64], hashes: NDArray[np.uint64], is_word: NDArray[np.bool_]
) -> WordRows:
    """Return the texts whose tokens have these `numbers`, text after text, without the tokens that are no words."""
    kept = is_word[numbers]
    until = np.concatenate([[0], np.cumsum(kept)])
    stops = np.cumsum(lengths)
    return WordRows(hashes[numbers[kept]], until[stops] - until[stops - lengths])


def hash_words(types: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the hash of each token, the same for every case, and whether it is a word: has a letter or a digit."""
    is_word = np.fromiter((any(map(str.isalnum, token)) for token in types), dtype=np.bool_, count=len(types))
    return hash_texts([token.casefold() for token in types]), is_word


def join_treebank(text: str) -> str:
    """Return a text with what the Penn Treebank's tokenizer set apart put together again.

    >>> join_treebank("It 's so bad -lrb- they did n't care -rrb-")
    "It's so bad  they didn't care "
    """
    return _TREEBANK.sub("", text)


def jaccard(first: WordRows, second: WordRows) -> NDArray[np.float64]:
    """Return the similarity of text *i* of `first` and text *i* of `second`, float64 of shape (n_texts,), in [0, 1].

    It is that of the sets of words and pairs of neighbouring words; 0 where both texts are empty.

    Examples
    --------
    >>> jaccard(word_rows(["a b c"]), word_rows(["a b d"])).tolist()  # {a, b, ab} of {a, b, c, d, ab, bc, bd}
    [0.42857142857142855]
    """
    n = len(first)
    a, b = _sets(first), _sets(second)
    both = np.bincount(_rows(np.intersect1d(a, b, assume_unique=True), n), minlength=n)
    either = np.bincount(_rows(a, n), minlength=n) + np.bincount(_rows(b, n), minlength=n) - both
    similarity: NDArray[np.float64] = both / np.maximum(either, 1)
    return similarity


def _sets(texts: WordRows) -> NDArray[np.uint64]:
    """Return the members of each text once, ascending: the number of the text, then as many bits as are left."""
    members, sizes = texts.members()
    bits = np.uint64(len(texts).bit_length())
    rows = np.repeat(np.arange(len(texts), dtype=np.uint64), sizes)
    return np.unique((members >> bits) | (rows << (np.uint64(64) - bits)))


def _rows(keys: NDArray[np.uint64], n: int) -> NDArray[np.int64]:
    return (keys >> np.uint64(64 - n.bit_length())).astype(np.int64)


def _spaced(text: str) -> str:
    """Return a text with spaces around each character of scripts that are written without them."""
    return text if text.isascii() else _UNSPACED.sub(lambda run: f" {' '.join(run[0])} ", text)

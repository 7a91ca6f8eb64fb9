"""Character n-grams of many words at once, hashed into buckets as fastText does."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["ngram_buckets"]

_OFFSET, _PRIME = np.uint32(2_166_136_261), np.uint32(16_777_619)
_LONGEST_CHARACTER = 4


def ngram_buckets(
    words: Sequence[bytes], shortest: int, longest: int, buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the buckets of the character n-grams of `words`, as fastText numbers them (Bojanowski et al., 2017).

    The hash is FNV-1a over the bytes of an n-gram, each taken as a signed number: one above 127 is negative. A single
    character at either end of a word is no n-gram: it is the mark of the end.

    Parameters
    ----------
    words : in UTF-8, with their marks, as in ``b"<cat>"``; an empty one has no n-grams.
    shortest, longest : in characters.
    buckets : number of buckets, at least 1.

    Returns
    -------
    buckets : int64 array of shape (n_ngrams,) with numbers below `buckets`, word by word, in fastText's
        order: by the character that an n-gram begins with, shorter ones first.
    lengths : int64 array of shape (len(words),): how many of them belong to each word.

    Examples
    --------
    >>> numbers, lengths = ngram_buckets([b"<a>", b"<b>"], 3, 3, 1_000)
    >>> len(numbers), lengths.tolist()
    (2, [1, 1])
    """
    sizes = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
    data = np.frombuffer(b"".join(words) + bytes(_LONGEST_CHARACTER), dtype=np.uint8)
    n_bytes = int(sizes.sum())
    signed = data.view(np.int8).astype(np.int32).view(np.uint32)
    begins = (data[:n_bytes] & 0xC0) != 0x80
    starts = np.flatnonzero(begins)
    word = np.repeat(np.arange(len(words)), sizes)[starts]
    # Where each character ends, and after the last one a wall that no n-gram passes.
    ends = np.append(starts[1:], n_bytes)
    left = np.bincount(word, minlength=len(words)).cumsum()[word] - np.arange(len(starts))
    first = np.diff(word, prepend=-1) > 0

    hashes = np.full(len(starts), _OFFSET)
    found: list[tuple[NDArray[np.int64], NDArray[np.uint32]]] = []
    for n in range(1, longest + 1):
        inside = np.flatnonzero(left >= n)
        if not inside.size:
            break
        at, stop = starts[inside + n - 1], ends[inside + n - 1]
        for byte in range(_LONGEST_CHARACTER):
            more = at + byte < stop
            if not more.any():
                break
            grown = (hashes[inside] ^ signed[at + byte]) * _PRIME
            hashes[inside] = np.where(more, grown, hashes[inside])
        if n >= shortest:
            kept = inside if n > 1 else inside[~first[inside] & (left[inside] > 1)]
            found.append((kept, hashes[kept] % np.uint32(buckets)))
    if not found:
        return np.empty(0, dtype=np.int64), np.zeros(len(words), dtype=np.int64)
    characters = np.concatenate([kept for kept, _ in found])
    numbers = np.concatenate([hashed for _, hashed in found]).astype(np.int64)
    order = np.argsort(characters, kind="stable")
    return numbers[order], np.bincount(word[characters], minlength=len(words))

"""An index of a token stream: its positions sorted by the tokens that end there, read backwards.

All places where an n-gram ends stand side by side in the index, for every n up to its depth, so that one sort serves
all orders: a model of any order is counted from ranges of it (as in Shareghi et al., 2016, with suffix trees). It
takes four bytes for each token of the stream and is sorted in parts, so that the memory beside it does not grow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import ConfigError
from embedpipe.text.vocabulary import EOS

__all__ = ["Suffixes", "packed", "sort_stream"]

_PART = 3_000_000
"""Positions that are sorted or counted at once."""
_KEY_BITS = 63


@dataclass(frozen=True, slots=True)
class Suffixes:
    """The positions of a stream in the order of what ends there.

    Parameters
    ----------
    tokens : uint32 ids of the stream, all below `n_tokens`; may be memory-mapped.
    n_tokens : size of the vocabulary; the same number stands for what is beyond a beginning.
    depth : tokens that positions are sorted by: the one that stands there, the one before it, and so on.
    across : n-grams reach over the ends of sentences. Otherwise nothing stands before an ``<eos>`` that begins one.
    positions : int32 or int64, shape (len(tokens),).
    starts : int64, shape (n_tokens + 1,): where the positions of each token begin.
    """

    tokens: NDArray[np.uint32]
    n_tokens: int
    depth: int
    across: bool
    positions: NDArray[np.signedinteger]
    starts: NDArray[np.int64]

    def parts(self) -> Iterator[NDArray[np.signedinteger]]:
        """Yield the positions in order, in parts of whole tokens."""
        for first, last in _parts(self.starts):
            yield self.positions[self.starts[first] : self.starts[last]]

    def before(self, positions: NDArray[np.signedinteger], distance: int) -> NDArray[np.uint32]:
        """Return the tokens so far before the positions, sentences not looked at; `n_tokens` beyond the beginning."""
        index = positions - distance
        return np.where(index < 0, np.uint32(self.n_tokens), self.tokens[np.maximum(index, 0)])

    def columns(self, positions: NDArray[np.signedinteger]) -> list[NDArray[np.uint32]]:
        """Return the tokens at the positions, before them and so on: `depth` arrays; `n_tokens` where there is none."""
        return _columns(self.tokens, positions, self.n_tokens, self.depth, self.across)

    def narrow(
        self, low: NDArray[np.int64], high: NDArray[np.int64], distance: int, wanted: NDArray[np.integer]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the parts of ranges of the index that have `wanted` so far before their positions.

        Parameters
        ----------
        low, high : half-open ranges, each of positions that agree in all tokens nearer than `distance`.
        distance : 1 is the token before that at the position.
        wanted : one token for each range.
        """
        return self._search(low, high, distance, wanted), self._search(low, high, distance, wanted.astype(np.int64) + 1)

    def _search(
        self, low: NDArray[np.int64], high: NDArray[np.int64], distance: int, wanted: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        low, high = low.copy(), high.copy()
        open_ = np.flatnonzero(low < high)
        while len(open_):
            middle = (low[open_] + high[open_]) // 2
            less = self.before(self.positions[middle], distance) < wanted[open_]
            low[open_[less]] = middle[less] + 1
            high[open_[~less]] = middle[~less]
            open_ = open_[low[open_] < high[open_]]
        return low


def sort_stream(tokens: NDArray[np.uint32], n_tokens: int, *, depth: int, across: bool) -> Suffixes:
    """Return the index of a stream.

    >>> index = sort_stream(np.array([5, 4, 5, 4, 4], dtype=np.uint32), 6, depth=2, across=True)
    >>> index.positions.tolist(), index.starts.tolist()  # 4 after 4, 4 after 5 twice, 5 after 4, 5 at the beginning
    ([4, 1, 3, 2, 0], [0, 0, 0, 0, 0, 3, 5])

    Raises
    ------
    ConfigError
        If the stream is empty or holds an id that is not below `n_tokens`.
    """
    if not len(tokens):
        raise ConfigError("no tokens to count n-grams of; give a stream of at least one")
    if (largest := int(tokens.max())) >= n_tokens:
        raise ConfigError(f"the stream holds id {largest}, but the vocabulary has {n_tokens} tokens; they do not fit")
    starts = np.concatenate([[0], np.cumsum(np.bincount(tokens, minlength=n_tokens))]).astype(np.int64)
    kind: type[np.signedinteger] = np.int32 if len(tokens) < 2**31 else np.int64
    positions: NDArray[np.signedinteger] = np.empty(len(tokens), dtype=kind)
    for first, last in _parts(starts):
        found: NDArray[np.signedinteger] = np.flatnonzero((tokens >= first) & (tokens < last)).astype(kind)
        order = np.lexsort(packed(_columns(tokens, found, n_tokens, depth, across), n_tokens)[::-1])
        positions[starts[first] : starts[last]] = found[order]
    return Suffixes(tokens, n_tokens, depth, across, positions, starts)


def packed(columns: list[NDArray[np.uint32]], n_tokens: int) -> list[NDArray[np.uint64]]:
    """Return the columns packed, as many as fit, into numbers of the same order; the first column weighs most.

    >>> [key.tolist() for key in packed([np.array([1, 2], np.uint32), np.array([3, 0], np.uint32)], 3)]
    [[7, 8]]
    """
    bits = n_tokens.bit_length()
    step = max(1, _KEY_BITS // bits)
    keys = []
    for start in range(0, len(columns), step):
        key = columns[start].astype(np.uint64)
        for column in columns[start + 1 : start + step]:
            key = (key << np.uint64(bits)) | column
        keys.append(key)
    return keys


def _columns(
    tokens: NDArray[np.uint32], positions: NDArray[np.signedinteger], n_tokens: int, depth: int, across: bool
) -> list[NDArray[np.uint32]]:
    beyond = np.uint32(n_tokens)
    found = [np.asarray(tokens[positions])]
    ended = np.zeros(len(positions), dtype=np.bool_)
    for distance in range(1, depth):
        index = positions - distance
        ended |= index < 0
        if not across and distance > 1:
            ended |= found[-1] == EOS
        found.append(np.where(ended, beyond, tokens[np.maximum(index, 0)]))
    return found


def _parts(starts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return half-open ranges of tokens whose positions are at most about `_PART` together, a frequent one alone."""
    edges = np.searchsorted(starts, np.arange(0, starts[-1], _PART), side="right") - 1
    return list(pairwise(np.unique(np.concatenate([edges, [len(starts) - 1]])).tolist()))

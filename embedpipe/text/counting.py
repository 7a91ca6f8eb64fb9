"""Count token types over all chunks in bounded memory, exactly.

Each chunk holds its types in 64 buckets by hash. Buckets are counted in groups that together hold a bounded number of
types; after each group only the types that can still enter the vocabulary are kept.
"""

from collections import defaultdict
from collections.abc import Sequence
from heapq import nsmallest

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.chunks import BUCKETS, ChunkFiles
from embedpipe.text.vocabulary import UNK, Vocabulary

__all__ = ["auto_min_count", "count_vocabulary", "runs_within"]

TYPES_AT_ONCE = 500_000


def auto_min_count(n_tokens: int) -> int:
    """Return how often a token must be seen in `n_tokens` training tokens when nothing else is asked for."""
    return 2 if n_tokens < 200_000 else 3 if n_tokens < 2_000_000 else 5


def count_vocabulary(
    chunks: Sequence[ChunkFiles], *, min_count: int, max_size: int, types_at_once: int = TYPES_AT_ONCE
) -> tuple[Vocabulary, int]:
    """Return the vocabulary of the training split and the number of distinct training tokens.

    Parameters
    ----------
    chunks : files that hold an array ``counts``: how often each local type occurs in training documents.
    types_at_once : most local types of all chunks together that are counted in one go.
    """
    sizes = np.zeros(BUCKETS, dtype=np.int64)
    for chunk in chunks:
        sizes += np.diff(chunk.array("buckets"))
    best: dict[str, int] = {}
    n_types = n_tokens = 0
    for first, last in runs_within(sizes, types_at_once):
        counts: defaultdict[str, int] = defaultdict(int)
        for chunk in chunks:
            buckets = chunk.array("buckets")
            numbers = chunk.array("counts")[buckets[first] : buckets[last]]
            for token, number in zip(chunk.types(first, last), numbers.tolist(), strict=True):
                if number:
                    counts[token] += number
        n_types += len(counts)
        n_tokens += sum(counts.values())
        best.update((token, number) for token, number in counts.items() if number >= min_count)
        if len(best) > 2 * max_size:
            best = dict(nsmallest(max_size + 4, best.items(), key=lambda item: (-item[1], item[0])))
    vocabulary = Vocabulary.from_counts(best, min_count=min_count, max_size=max_size)
    vocabulary.counts[UNK] = n_tokens - int(vocabulary.counts[4:].sum())
    return vocabulary, n_types


def runs_within(sizes: NDArray[np.integer], limit: int) -> list[tuple[int, int]]:
    """Return runs of neighbours that hold at most `limit` together, or one that is larger alone.

    >>> runs_within(np.array([2, 2, 9, 1]), 4)
    [(0, 2), (2, 3), (3, 4)]
    """
    runs, first, held = [], 0, 0
    for place, size in enumerate(sizes.tolist()):
        if place > first and held + size > limit:
            runs.append((first, place))
            first, held = place, 0
        held += size
    return [*runs, (first, len(sizes))]

"""A probe that needs no labels: which of many held-out sentences follows this one?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.bag import Bag

__all__ = ["CANDIDATES", "NextSentences", "draw_next_sentences", "reciprocal_rank"]

CANDIDATES = 128
"""Sentences among which the one that follows is looked for."""
_MIN_KNOWN = 4


@dataclass(frozen=True, eq=False)
class NextSentences:
    """Sentences and the one that follows each in its document; uint32 ids, in an order drawn by chance."""

    first: list[NDArray[np.uint32]]
    second: list[NDArray[np.uint32]]

    def __len__(self) -> int:
        return len(self.first)


def draw_next_sentences(store: TokenStore, *, seed: int, most: int = 16 * CANDIDATES) -> NextSentences:
    """Return up to `most` pairs of neighbouring sentences, each with four known tokens at least.

    Parameters
    ----------
    store : a split that no vector was trained on.
    seed : of the draw and its order.
    most : pairs that are enough.
    """
    if store.n_sentences < 2:
        return NextSentences([], [])
    starts = store.sentence_offsets[:-1].astype(np.int64)
    known = np.add.reduceat((np.asarray(store.tokens) >= len(SPECIALS)).astype(np.int64), starts) >= _MIN_KNOWN
    together = store.document_of_sentence[:-1] == store.document_of_sentence[1:]
    usable = np.flatnonzero(known[:-1] & known[1:] & together)
    drawn = np.random.default_rng(seed).permutation(usable)[:most].tolist()
    return NextSentences([store.sentence(i) for i in drawn], [store.sentence(i + 1) for i in drawn])


def reciprocal_rank(bag: Bag, pairs: NextSentences) -> float:
    """Return the mean reciprocal rank, in (0, 1], of the sentence that follows among 128 by the cosine of their bags.

    The others are those that follow the sentences beside it in the draw. A tie counts as the middle of its places, so
    that vectors that are all alike find nothing. Pairs that fill no 128 are left out, unless there are fewer.

    Parameters
    ----------
    bag : the sentence space.
    pairs : two at least.

    Examples
    --------
    >>> from embedpipe.words.bag import plain_average
    >>> bag = plain_average(np.array([[0, 0]] * 4 + [[1, 0], [0, 1]], dtype=np.float32))
    >>> one, other = np.array([4], dtype=np.uint32), np.array([5], dtype=np.uint32)
    >>> reciprocal_rank(bag, NextSentences([one, other], [one, other]))
    1.0
    >>> reciprocal_rank(bag, NextSentences([one, other], [other, one]))
    0.5
    """
    candidates = min(CANDIDATES, len(pairs))
    n = len(pairs) // candidates * candidates
    shape = (-1, candidates, bag.dim)
    first, second = (bag.encode_ids(side[:n]).reshape(shape) for side in (pairs.first, pairs.second))
    similarities = first @ second.transpose(0, 2, 1)  # (blocks, candidates, candidates)
    own = np.diagonal(similarities, axis1=1, axis2=2)[:, :, None]
    ranks = 0.5 + (similarities > own).sum(axis=2) + (similarities == own).sum(axis=2) / 2
    return float((1 / ranks).mean())

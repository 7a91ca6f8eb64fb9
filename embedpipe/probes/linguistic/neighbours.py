"""Two sentences of one document: are they neighbours, and in which order did they stand?"""

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.linguistic.pool import Pool, halves, need
from embedpipe.tasks.builtin import ADJACENCY, ORDER
from embedpipe.tasks.shapes import Inference

__all__ = ["adjacency_task", "order_task"]

Ints = NDArray[np.int64]


def adjacency_task(pool: Pool, *, n_sentences: int, seed: int) -> Inference:
    """Return pairs of sentences of one document labelled ``next`` or ``elsewhere``: does the second follow the first?

    The second sentence of a pair ``elsewhere`` is that of another pair of the same document, so that its topic gives
    nothing away, and both sides hold the same sentences under either label as far as chance allows.

    Parameters
    ----------
    pool : held-out sentences.
    n_sentences : pairs at most.
    seed : of the draw.

    Raises
    ------
    NotEnoughDataError
        If there are too few pairs of neighbours.
    """
    rng = np.random.default_rng([seed, 5])
    anchors = _anchors(pool, rng)
    need(ADJACENCY, len(anchors), "pairs of neighbouring sentences", pool.folds[anchors])
    near: list[int] = []
    apart: list[int] = []
    others: list[int] = []
    for document in np.unique(pool.documents[anchors]).tolist():
        of_document = rng.permutation(anchors[pool.documents[anchors] == document])
        n = len(of_document) // 2
        # Half the way round: the partners are as far from each other as they all can be.
        here = np.sort(of_document[:n])
        there = np.roll(here, n // 2) + 1
        far = np.abs(pool.places[there] - pool.places[here]) > 1
        near += of_document[n : n + int(far.sum())].tolist()
        apart += here[far].tolist()
        others += there[far].tolist()
    drawn = rng.permutation(len(near))[: n_sentences // 2]
    follows, elsewhere = np.array(near, dtype=np.int64)[drawn], np.array(apart, dtype=np.int64)[drawn]
    return _task(
        pool,
        ADJACENCY,
        np.concatenate([follows, elsewhere]),
        np.concatenate([follows + 1, np.array(others, dtype=np.int64)[drawn]]),
        np.repeat(["next", "elsewhere"], len(drawn)),
    )


def order_task(pool: Pool, *, n_sentences: int, seed: int) -> Inference:
    """Return pairs of neighbouring sentences labelled ``in order`` or ``reversed``.

    Parameters
    ----------
    pool : held-out sentences.
    n_sentences : pairs at most.
    seed : of the draw.

    Raises
    ------
    NotEnoughDataError
        If there are too few pairs of neighbours.
    """
    rng = np.random.default_rng([seed, 6])
    anchors = rng.permutation(_anchors(pool, rng))[:n_sentences]
    need(ORDER, len(anchors), "pairs of neighbouring sentences", pool.folds[anchors])
    ordered = ~halves(pool.folds[anchors], rng)
    return _task(pool, ORDER, anchors + ~ordered, anchors + ordered, np.where(ordered, "in order", "reversed"))


def _anchors(pool: Pool, rng: np.random.Generator) -> Ints:
    """Return sentences that the next of the pool follows in its document, of which no two share a pair.

    Pairs begin at the first or the second sentence of a document, as it is drawn: else a sentence that opens a document
    would never be the second of a pair.
    """
    if len(pool) < 2:
        return np.empty(0, dtype=np.int64)
    joined = (np.diff(pool.places) == 1) & (np.diff(pool.documents) == 0)
    begins = np.flatnonzero(np.r_[True, ~joined])
    place_in_run = np.arange(len(pool)) - np.repeat(begins, np.diff(np.r_[begins, len(pool)]))
    phase = rng.integers(2, size=int(pool.documents.max()) + 1)[pool.documents]
    return np.flatnonzero(np.r_[joined, False] & (place_in_run % 2 == phase))


def _task(pool: Pool, name: str, first: Ints, second: Ints, labels: NDArray[np.str_]) -> Inference:
    folds = pool.folds[first]
    need(name, len(first), "pairs of sentences", folds)
    return Inference(
        name,
        labels.tolist(),
        [pool.text(i) for i in first],
        [pool.text(i) for i in second],
        folds,
        pool.note(f"{len(first)} pairs of sentences, both of one document,"),
    )

"""Random spans of a flat token array as training batches, of which the k-th is a function of the seed and k alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import NotEnoughDataError
from embedpipe.nn.batches import Batch, TokenSource, to_device
from embedpipe.text.token_store import TokenStore

__all__ = ["Draw", "Spans", "batch_of", "batches_of", "crops", "neighbour_pairs", "neighbours", "sentences"]

POOL = 16
"""Batches drawn together and then cut by length."""
_MAX_ROUNDS = 1_000
_MIN_TOKENS = 3
_MIN_CROP = 8


@dataclass(frozen=True, slots=True)
class Spans:
    """Items of one or several spans of a token array.

    Parameters
    ----------
    starts, lengths : int64, shape (rows, items): where the spans of each item begin, and how long they are.
    tags : int64, shape (items,), as in `Batch`.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    tags: NDArray[np.int64]


Draw = Callable[[int, int, np.random.Generator], Spans]
"""The number of a pool, how many items are wanted of it, and a generator of this pool's own, to spans."""


def batches_of(
    draw: Draw, source: TokenSource, batch: int, *, seed: int, start: int = 0, pool: int = POOL
) -> Iterator[Batch]:
    """Yield batch number `start` and all that follow, without end.

    A pool of `pool` batches is drawn at a time and cut into batches of like length, which halves the padding and
    keeps length from giving away which spans belong together; the batches of a pool come in random order.

    Parameters
    ----------
    draw : gives the spans of a pool; its generator is ``default_rng([seed, pool number])``, so training goes on
        from any batch as if it had not been interrupted.
    source : the tokens that the spans are of.
    batch : items in a batch.
    """
    for number in count(start // pool):
        rng = np.random.default_rng([seed, number])
        spans = draw(number, pool * batch, rng)
        order = np.argsort(spans.lengths.max(axis=0), kind="stable").reshape(pool, batch)
        for chosen in order[rng.permutation(pool)][start % pool if number == start // pool else 0 :]:
            yield batch_of(source, spans, chosen)


def batch_of(source: TokenSource, spans: Spans, chosen: NDArray[np.int64]) -> Batch:
    """Return the items of these numbers as a batch."""
    rows = source.gather(spans.starts[:, chosen].ravel(), spans.lengths[:, chosen].ravel())
    return Batch(rows, to_device(spans.tags[chosen], source.device))


def neighbour_pairs(
    store: TokenStore, n: int, rng: np.random.Generator, *, min_tokens: int = _MIN_TOKENS
) -> NDArray[np.int64]:
    """Return `n` random sentences that are followed by another of the same document, with replacement.

    Both sentences of a pair have at least `min_tokens` tokens; where that leaves too few, any that are not empty.
    Memory does not grow with the store: candidates are drawn and rejected.

    Raises
    ------
    NotEnoughDataError
        If no document of the store holds two sentences that are not empty.
    """
    documents = store.document_offsets

    def accept(first: NDArray[np.int64], shortest: int) -> NDArray[np.bool_]:
        # Document k begins at sentence documents[k], so two sentences share one when as many begin before each.
        begun = [np.searchsorted(documents, (first + i).astype(np.uint64), side="right") for i in (0, 1)]
        fits: NDArray[np.bool_] = (_lengths(store, first, 2) >= shortest).all(axis=0) & (begun[0] == begun[1])
        return fits

    found = _drawn(store.n_sentences - 1, n, rng, accept, min_tokens)
    if found is None:
        raise NotEnoughDataError(
            f"{store.path}: no two neighbouring sentences in one document to train sentence vectors on; give documents "
            "of several sentences, separated as text.documents says, or set sentences.neighbours to 0"
        )
    return found


def neighbours(store: TokenStore, max_tokens: int) -> Draw:
    """Return how to draw pairs of neighbouring sentences; a sentence is cut after `max_tokens` tokens.

    The tag of a pair is the number of its first sentence.
    """

    def draw(number: int, n: int, rng: np.random.Generator) -> Spans:  # noqa: ARG001
        return _of_sentences(store, neighbour_pairs(store, n, rng), 2, max_tokens)

    return draw


def sentences(store: TokenStore, max_tokens: int) -> Draw:
    """Return how to draw single sentences, of three tokens or more where there are such; the tag is the number."""

    def accept(found: NDArray[np.int64], shortest: int) -> NDArray[np.bool_]:
        fits: NDArray[np.bool_] = _lengths(store, found, 1)[0] >= shortest
        return fits

    def draw(number: int, n: int, rng: np.random.Generator) -> Spans:  # noqa: ARG001
        found = _drawn(store.n_sentences, n, rng, accept, _MIN_TOKENS)
        if found is None:
            raise NotEnoughDataError(f"{store.path}: no sentences to train sentence vectors on; give it more text")
        return _of_sentences(store, found, 1, max_tokens)

    return draw


def crops(store: TokenStore, max_tokens: int) -> Draw:
    """Return how to draw two spans of one paragraph, which may reach over sentence ends (DeCLUTR; Giorgi et al., 2021).

    Where most of the text stands in paragraphs shorter than two of the shortest spans, as in lines that are broken at
    a width, they are of one document, which then stands for the paragraph in all that follows.

    Lengths lie between 8 and `max_tokens` tokens, those of the first spans mostly long (Beta(4, 2)) and those of
    the second mostly short (Beta(2, 4)); the second lies beside the first, over it or within it. A paragraph is drawn
    as often as it is long. The ``<eos>`` of the sentences are in the spans. The tag of an item is its paragraph.

    Raises
    ------
    NotEnoughDataError
        If no document is as long as two of the shortest spans.
    """
    bounds, sizes, usable = _usable(store, store.paragraph_offsets)
    if 2 * sizes[usable].sum() < sizes.sum():
        bounds, sizes, usable = _usable(store, store.document_offsets.astype(np.int64))
    if not len(usable):
        raise NotEnoughDataError(
            f"{store.path}: no document of {2 * _MIN_CROP} tokens or more to take spans of; give longer documents, or "
            "set sentences.crops to 0"
        )
    ends = np.cumsum(sizes[usable])
    most = max(max_tokens, _MIN_CROP)

    def draw(number: int, n: int, rng: np.random.Generator) -> Spans:  # noqa: ARG001
        chosen = usable[np.searchsorted(ends, rng.integers(0, ends[-1], n), side="right")]
        begin, end = bounds[chosen], bounds[chosen + 1]
        shares = np.stack([rng.beta(4, 2, n), rng.beta(2, 4, n)])
        lengths = np.minimum(_MIN_CROP + np.rint(shares * (most - _MIN_CROP)).astype(np.int64), end - begin)
        first = rng.integers(begin, end - lengths[0] + 1)
        lowest = np.maximum(first - lengths[1], begin)
        second = rng.integers(lowest, np.minimum(first + lengths[0], end - lengths[1]) + 1)
        return Spans(np.stack([first, second]), lengths, chosen)

    return draw


def _usable(
    store: TokenStore, offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return bounds and sizes, in tokens, of the parts that begin at these sentences, and which are long enough."""
    bounds = store.sentence_offsets[offsets].astype(np.int64)
    sizes = np.diff(bounds)
    return bounds, sizes, np.flatnonzero(sizes >= 2 * _MIN_CROP)


def _drawn(
    n_candidates: int,
    n: int,
    rng: np.random.Generator,
    accept: Callable[[NDArray[np.int64], int], NDArray[np.bool_]],
    min_tokens: int,
) -> NDArray[np.int64] | None:
    """Return `n` numbers below `n_candidates` that `accept` takes, or None where it takes none."""
    for shortest in dict.fromkeys((min_tokens, 1)):
        found: list[NDArray[np.int64]] = []
        n_found = 0
        for _ in range(_MAX_ROUNDS if n_candidates > 0 else 0):
            candidates = rng.integers(0, n_candidates, size=max(2 * (n - n_found), 1_024))
            good = candidates[accept(candidates, shortest)]
            found.append(good)
            n_found += len(good)
            if n_found >= n:
                return np.concatenate(found)[:n]
            if n_found == 0 and len(found) * 1_024 > 64 * n_candidates:
                break
    return None


def _lengths(store: TokenStore, first: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return the lengths of the `n` sentences from each of `first` on, shape (n, len(first))."""
    offsets: Any = store.sentence_offsets
    bounds = np.stack([offsets[first + i].astype(np.int64) for i in range(n + 1)])
    return np.diff(bounds, axis=0) - 1


def _of_sentences(store: TokenStore, first: NDArray[np.int64], n: int, max_tokens: int) -> Spans:
    offsets: Any = store.sentence_offsets
    starts = np.stack([offsets[first + i].astype(np.int64) for i in range(n)])
    return Spans(starts, np.minimum(_lengths(store, first, n), max_tokens), first)

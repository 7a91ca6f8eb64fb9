"""Ids to padded batches, without a Python loop over tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.errors import NotEnoughDataError
from embedpipe.text.token_store import TokenStore

__all__ = ["Padded", "TokenSource", "batches_by_tokens", "neighbour_batches", "neighbour_pairs", "pad"]

_POOL = 16
_MAX_ROUNDS = 1_000


@dataclass(frozen=True, slots=True)
class Padded:
    """A batch of sequences.

    Parameters
    ----------
    ids : int64, shape (batch, time), zero in the padding; time is at least 1.
    lengths : int64, shape (batch,), from 0 to time.
    """

    ids: Tensor
    lengths: Tensor


class TokenSource:
    """The tokens of a store where batches are gathered: memory-mapped for a CPU, copied once to a GPU.

    Parameters
    ----------
    tokens : uint32 ids, one flat array.
    device : where the batches are wanted.
    """

    def __init__(self, tokens: NDArray[np.uint32], device: torch.device) -> None:
        self.device = device
        # torch indexes int32 but not uint32, and no vocabulary comes near 2**31.
        self._tokens: NDArray[np.uint32] | Tensor = (
            tokens if device.type == "cpu" else torch.from_numpy(tokens.astype(np.int32)).to(device)
        )

    def gather(self, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Padded:
        """Return the sequences that begin at `starts` and have `lengths`, both of shape (batch,)."""
        time = max(int(lengths.max(initial=0)), 1)
        if isinstance(self._tokens, np.ndarray):
            position = np.arange(time)
            inside = position < lengths[:, None]
            ids = np.zeros((len(starts), time), dtype=np.int64)
            ids[inside] = self._tokens[(starts[:, None] + position)[inside]]
            return Padded(torch.from_numpy(ids), torch.from_numpy(lengths))
        where = torch.from_numpy(np.stack([starts, lengths])).to(self.device, non_blocking=True)
        steps = torch.arange(time, device=self.device)
        within = steps < where[1][:, None]
        source = torch.where(within, where[0][:, None] + steps, 0)
        return Padded(torch.where(within, self._tokens[source].long(), 0), where[1])


def pad(sequences: Sequence[NDArray[np.uint32]], device: torch.device) -> Padded:
    """Return the sequences as one batch; an empty sequence is a row of padding.

    >>> batch = pad([np.array([4, 5], np.uint32), np.array([], np.uint32)], torch.device("cpu"))
    >>> batch.ids.tolist(), batch.lengths.tolist()
    ([[4, 5], [0, 0]], [2, 0])
    """
    lengths = np.fromiter((len(sequence) for sequence in sequences), dtype=np.int64, count=len(sequences))
    flat = np.concatenate([*sequences, np.empty(0, np.uint32)]).astype(np.int64)
    ids = np.zeros((len(sequences), max(int(lengths.max(initial=0)), 1)), dtype=np.int64)
    ids[np.arange(ids.shape[1]) < lengths[:, None]] = flat
    return Padded(torch.from_numpy(ids).to(device), torch.from_numpy(lengths).to(device))


def batches_by_tokens(lengths: NDArray[np.int64], max_tokens: int, max_rows: int) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of sequences of like length, longest first.

    At most `max_rows` and `max_tokens` padded tokens at a time; a sequence longer than that stands alone.

    >>> [batch.tolist() for batch in batches_by_tokens(np.array([2, 9, 3, 2, 1, 1]), 6, 2)]
    [[1], [2, 0], [3, 4], [5]]
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        count = min(max(1, max_tokens // max(int(lengths[order[start]]), 1)), max_rows)
        yield order[start : start + count]
        start += count


def neighbour_pairs(store: TokenStore, n: int, rng: np.random.Generator, *, min_tokens: int = 3) -> NDArray[np.int64]:
    """Return `n` random sentences that are followed by another of the same document, with replacement.

    Both sentences of a pair have at least `min_tokens` tokens; where that leaves too few, any that are not empty.
    Memory does not grow with the store: candidates are drawn and rejected.

    Raises
    ------
    NotEnoughDataError
        If no document of the store holds two sentences that are not empty.
    """
    offsets, documents = store.sentence_offsets, store.document_offsets
    for shortest in dict.fromkeys((min_tokens, 1)):
        found: list[NDArray[np.int64]] = []
        n_found = 0
        for _ in range(_MAX_ROUNDS if store.n_sentences > 1 else 0):
            first = rng.integers(0, store.n_sentences - 1, size=max(2 * (n - n_found), 1_024))
            starts = np.stack([offsets[first], offsets[first + 1], offsets[first + 2]]).astype(np.int64)
            long_enough = (np.diff(starts, axis=0) - 1 >= shortest).all(axis=0)
            # Document k begins at sentence documents[k], so two sentences share one when as many begin before each.
            begun = [np.searchsorted(documents, (first + i).astype(np.uint64), side="right") for i in (0, 1)]
            good = first[long_enough & (begun[0] == begun[1])]
            found.append(good)
            n_found += len(good)
            if n_found >= n:
                return np.concatenate(found)[:n]
            if n_found == 0 and len(found) * 1_024 > 64 * store.n_sentences:
                break
    raise NotEnoughDataError(
        f"{store.path}: no two neighbouring sentences in one document to train sentence vectors on; give documents "
        "of several sentences, separated as text.documents says"
    )


def neighbour_batches(
    store: TokenStore,
    batch: int,
    steps: int,
    rng: np.random.Generator,
    max_tokens: int,
    device: torch.device | None = None,
) -> Iterator[Padded]:
    """Yield `steps` batches of `batch` random pairs of neighbouring sentences.

    Rows 0 to batch - 1 are the first sentences, the next `batch` rows the sentences that follow them. A sentence is
    cut after `max_tokens` tokens. Pairs of like length stand in one batch, which halves the padding and keeps
    length from giving the pairs away; batches come in random order.
    """
    source = TokenSource(store.tokens, device or torch.device("cpu"))
    offsets: Any = store.sentence_offsets
    for done in range(0, steps, _POOL):
        n_batches = min(_POOL, steps - done)
        first = neighbour_pairs(store, n_batches * batch, rng)
        starts = np.stack([offsets[first], offsets[first + 1]]).astype(np.int64)  # (2, pairs)
        ends = np.stack([starts[1], offsets[first + 2].astype(np.int64)])
        lengths = np.minimum(ends - starts - 1, max_tokens)
        order = np.argsort(lengths.max(axis=0), kind="stable").reshape(n_batches, batch)
        for chosen in order[rng.permutation(n_batches)]:
            yield source.gather(starts[:, chosen].ravel(), lengths[:, chosen].ravel())

"""Ids to padded batches, without a Python loop over tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Batch", "Padded", "TokenSource", "batches_by_tokens", "compact", "pad"]


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


@dataclass(frozen=True, slots=True)
class Batch:
    """What one training step of the sentence encoder reads: items of one or several rows each.

    Parameters
    ----------
    rows : the first row of every item, then the second row of every item, and so on.
    tags : int64, shape (items,): what the source says of each, such as the number of its label or of its document.
    """

    rows: Padded
    tags: Tensor


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


def batches_by_tokens(lengths: NDArray[np.int64], max_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of sequences of like length, longest first, at most `max_tokens` padded tokens at a time.

    A sequence longer than that stands alone.

    >>> [batch.tolist() for batch in batches_by_tokens(np.array([2, 9, 3, 2]), 6)]
    [[1], [2, 0], [3]]
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        count = max(1, max_tokens // max(int(lengths[order[start]]), 1))
        yield order[start : start + count]
        start += count


def compact(batch: Padded, keep: Tensor) -> Padded:
    """Return the batch without the positions where the bool tensor `keep`, shape (batch, time), is False.

    >>> batch = compact(Padded(torch.tensor([[4, 5, 6]]), torch.tensor([3])), torch.tensor([[True, False, True]]))
    >>> batch.ids.tolist(), batch.lengths.tolist()
    ([[4, 6, 0]], [2])
    """
    keep = keep & (torch.arange(batch.ids.shape[1], device=keep.device) < batch.lengths[:, None])
    order = torch.argsort((~keep).to(torch.uint8), dim=1, stable=True)
    ids = batch.ids.masked_fill(~keep, 0).gather(1, order)
    return Padded(ids, keep.sum(dim=1))

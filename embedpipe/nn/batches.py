"""Ids to padded batches, without a Python loop over tokens."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.errors import EmbedpipeWarning

__all__ = ["Batch", "Padded", "TokenSource", "batches_by_tokens", "compact", "pad", "to_device"]

_CHUNK = 1 << 24
"""Tokens that are converted and copied at once."""


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

    Where they would take more than half of what is free on a GPU, they stay in the map, and each batch is gathered
    there and copied; an `EmbedpipeWarning` says so.

    Parameters
    ----------
    tokens : uint32 ids, one flat array.
    device : where the batches are wanted.
    """

    def __init__(self, tokens: NDArray[np.uint32], device: torch.device) -> None:
        self.device = device
        self._tokens: NDArray[np.uint32] | Tensor = tokens
        if device.type == "cpu":
            return
        try:
            self._tokens = _copied(tokens, device)
        except torch.OutOfMemoryError:
            message = (
                "the tokens of the text would take more than half of the free memory of the GPU: each batch is copied "
                "by itself, slower"
            )
            warnings.warn(message, EmbedpipeWarning, stacklevel=1)

    def gather(self, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Padded:
        """Return the sequences that begin at `starts` and have `lengths`, both of shape (batch,)."""
        time = max(int(lengths.max(initial=0)), 1)
        if isinstance(self._tokens, np.ndarray):
            position = np.arange(time)
            inside = position < lengths[:, None]
            ids = np.zeros((len(starts), time), dtype=np.int64)
            ids[inside] = self._tokens[(starts[:, None] + position)[inside]]
            return Padded(to_device(ids, self.device), to_device(lengths, self.device))
        where = to_device(np.stack([starts, lengths]), self.device)
        steps = torch.arange(time, device=self.device)
        within = steps < where[1][:, None]
        source = torch.where(within, where[0][:, None] + steps, 0)
        return Padded(torch.where(within, self._tokens[source].long(), 0), where[1])


def to_device(array: NDArray[np.int64], device: torch.device) -> Tensor:
    """Return an array as a tensor on a device; a GPU is not waited for."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        # What lies in pageable memory is copied only after all work that was given to the GPU before.
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def _copied(tokens: NDArray[np.uint32], device: torch.device) -> Tensor:
    """Return the tokens on a device, copied piece by piece.

    Raises
    ------
    torch.OutOfMemoryError
        If they would take more than half of what is free on a GPU, where the model is to have room too.
    """
    if device.type == "cuda" and torch.int32.itemsize * len(tokens) > torch.cuda.mem_get_info(device)[0] // 2:
        raise torch.OutOfMemoryError(f"{len(tokens):,} tokens take more than half of the memory")
    # torch indexes int32 but not uint32, and no vocabulary comes near 2**31.
    whole = torch.empty(len(tokens), dtype=torch.int32, device=device)
    for start in range(0, len(tokens), _CHUNK):
        piece = torch.from_numpy(tokens[start : start + _CHUNK].astype(np.int32))
        whole[start : start + len(piece)] = piece
    return whole


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
    return Padded(to_device(ids, device), to_device(lengths, device))


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

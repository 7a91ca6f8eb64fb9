"""The token stream of a store cut into batches of windows for truncated back-propagation through time."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Window", "rows_of", "varying", "windows"]

_LONG_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive tokens of every row.

    Parameters
    ----------
    inputs, targets : int64 of shape (batch, time); targets are the inputs one token later.
    fresh : the rows do not go on from the window before, so the state must start anew.
    weight : what its mean loss counts beside that of others, so that tokens count alike where windows differ.
    """

    inputs: Tensor
    targets: Tensor
    fresh: bool
    weight: float = 1.0


def rows_of(n_tokens: int, batch: int) -> NDArray[np.int64]:
    """Return where `batch` equal stretches of a stream begin, and at the end where the last one stops.

    Fewer rows are made of a stream that has not two tokens for each.

    >>> rows_of(10, 3).tolist()
    [0, 3, 6, 9]
    """
    batch = max(1, min(batch, (n_tokens - 1) // 2))
    return np.arange(batch + 1, dtype=np.int64) * ((n_tokens - 1) // batch)


def windows(
    tokens: NDArray[np.uint32],
    *,
    batch: int,
    bptt: int,
    device: torch.device,
    seed: int | None = None,
    start: int = 0,
    variable: bool = False,
) -> Iterator[Window]:
    """Yield windows over the stream: once in order, or for ever when a `seed` is given.

    Each row is one contiguous stretch of the stream, so that the state of a window carries into the next. With a
    seed, the windows of each further pass begin at another offset, so that their borders fall elsewhere; the offset
    follows from the seed and the number of the pass. Only one window at a time is read from the memory map.

    Parameters
    ----------
    tokens : ids of the whole stream, at least 2.
    batch, bptt : rows and columns of a window; the last window of a pass is shorter.
    start : number of the window to begin with; the stream from there is the same as if those before had been read.
    variable : windows are `bptt` long on average, and each of another length (`varying`), which follows from the seed,
        the pass and its number in it; what they weigh is as their lengths.
    """
    starts = rows_of(len(tokens), batch)
    starts, length = starts[:-1], int(starts[1])
    for number in count() if seed is not None else range(1):
        begin = 0 if seed is None or number == 0 else _offset(seed, number, min(bptt, length))
        if variable:
            borders = begin + varying(length - begin, bptt, np.random.default_rng((seed or 0, number, 1)))
        else:
            borders = np.append(np.arange(begin, length, bptt), length)
        skipped, start = min(start, len(borders) - 1), max(start - len(borders) + 1, 0)
        for position, stop in pairwise(borders[skipped:].tolist()):
            # A contiguous slice of each row and no fancy index over the map: rows lie far apart on disk.
            block = np.stack([tokens[start + position : start + stop + 1] for start in starts])
            block_ids = torch.from_numpy(block.astype(np.int64)).to(device, non_blocking=True)
            weight = (stop - position) / bptt if variable else 1.0
            yield Window(block_ids[:, :-1], block_ids[:, 1:], position == begin, weight)


def varying(length: int, bptt: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return borders of windows of varying length, from 0 to `length`.

    As in Merity et al. (2018): nineteen windows of twenty are about as long as the others, one is about half as long,
    all with a normal spread of a fourteenth of `bptt`, and their mean is `bptt`. None is shorter than a quarter of it,
    but where `length` itself is.

    >>> np.diff(varying(500, 70, np.random.default_rng(3))).tolist()
    [67, 70, 76, 75, 72, 75, 65]
    """
    shortest = max(1, bptt // 4)
    n_most = length // shortest + 1
    base = np.where(rng.random(n_most) < _LONG_SHARE, 1.0, 0.5) * bptt / (_LONG_SHARE + (1 - _LONG_SHARE) / 2)
    lengths = np.maximum(np.rint(rng.normal(base, bptt / 14)).astype(np.int64), shortest)
    inner = np.cumsum(lengths)
    return np.concatenate([[0], inner[inner <= length - shortest], [length]]).astype(np.int64)


def _offset(seed: int, number: int, below: int) -> int:
    return int(np.random.default_rng((seed, number)).integers(0, below))

"""One token for each row: the filters in their order, and the draw. The random numbers of a row are its own."""

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.errors import BundleError
from embedpipe.generation.decoding.filters import (
    in_nucleus,
    in_typical,
    keep_min_p,
    keep_nucleus,
    keep_top_k,
    keep_typical,
    surprise,
)
from embedpipe.generation.decoding.settings import Decoding

__all__ = ["Randoms", "check_numbers", "draw", "sample"]

_DRAWS = 32
_ROWS_IN_CACHE = 16
_BLOCK = 256

Inside = Callable[[Tensor, Tensor], Tensor]


class Randoms:
    """A stream of random numbers for each row, so that a row does not depend on what is written beside it.

    Parameters
    ----------
    seed : the same seed gives the same streams.
    text : what the rows go on from; streams of different texts are independent.
    rows : the number of each row.

    Examples
    --------
    >>> together, alone = Randoms(7, "a", [0, 1]), Randoms(7, "a", [1])
    >>> bool(together.uniform([0, 1])[1] == alone.uniform([0])[0])
    True
    """

    def __init__(self, seed: int, text: str, rows: Sequence[int]) -> None:
        root = [seed % 2**63, zlib.crc32(text.encode("utf-8", "surrogatepass"))]
        self._streams = [np.random.default_rng([*root, row]) for row in rows]

    def uniform(self, rows: Sequence[int]) -> NDArray[np.float64]:
        """Return the next number of each of the streams `rows`, in [0, 1)."""
        return np.fromiter((self._streams[row].random() for row in rows), dtype=np.float64, count=len(rows))

    def rows(self, rows: Sequence[int]) -> "Randoms":
        """Return some of the streams, which go on where they are."""
        return Randoms.of([self._streams[row] for row in rows])

    @staticmethod
    def of(streams: Sequence[np.random.Generator]) -> "Randoms":
        """Return these generators as streams."""
        randoms = Randoms(0, "", [])
        randoms._streams = list(streams)
        return randoms

    @staticmethod
    def joined(parts: Sequence["Randoms"]) -> "Randoms":
        """Return the streams of several as one."""
        return Randoms.of([stream for part in parts for stream in part._streams])


def sample(logits: Tensor, decoding: Decoding, randoms: Randoms) -> Tensor:
    """Return one token for each row.

    The filters act in this order, each on what the one before left: temperature, top-k, nucleus, typical, min-p.
    Penalties and bans come before (`penalise_repeats_`, `block_ngrams_`, `ban_`).

    Parameters
    ----------
    logits : shape (batch, n_tokens), of any precision; tokens at minus infinity are never returned. Each row has one
        that is not.
    randoms : a stream for each row; a greedy choice takes no number from it.

    Returns
    -------
    int64 tensor of shape (batch,)

    Raises
    ------
    BundleError
        If the logits of a row are not numbers.

    Notes
    -----
    A token drawn from all of the distribution and drawn again while it lies outside a set is distributed as one drawn
    from the set, and asking whether one token is inside needs no sort of the whole vocabulary.
    """
    if decoding.takes_best:
        best, chosen = logits.max(dim=1)
        check_numbers(best)
        return chosen
    rows = _ROWS_IN_CACHE if logits.device.type == "cpu" else len(logits)
    parts = torch.split(logits, rows)
    return torch.cat([_sample(part, decoding, randoms, i * rows) for i, part in enumerate(parts)])


def check_numbers(values: Tensor) -> None:
    """Raise `BundleError` unless all values are finite."""
    if not bool(torch.isfinite(values).all()):
        raise BundleError(
            "the generator gives probabilities that are not numbers: its weights are damaged; look with: embedpipe "
            "verify BUNDLE, or train it again"
        )


def draw(weights: Tensor, uniform: Tensor) -> Tensor:
    """Return one index for each row, in proportion to its weights.

    Parameters
    ----------
    weights : float of shape (batch, n_tokens), none below 0; each row has one above.
    uniform : float64 of shape (batch,) or (batch, draws), in [0, 1).

    Returns
    -------
    int64 tensor of the shape of `uniform`

    Notes
    -----
    Sums of 256 weights are searched first, then the 256 of one sum: adding up a long row is quick, its running total
    is not. This takes a fraction of the time of `torch.multinomial`.

    Examples
    --------
    >>> draw(torch.tensor([[1.0, 0.0, 3.0]]).expand(3, -1), torch.tensor([0.0, 0.24, 0.26]).double()).tolist()
    [0, 0, 2]
    """
    edges = _edges(weights)
    flat = uniform if uniform.ndim == 2 else uniform[:, None]
    return _find(weights, edges, flat).view(uniform.shape)


def _edges(weights: Tensor) -> Tensor:
    """Return the running total at the end of each block of a row, float64 of shape (batch, blocks)."""
    whole = weights.shape[1] // _BLOCK * _BLOCK
    sums = [weights[:, :whole].view(len(weights), -1, _BLOCK).sum(dim=2)] if whole else []
    if whole < weights.shape[1]:
        sums.append(weights[:, whole:].sum(dim=1, keepdim=True))
    return torch.cat(sums, dim=1).double().cumsum(dim=1)


def _find(weights: Tensor, edges: Tensor, uniform: Tensor) -> Tensor:
    """Return the index at the share `uniform` of each row's weight, both of shape (batch, draws)."""
    rows = torch.arange(len(weights), device=weights.device)[:, None, None]
    point = _below(uniform * edges[:, -1:], edges[:, -1:])
    block = torch.searchsorted(edges, point, right=True)
    before = torch.where(block > 0, edges.gather(1, (block - 1).clamp(min=0)), 0.0)
    places = block[:, :, None] * _BLOCK + torch.arange(_BLOCK, device=weights.device)
    inner = weights[rows, places.clamp(max=weights.shape[1] - 1)].double()
    inner = torch.where(places < weights.shape[1], inner, 0.0).cumsum(dim=2)
    rest = _below((point - before)[:, :, None], inner[:, :, -1:])
    return block * _BLOCK + torch.searchsorted(inner, rest, right=True)[:, :, 0]


def _below(points: Tensor, total: Tensor) -> Tensor:
    """Keep rounding from carrying a point up to the total itself, behind the last token that has any weight."""
    return torch.minimum(points, torch.nextafter(total, torch.zeros_like(total)))


def _sample(logits: Tensor, decoding: Decoding, randoms: Randoms, first: int) -> Tensor:
    """Draw for rows whose streams begin at `first`."""
    logits = logits.float()
    check_numbers(logits.amax(dim=1))
    logits = keep_top_k(logits, decoding.top_k)
    if decoding.temperature != 1.0:
        logits = logits / decoding.temperature
    weights, inside = _cut(torch.softmax(logits, dim=1), decoding)
    edges = _edges(weights)
    chosen = torch.empty(len(weights), dtype=torch.int64, device=weights.device)
    waiting = torch.arange(len(weights), device=weights.device)
    for turn in range(_DRAWS + 1):
        if turn == _DRAWS:  # the set is so small that it is missed again and again
            weights = weights * _mask(weights, decoding)
            edges, inside = _edges(weights), None
        uniform = torch.from_numpy(randoms.uniform((waiting + first).tolist())).to(weights.device)
        found = _find(weights, edges, uniform[:, None])[:, 0]
        chosen[waiting] = found
        if inside is None:
            break
        missed = ~inside(weights, found)
        if not missed.any():
            break
        waiting, weights, edges = waiting[missed], weights[missed], edges[missed]
    return chosen


def _cut(weights: Tensor, decoding: Decoding) -> tuple[Tensor, Inside | None]:
    """Return the weights with what filters rule out at 0, and what must still be asked of a token that was drawn.

    Cutting the weights sorts the vocabulary. That is done where the set may be too small to be drawn by chance, or
    where a later filter must see it cut.
    """
    top_p, typical_p, min_p = decoding.nucleus, decoding.typical_p, decoding.min_p
    if top_p < 0.5 or (top_p < 1.0 and typical_p < 1.0):
        weights, top_p = weights * keep_nucleus(weights, top_p), 1.0
    if typical_p < 0.5 or (typical_p < 1.0 and min_p > 0.0):
        weights, typical_p = weights * keep_typical(weights, typical_p), 1.0
    if min_p > 0.0 and top_p == 1.0:
        weights, min_p = weights * keep_min_p(weights, min_p), 0.0
    if typical_p < 1.0:
        return weights, lambda some, found: in_typical(some, surprise(some), found, typical_p)
    if min_p > 0.0:  # the most probable token is in every nucleus, so these two can be asked in any order
        return weights, lambda some, found: in_nucleus(some, found, top_p) & _reaches(some, found, min_p)
    return weights, (lambda some, found: in_nucleus(some, found, top_p)) if top_p < 1.0 else None


def _reaches(weights: Tensor, chosen: Tensor, min_p: float) -> Tensor:
    return weights.gather(1, chosen[:, None])[:, 0] >= min_p * weights.amax(dim=1)


def _mask(weights: Tensor, decoding: Decoding) -> Tensor:
    """Return what `_cut` leaves to be asked, as a mask."""
    if decoding.typical_p < 1.0:
        return keep_typical(weights, decoding.typical_p)
    return keep_nucleus(weights, decoding.nucleus) & keep_min_p(weights, decoding.min_p)

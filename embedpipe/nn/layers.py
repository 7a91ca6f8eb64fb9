"""Layers that the encoder and the language model share. Shapes are batch first: (batch, time, dim)."""

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["LockedDropout", "at_end", "draw_normal", "embedding_dropout", "length_mask", "reverse_within_length"]


def draw_normal(weight: Tensor, std: float) -> None:
    """Fill `weight` with draws of a normal distribution around zero.

    On the meta device, where a tensor is a shape alone, nothing is drawn: torch would import a compiler for it, which
    takes longer than to read a model and to write with it.
    """
    if not weight.is_meta:
        nn.init.normal_(weight, std=std)


def length_mask(lengths: Tensor, time: int) -> Tensor:
    """Return a bool tensor of shape (batch, time): True where a position lies within its sequence.

    >>> length_mask(torch.tensor([2, 0]), 3).tolist()
    [[True, True, False], [False, False, False]]
    """
    return torch.arange(time, device=lengths.device) < lengths[:, None]


def reverse_within_length(x: Tensor, lengths: Tensor) -> Tensor:
    """Return `x` with each sequence reversed within its own length and its padding left in place.

    Parameters
    ----------
    x : shape (batch, time) or (batch, time, dim).
    lengths : integers of shape (batch,), from 0 to time.

    Examples
    --------
    >>> reverse_within_length(torch.tensor([[1, 2, 3, 0], [4, 0, 0, 0]]), torch.tensor([3, 1])).tolist()
    [[3, 2, 1, 0], [4, 0, 0, 0]]
    """
    position = torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1)  # (batch, time)
    mirrored = lengths[:, None] - 1 - position
    source = (
        torch.where(mirrored >= 0, mirrored, position) + torch.arange(len(x), device=x.device)[:, None] * x.shape[1]
    )
    turned: Tensor = _Turned.apply(x, source.flatten())  # type: ignore[no-untyped-call]
    return turned


class _Turned(torch.autograd.Function):
    """Rows of positions in an order that is its own inverse: their gradient is read in it too, and never added up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, source: Tensor) -> Tensor:
        ctx.save_for_backward(source)
        return x.flatten(0, 1).index_select(0, source).view(x.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (source,) = ctx.saved_tensors
        return gradient.flatten(0, 1).index_select(0, source).view(gradient.shape), None


def at_end(outputs: Tensor, lengths: Tensor) -> Tensor:
    """Return the output at the end of each sequence, zero for an empty one."""
    final = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, outputs.shape[2])
    return outputs.gather(1, final)[:, 0] * (lengths > 0)[:, None]


def embedding_dropout(embedded: Tensor, ids: Tensor, n_tokens: int, p: float) -> Tensor:
    """Drop whole words from a batch: every occurrence of a dropped token becomes zero, the others are scaled up.

    Source: Gal & Ghahramani (2016), as used by Merity et al. (2018). Call it in training only.

    Parameters
    ----------
    embedded : shape (..., dim), the embedding of `ids` of shape (...).
    n_tokens : number of rows of the table.
    p : share of the vocabulary that is dropped, in [0, 1).
    """
    if p == 0.0:
        return embedded
    keep = (torch.rand(n_tokens, device=embedded.device) >= p).to(embedded.dtype) / (1.0 - p)
    return embedded * keep[ids][..., None]


class LockedDropout(nn.Module):
    """Dropout with one mask per sequence, the same at every time step (Gal & Ghahramani, 2016).

    Parameters
    ----------
    p : share of the features that is dropped, in [0, 1); the others are scaled by 1 / (1 - p).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0.0 <= p < 1.0:
            raise ValueError(f"a dropout share lies in [0, 1), not {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        keep = torch.rand(x.shape[0], 1, x.shape[2], device=x.device) >= self.p  # (batch, 1, dim)
        return x * (keep.to(x.dtype) / (1.0 - self.p))

"""Sequences of a batch packed step by step: the first tokens of all, then the second ones, longest sequence first."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Packing", "pack"]


@dataclass(frozen=True, slots=True)
class Packing:
    """Where the tokens of a batch stand when its padding is left out.

    Parameters
    ----------
    live : how many sequences have a token at each step; they are the first ones of the step before.
    place : int64 of shape (n_tokens,): the place of each packed token in the batch, read row by row.
    mirror : int64 of shape (n_tokens,): the packed token that stands as far from the other end of its sequence.
    """

    live: list[int]
    place: Tensor
    mirror: Tensor

    def unpack(self, packed: Tensor, batch: int, time: int) -> Tensor:
        """Return packed rows, shape (n_tokens, width), as (batch, time, width), zero in the padding."""
        flat = packed.new_zeros(batch * time, packed.shape[1]).index_copy(0, self.place, packed)
        return flat.view(batch, time, -1)


def pack(lengths: Tensor, time: int) -> Packing:
    """Return how sequences of these lengths, int64 of shape (batch,), are packed.

    Examples
    --------
    >>> packing = pack(torch.tensor([1, 3]), 4)
    >>> packing.live, packing.place.tolist(), packing.mirror.tolist()
    ([2, 1, 1], [4, 0, 5, 6], [3, 1, 2, 0])
    """
    order = lengths.argsort(descending=True, stable=True)
    ordered = lengths[order]
    steps = torch.arange(time, device=lengths.device)[:, None]
    inside = steps < ordered  # (time, batch)
    live = [n for n in inside.sum(dim=1).tolist() if n]
    place = (order * time + steps)[inside]
    # Where the token of each step and sequence stands among the packed ones.
    number = inside.flatten().cumsum(0).view(inside.shape) - 1
    mirror = number.gather(0, (ordered - 1 - steps).clamp(min=0))[inside]
    return Packing(live, place, mirror)

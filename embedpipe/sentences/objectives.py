"""What sentence vectors are trained towards."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["neighbour_loss", "same_sentence"]

_SEED = 20_240_229


def same_sentence(ids: Tensor, lengths: Tensor) -> Tensor:
    """Return a bool tensor of shape (batch, batch): True where two rows hold the same tokens.

    Rows are compared by a random 64-bit linear hash, whose chance of a false match is below 1e-9 for any batch that
    fits into memory.

    >>> same_sentence(torch.tensor([[4, 5], [5, 4], [4, 5]]), torch.tensor([2, 2, 2])).long().tolist()
    [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    """
    generator = torch.Generator().manual_seed(_SEED)
    factors = torch.randint(-(2**62), 2**62, (ids.shape[1] + 1,), generator=generator).to(ids.device)
    keys = (ids * factors[:-1]).sum(dim=1) + lengths * factors[-1]
    return keys[:, None] == keys


def neighbour_loss(first: Tensor, second: Tensor, same: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """In-batch contrastive loss over neighbouring sentences (InfoNCE; van den Oord et al., 2018), both ways.

    Each sentence is to find its neighbour among those of the batch. A candidate that is the same sentence as the
    neighbour, or as the one that asks, is no wrong answer and is left out.

    Parameters
    ----------
    first, second : unit rows, shape (batch, dim); row *i* of one is the neighbour of row *i* of the other.
    same : bool, shape (2 * batch, 2 * batch): `same_sentence` of the rows of `first` above those of `second`.
    temperature : divides the cosines.

    Returns
    -------
    loss : scalar, the mean cross-entropy in nats.
    accuracy : scalar, the share of sentences that find their neighbour first.
    """
    n = len(first)
    target = torch.arange(n, device=first.device)
    pair = torch.eye(n, dtype=torch.bool, device=first.device)
    # A candidate j of i is left out when it equals the neighbour of i or i itself.
    wrong_ahead = (same[n:, n:] | same[:n, n:]) & ~pair
    wrong_back = (same[:n, :n] | same[n:, :n]) & ~pair
    scores = (first @ second.T).float() / temperature
    ahead = scores.masked_fill(wrong_ahead, -torch.inf)
    back = scores.T.masked_fill(wrong_back, -torch.inf)
    loss = (F.cross_entropy(ahead, target) + F.cross_entropy(back, target)) / 2
    hits = (ahead.argmax(dim=1) == target).float() + (back.argmax(dim=1) == target).float()
    return loss, hits.mean() / 2

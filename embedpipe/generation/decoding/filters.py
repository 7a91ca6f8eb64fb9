"""What may follow: functions on logits or weights of shape (batch, n_tokens), each of one filter alone.

Nothing is kept between calls. A function whose name ends in ``_`` changes its argument, as torch names them: a batch of
logits may be 40 MB. A filter on logits sets what is ruled out to minus infinity. A filter on weights, which are
probabilities or any multiple of them, returns a mask of what stays.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = [
    "ban_",
    "block_ngrams_",
    "in_nucleus",
    "in_typical",
    "keep_min_p",
    "keep_nucleus",
    "keep_top_k",
    "keep_typical",
    "penalise_repeats_",
    "surprise",
]


def ban_(logits: Tensor, ids: Sequence[int] | Tensor) -> Tensor:
    """Make the tokens `ids` impossible, in place, and return the logits."""
    if not isinstance(ids, Tensor):
        ids = torch.tensor(list(ids), dtype=torch.int64, device=logits.device)
    return logits.index_fill_(1, ids, -torch.inf)


def penalise_repeats_(logits: Tensor, history: Tensor, penalty: float) -> Tensor:
    """Make tokens that stand in the text less probable, in place, and return the logits (Keskar et al., 2019).

    A positive logit is divided by the penalty and a negative one multiplied, so that both fall where it is above 1.

    Parameters
    ----------
    history : int64 of shape (batch, length), the tokens of each row; negative ones are padding.

    Examples
    --------
    >>> penalise_repeats_(torch.tensor([[2.0, -2.0, 1.0]]), torch.tensor([[0, 1, 1, -1]]), 2.0).tolist()
    [[1.0, -4.0, 1.0]]
    """
    places = torch.where(history < 0, history.amax(dim=1, keepdim=True).clamp(min=0), history)
    some = (history >= 0).any(dim=1, keepdim=True)
    found = logits.gather(1, places)
    changed = torch.where(found > 0, found / penalty, found * penalty)
    return logits.scatter_(1, places, torch.where(some, changed, found))


def block_ngrams_(logits: Tensor, history: Tensor, n: int) -> Tensor:
    """Rule out each token that would end a run of `n` tokens that stands in the text already, in place.

    Parameters
    ----------
    history : int64 of shape (batch, length), the tokens of each row; negative ones are padding on the left.
    n : at least 1.

    Examples
    --------
    After ``0 1 0`` the pair ``0 1`` would stand there twice:

    >>> block_ngrams_(torch.zeros(1, 3), torch.tensor([[0, 1, 0]]), 2).tolist()
    [[0.0, -inf, 0.0]]
    """
    if history.shape[1] < n:
        return logits
    runs = history.unfold(1, n, 1)  # (batch, runs, n)
    last = history[:, history.shape[1] - (n - 1) :][:, None]  # (batch, 1, n - 1)
    seen = ((runs[:, :, :-1] == last) & (last >= 0)).all(dim=2) & (runs[:, :, -1] >= 0)
    rows, places = seen.nonzero(as_tuple=True)
    logits[rows, runs[rows, places, -1]] = -torch.inf
    return logits


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Return the logits with all but the `k` largest of each row at minus infinity; of equal ones the first stay.

    >>> keep_top_k(torch.tensor([[1.0, 3.0, 2.0, 2.0]]), 2).tolist()
    [[-inf, 3.0, 2.0, -inf]]
    """
    if k <= 0 or k >= logits.shape[1]:
        return logits
    top = logits.topk(k, dim=1)
    least = top.values[:, -1:]
    if int((logits >= least).sum()) == k * len(logits):
        return torch.full_like(logits, -torch.inf).scatter_(1, top.indices, top.values)
    above, equal = logits > least, logits == least
    room = k - above.sum(dim=1, keepdim=True)
    return logits.masked_fill(~(above | (equal & (equal.cumsum(dim=1) <= room))), -torch.inf)


def keep_nucleus(weights: Tensor, top_p: float) -> Tensor:
    """Return which tokens belong to the nucleus (Holtzman et al., 2020): bool, shape (batch, n_tokens).

    A token belongs to it when the tokens that are more probable hold less than `top_p` of the weight. It is the
    smallest set of most probable tokens that reaches `top_p`, but that equal tokens are all in it or all out.

    Examples
    --------
    >>> keep_nucleus(torch.tensor([[0.125, 0.5, 0.25, 0.125]]), 0.75).tolist()
    [[False, True, True, False]]
    """
    return _keep_first(weights, weights, top_p)


def in_nucleus(weights: Tensor, chosen: Tensor, top_p: float) -> Tensor:
    """Return whether each row's `chosen` token is in the nucleus, without sorting: bool, shape (batch,)."""
    return _mass_ahead(weights, weights, weights.gather(1, chosen[:, None])) < top_p * weights.sum(dim=1)


def keep_typical(weights: Tensor, typical_p: float) -> Tensor:
    """Return which tokens are locally typical (Meister et al., 2023): bool, shape (batch, n_tokens).

    A token is typical when the tokens whose information, ``-log p``, is nearer to the entropy hold less than
    `typical_p` of the weight; equal ones are all in or all out. The most probable token may be left out.

    Examples
    --------
    The entropy is 1.75 bits; the tokens carry 1, 2, 3 and 3 bits:

    >>> keep_typical(torch.tensor([[0.5, 0.25, 0.125, 0.125]]), 0.7).tolist()
    [[True, True, False, False]]
    >>> keep_typical(torch.tensor([[0.5, 0.25, 0.125, 0.125]]), 0.2).tolist()
    [[False, True, False, False]]
    """
    return _keep_first(-surprise(weights), weights, typical_p) & (weights > 0)


def in_typical(weights: Tensor, distance: Tensor, chosen: Tensor, typical_p: float) -> Tensor:
    """Return whether each row's `chosen` token is typical, without sorting: bool, shape (batch,).

    Parameters
    ----------
    distance : `surprise(weights)`.
    """
    nearness = -distance
    return _mass_ahead(nearness, weights, nearness.gather(1, chosen[:, None])) < typical_p * weights.sum(dim=1)


def surprise(weights: Tensor) -> Tensor:
    """Return how far each token's information lies from the entropy, in nats; infinity where the weight is 0."""
    logs = weights.log()
    # The information is a constant of the row less these; 0 log 0, which is no number, counts nothing.
    mean = (weights * logs).nansum(dim=1, keepdim=True) / weights.sum(dim=1, keepdim=True)
    return logs.sub_(mean).abs_()


def keep_min_p(weights: Tensor, min_p: float) -> Tensor:
    """Return which tokens are at least `min_p` times as probable as the most probable one (Nguyen et al., 2024).

    >>> keep_min_p(torch.tensor([[0.5, 0.3, 0.125, 0.075]]), 0.25).tolist()
    [[True, True, True, False]]
    """
    return weights >= min_p * weights.amax(dim=1, keepdim=True)


def _keep_first(keys: Tensor, weights: Tensor, share: float) -> Tensor:
    """Return the tokens with the highest keys that reach `share` of the weight, equal keys together."""
    ordered = keys.sort(dim=1, descending=True).values
    need = share * weights.sum(dim=1)
    # How many of the ordered keys are inside, by halves. The mass ahead of a key is summed as `_mass_ahead` sums it
    # for one token, as another order of summing would decide otherwise where the share is reached exactly.
    low = torch.ones_like(need, dtype=torch.int64)
    high = torch.full_like(low, keys.shape[1])
    while bool((low < high).any()):
        middle = (low + high + 1) // 2
        inside = _mass_ahead(keys, weights, ordered.gather(1, middle[:, None] - 1)) < need
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle - 1)
    return keys >= ordered.gather(1, low[:, None] - 1)


def _mass_ahead(keys: Tensor, weights: Tensor, bound: Tensor) -> Tensor:
    """Return the weight of the tokens whose key is above the row's `bound`, shape (batch,)."""
    # Comparing into floats and multiplying in place takes a third of the time of a product with a mask.
    return torch.gt(keys, bound, out=torch.empty_like(weights)).mul_(weights).sum(dim=1)

"""From logits to the next token: temperature, top-k, nucleus, banned tokens. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from embedpipe.errors import ConfigError

__all__ = ["Decoding", "ban", "in_nucleus", "keep_nucleus", "keep_top_k", "sample"]

_GREEDY_BELOW = 1e-4
_DRAWS = 32


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the next token is chosen.

    Parameters
    ----------
    temperature : divides the logits; 0 takes the most probable token. In [0, 100].
    top_k : only the `top_k` most probable tokens may be drawn; 0, or more than there are, means all.
    top_p : only the smallest set of most probable tokens that together reach `top_p` may be drawn
        (Holtzman et al., 2020); 1 means all. In (0, 1].

    Raises
    ------
    ConfigError
        If a value is outside its range.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature <= 100.0:
            raise ConfigError(f"temperature lies between 0 (greedy) and 100, not {self.temperature}")
        if self.top_k < 0:
            raise ConfigError(f"top_k is 0 (no limit) or a number of tokens, not {self.top_k}")
        if not 0.0 < self.top_p <= 1.0:
            raise ConfigError(f"top_p lies above 0 and up to 1 (no limit), not {self.top_p}")


def ban(logits: Tensor, ids: Sequence[int]) -> Tensor:
    """Return a copy of the logits, shape (batch, n_tokens), in which the tokens `ids` cannot be chosen."""
    logits = logits.clone()
    logits[:, list(ids)] = -torch.inf
    return logits


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Return the logits with all but the `k` largest of each row at minus infinity; of equal ones the first stay.

    >>> keep_top_k(torch.tensor([[1.0, 3.0, 2.0, 2.0]]), 2).tolist()
    [[-inf, 3.0, 2.0, -inf]]
    """
    if k <= 0 or k >= logits.shape[1]:
        return logits
    least = logits.topk(k, dim=1).values[:, -1:]
    above, equal = logits > least, logits == least
    room = k - above.sum(dim=1, keepdim=True)
    return logits.masked_fill(~(above | (equal & (equal.cumsum(dim=1) <= room))), -torch.inf)


def keep_nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Return which tokens belong to the nucleus: bool, shape (batch, n_tokens).

    The nucleus is the shortest beginning of the tokens, most probable first and equal ones in order of id, whose
    probabilities reach `top_p`. It always holds the first.

    >>> keep_nucleus(torch.tensor([[0.125, 0.5, 0.25, 0.125]]), 0.75).tolist()
    [[False, True, True, False]]
    """
    ordered, order = probabilities.sort(dim=1, descending=True, stable=True)
    before = ordered.cumsum(dim=1) - ordered
    inside = before < top_p
    inside[:, 0] = True
    return torch.zeros_like(inside).scatter(1, order, inside)


def in_nucleus(probabilities: Tensor, chosen: Tensor, top_p: float) -> Tensor:
    """Return whether each row's `chosen` token is in the nucleus, without sorting: bool, shape (batch,)."""
    own = probabilities.gather(1, chosen[:, None])
    ids = torch.arange(probabilities.shape[1], device=probabilities.device)
    ahead = (probabilities > own) | ((probabilities == own) & (ids < chosen[:, None]))
    before = (probabilities * ahead).sum(dim=1)
    return (before < top_p) | ~ahead.any(dim=1)


def sample(logits: Tensor, decoding: Decoding, generator: torch.Generator | None = None) -> Tensor:
    """Return one token for each row.

    Parameters
    ----------
    logits : shape (batch, n_tokens); tokens at minus infinity are never returned.
    generator : of the device of the logits.

    Returns
    -------
    int64 tensor of shape (batch,)

    Notes
    -----
    A token drawn from all of the distribution and rejected outside the nucleus is distributed as one drawn from
    the nucleus, and asking whether one token is inside needs no sort of the whole vocabulary.
    """
    logits = logits.float()
    if decoding.temperature < _GREEDY_BELOW:
        return logits.argmax(dim=1)
    logits = keep_top_k(logits, decoding.top_k)
    # The largest logit becomes 0 first, so that a small temperature cannot make infinities.
    scaled = (logits - logits.max(dim=1, keepdim=True).values) / decoding.temperature
    probabilities = torch.softmax(scaled, dim=1)
    if decoding.top_p >= 1.0:
        return _draw(probabilities, generator)
    chosen = torch.empty(len(logits), dtype=torch.int64, device=logits.device)
    open_rows = torch.arange(len(logits), device=logits.device)
    if decoding.top_p >= 0.5:
        for _ in range(_DRAWS):
            part = probabilities[open_rows] if len(open_rows) < len(chosen) else probabilities
            drawn = _draw(part, generator)
            inside = in_nucleus(part, drawn, decoding.top_p)
            chosen[open_rows[inside]] = drawn[inside]
            open_rows = open_rows[~inside]
            if not len(open_rows):
                return chosen
    # Small nuclei would be missed too often, so their borders are found by sorting.
    part = probabilities[open_rows]
    chosen[open_rows] = _draw(part * keep_nucleus(part, decoding.top_p), generator)
    return chosen


def _draw(weights: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw one index for each row in proportion to its weights; much faster than torch.multinomial on wide rows."""
    cumulative = weights.cumsum(dim=1)
    total = cumulative[:, -1:]
    uniform = torch.rand(total.shape, generator=generator, device=weights.device, dtype=weights.dtype)
    # Rounding may carry the product up to the total itself, behind the last token that has any weight.
    point = torch.minimum(uniform * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, point, right=True)[:, 0]

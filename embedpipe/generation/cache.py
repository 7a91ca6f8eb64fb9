"""The continuous cache: what was read lately becomes more probable (Grave, Joulin and Usunier, 2017).

A language model with a cache mixes two distributions. One is the model's own. The other remembers, for the last tokens
of the text, what the model knew before it met them: a token that followed a similar state is expected again.
``p(w) = (1 - weight) p_model(w) + weight p_cache(w)``, where ``p_cache(w)`` adds up the softmax of
``theta * h_now . h_then`` over the places where ``w`` stood. Nothing is trained.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.errors import ConfigError
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.reader import Predicted, block_length, evaluating, losses_along, ranks_of
from embedpipe.generation.state import BEGINNING, State

__all__ = ["CacheMemory", "CachedReader", "ContinuousCache", "cached_losses", "tune_cache"]

THETAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.5, 4.0)
WEIGHTS = (0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5)


@dataclass(frozen=True, slots=True)
class ContinuousCache:
    """The settings of a cache.

    Parameters
    ----------
    theta : how much more a similar state counts than another, at least 0; at 0 all places count alike.
    weight : of the cache in the mixture, from 0 (none) to below 1; the paper's lambda.
    window : how many of the last tokens are remembered, at least 1.

    Raises
    ------
    ConfigError
        If a value is outside its range.
    """

    theta: float = 1.0
    weight: float = 0.2
    window: int = 2_000

    def __post_init__(self) -> None:
        if not (math.isfinite(self.theta) and self.theta >= 0):
            raise ConfigError(f"theta of a cache is at least 0, not {self.theta}")
        if not 0 <= self.weight < 1:
            raise ConfigError(f"the weight of a cache lies from 0 to below 1, not {self.weight}")
        if self.window < 1:
            raise ConfigError(f"a cache remembers at least 1 token, not {self.window}")


class CacheMemory:
    """The last tokens of each row of a batch, and the states they were predicted from.

    Parameters
    ----------
    cache : the settings.
    half_at : how many tokens are remembered when the cache has half of its weight in `mix`, which grows with them as
        n / (n + half_at); at 0 it has all of it from the first. A weight that was found on long texts would otherwise
        lie on the few words of a prompt at once, and a text that goes on from there repeats them.

    Examples
    --------
    Two equal states were followed by token 3, so a third one expects it:

    >>> memory = CacheMemory(ContinuousCache(theta=1.0, weight=0.5, window=10))
    >>> state = torch.ones(1, 2)
    >>> memory.update(state, torch.tensor([3]))
    >>> uniform = torch.full((1, 4), 0.25).log()
    >>> memory.mix(uniform, state).exp().tolist()
    [[0.125, 0.125, 0.125, 0.625]]
    """

    def __init__(self, cache: ContinuousCache, half_at: int = 0) -> None:
        self.cache = cache
        self.half_at = half_at
        self.hidden: Tensor | None = None
        self.tokens: Tensor | None = None

    def update(self, hidden: Tensor, tokens: Tensor) -> None:
        """Remember one token of each row.

        Parameters
        ----------
        hidden : shape (rows, width), the output of the model that predicted the tokens.
        tokens : int64 of shape (rows,).
        """
        self.remember(hidden[:, None], tokens[:, None])

    def remember(self, hidden: Tensor, tokens: Tensor) -> None:
        """Remember a block: `hidden` of shape (rows, time, width) and the `tokens` (rows, time) it predicted."""
        keys, words = self._with(hidden, tokens)
        # A copy of what is kept, so that the rest can be freed.
        self.hidden = keys[:, -self.cache.window :].clone()
        self.tokens = words[:, -self.cache.window :].clone()

    def rows(self, rows: Tensor) -> "CacheMemory":
        """Return the memory of some rows of the batch; `rows` holds indices, which may repeat, or is a mask."""
        chosen = CacheMemory(self.cache, self.half_at)
        if self.hidden is not None and self.tokens is not None:
            chosen.hidden, chosen.tokens = self.hidden[rows], self.tokens[rows]
        return chosen

    def mix(self, log_probabilities: Tensor, hidden: Tensor) -> Tensor:
        """Return the log-probabilities of the next token with the cache mixed in.

        Parameters
        ----------
        log_probabilities : shape (rows, n_tokens), of the model alone.
        hidden : shape (rows, width), the output of the model that they were made from.

        Returns
        -------
        of the shape of `log_probabilities`; they are these themselves as long as nothing is remembered.
        """
        if self.hidden is None or self.tokens is None or not self.tokens.shape[1]:
            return log_probabilities
        near = torch.softmax(self.cache.theta * torch.einsum("rw,rkw->rk", hidden, self.hidden), dim=1)
        n = self.tokens.shape[1]
        return _mixed(log_probabilities, near, self.tokens, near.new_tensor(self.cache.weight * n / (n + self.half_at)))

    def _with(self, hidden: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        if self.hidden is None or self.tokens is None:
            return hidden, tokens
        return torch.cat([self.hidden, hidden], dim=1), torch.cat([self.tokens, tokens], dim=1)

    def similarities(self, hidden: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return how near each position of a block is to what it may remember, the block's own past included.

        Parameters
        ----------
        hidden : shape (rows, time, width).
        tokens : int64 of shape (rows, time), what each position predicts.

        Returns
        -------
        products : shape (rows, time, keys), minus infinity where a key lies ahead or too far back.
        words : int64 of shape (rows, keys), the token of each key.
        any_ : bool of shape (time,), whether there is anything to remember.
        """
        keys, words = self._with(hidden, tokens)
        time, n_keys = hidden.shape[1], keys.shape[1]
        now = torch.arange(n_keys - time, n_keys, device=hidden.device)[:, None]
        then = torch.arange(n_keys, device=hidden.device)
        seen = (then < now) & (then >= now - self.cache.window)
        products = torch.einsum("rtw,rkw->rtk", hidden, keys).masked_fill_(~seen, -torch.inf)
        return products, words, seen.any(dim=1)


class CachedReader:
    """Reads text with a cache (see `embedpipe.generation.reader.Reader`); state and cache are carried along the rows.

    Parameters
    ----------
    model : in evaluation mode.
    cache : the settings.
    half : as a `embedpipe.generation.reader.ModelReader` takes it.
    """

    def __init__(self, model: LanguageModel, cache: ContinuousCache, half: Tensor | None = None) -> None:
        self.model, self.memory, self.half = model, CacheMemory(cache), half
        self.state: State = BEGINNING

    def read(self, ids: Tensor, *, ranked: bool = False) -> Predicted:
        """See `Reader.read`."""
        cache, targets, seen = self.memory.cache, ids[:, 1:], self.look(ids, whole=ranked)
        ranks = None
        if seen.log_probabilities is not None:
            near = torch.softmax(_scores(seen.products, cache.theta), dim=2)
            near = near.masked_fill(~seen.any_[:, None], 0.0).flatten(0, 1)
            words = seen.words[:, None].expand(*targets.shape, -1).flatten(0, 1)
            weight = (cache.weight * seen.any_).repeat(len(ids))[:, None]
            ranks = ranks_of(_mixed(seen.log_probabilities, near, words, weight), targets.flatten()).view(targets.shape)
        remembered = _log_share(seen.products, seen.words, targets, cache.theta)
        return Predicted(_mixed_losses(seen.losses, remembered, seen.any_, cache.weight), ranks)

    @torch.no_grad()
    def look(self, ids: Tensor, *, whole: bool = False) -> "_Seen":
        """Read on, and return what a mixture of the model and the cache is made of; `whole`: for all tokens."""
        targets = ids[:, 1:]
        hidden, self.state = self.model(ids[:, :-1], self.state)
        flat, log_probabilities = hidden.flatten(0, 1), None
        if whole:
            log_probabilities = torch.log_softmax(self.model.logits(flat).float(), dim=1)
            losses = F.nll_loss(log_probabilities, targets.flatten(), reduction="none")
        else:
            losses = self.model.losses(flat, targets.flatten(), self.half)
        hidden = hidden.float()
        found = self.memory.similarities(hidden, targets)
        self.memory.remember(hidden, targets)
        return _Seen(losses.view(targets.shape), *found, log_probabilities)


class _Seen(NamedTuple):
    """Losses of the model (rows, time), what `similarities` gives, and the model's log-probabilities or None."""

    losses: Tensor
    products: Tensor
    words: Tensor
    any_: Tensor
    log_probabilities: Tensor | None


def cached_losses(
    model: LanguageModel, tokens: NDArray[np.uint32], cache: ContinuousCache | None = None
) -> NDArray[np.float64]:
    """Return what `token_losses` does, with a continuous cache mixed in that begins empty with each row.

    The first prediction of a row, which has nothing to remember, is the model's own.

    Parameters
    ----------
    tokens : of shape (rows, time + 1); the first of each row is read and not predicted.
    cache : the settings; `tune_cache` finds them.

    Returns
    -------
    float64 array of shape (rows, time), in nats.
    """
    with evaluating(model):
        return losses_along(CachedReader(model, cache or ContinuousCache()), tokens, model.device)


def tune_cache(
    model: LanguageModel,
    tokens: NDArray[np.uint32],
    *,
    window: int = 2_000,
    thetas: Sequence[float] = THETAS,
    weights: Sequence[float] = WEIGHTS,
) -> ContinuousCache:
    """Return the cache with the lowest loss on development text, found on a grid in one reading of it.

    Parameters
    ----------
    tokens : of shape (rows, time + 1). Rows as long as the texts that the cache is for, as what a cache is worth
        depends on how much there is to remember.
    window : how many tokens are remembered.
    thetas, weights : the grid. The weight 0, no cache, is always tried too.
    """
    ids = torch.from_numpy(tokens.astype(np.int64)).to(model.device)
    step, reader = block_length(len(ids)), CachedReader(model, ContinuousCache(0.0, 0.0, window))
    totals = np.zeros((len(thetas), 1 + len(weights)))
    with evaluating(model):
        for position in range(0, ids.shape[1] - 1, step):
            block = ids[:, position : position + step + 1]
            seen = reader.look(block)
            for i, theta in enumerate(thetas):
                remembered = _log_share(seen.products, seen.words, block[:, 1:], theta)
                for j, weight in enumerate((0.0, *weights)):
                    totals[i, j] += float(_mixed_losses(seen.losses, remembered, seen.any_, weight).double().sum())
    theta, weight = divmod(int(totals.argmin()), totals.shape[1])
    return ContinuousCache(thetas[theta], (0.0, *weights)[weight], window)


def _scores(products: Tensor, theta: float) -> Tensor:
    """Return ``theta`` times the products; at 0 the product with minus infinity would be no number."""
    return torch.where(products.isneginf(), products, theta * products)


def _log_share(products: Tensor, words: Tensor, targets: Tensor, theta: float) -> Tensor:
    """Return log p_cache of the targets, shape (rows, time); minus infinity where none is remembered."""
    scores = _scores(products, theta)
    everything = scores.logsumexp(dim=2)
    found = scores.masked_fill_(words[:, None] != targets[:, :, None], -torch.inf).logsumexp(dim=2)
    return torch.where(everything.isneginf(), everything, found - everything)


def _mixed_losses(losses: Tensor, remembered: Tensor, any_: Tensor, weight: float) -> Tensor:
    """Return the losses of the mixture; where there is nothing to remember, those of the model."""
    if weight == 0:
        return losses
    mixed = -torch.logaddexp(math.log1p(-weight) - losses, math.log(weight) + remembered)
    return torch.where(any_, mixed, losses)


def _mixed(log_probabilities: Tensor, near: Tensor, words: Tensor, weight: Tensor) -> Tensor:
    """Return the log-probabilities of the mixture; `near` (rows, keys) is what each key's word gets of the cache."""
    cached = torch.zeros_like(log_probabilities).scatter_add_(1, words, near.to(log_probabilities.dtype))
    return torch.logaddexp(log_probabilities + torch.log1p(-weight), (weight * cached).log())

"""The contrastive loss: each text is to find the one that belongs to it among all those of the batch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.nn.batches import Batch, TokenSource, to_device
from embedpipe.nn.spans import POOL, Draw, batches_of
from embedpipe.sentences.objectives.objective import Setup, mean_figure

__all__ = ["Contrast", "contrastive_loss", "contrastive_ranks", "contrastive_scores", "same_sentence"]

_SEED = 20_240_229


def same_sentence(ids: Tensor, lengths: Tensor) -> Tensor:
    """Return a bool tensor of shape (batch, batch): True where two rows hold the same tokens.

    Rows are compared by a random 64-bit linear hash, whose chance of a false match is below 1e-9 for any batch that
    fits into memory.

    >>> same_sentence(torch.tensor([[4, 5], [5, 4], [4, 5]]), torch.tensor([2, 2, 2])).long().tolist()
    [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    """
    generator = torch.Generator().manual_seed(_SEED)
    drawn = torch.randint(-(2**62), 2**62, (ids.shape[1] + 1,), generator=generator)
    factors = to_device(drawn.numpy(), ids.device)
    keys = (ids * factors[:-1]).sum(dim=1) + lengths * factors[-1]
    return keys[:, None] == keys


def contrastive_scores(
    first: Tensor, second: Tensor, same: Tensor, temperature: float, negatives: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return how near each text is to all those among which it is to find its own.

    A candidate that is the same as the one that is looked for, or as the one that asks, is no wrong answer and is left
    out: it scores minus infinity.

    Parameters
    ----------
    first, second : unit rows, shape (batch, dim); row *i* of one belongs to row *i* of the other.
    same : bool, shape (rows, rows): which rows mean the same, of `first` above those of `second` and `negatives`.
    temperature : divides the cosines.
    negatives : unit rows, shape (n, dim): further wrong answers to the rows of `first` (Karpukhin et al., 2020).

    Returns
    -------
    ahead : shape (batch, batch + n): the texts of `first` ask; the candidate of a row's own number is its own.
    back : shape (batch, batch): the texts of `second` ask.

    Examples
    --------
    >>> rows, apart = torch.eye(2), torch.eye(4, dtype=torch.bool)
    >>> ahead, back = contrastive_scores(rows, rows, apart, temperature=0.5)
    >>> ahead.tolist(), round(contrastive_loss(ahead, back).item(), 4), contrastive_ranks(ahead, back).tolist()
    ([[2.0, 0.0], [0.0, 2.0]], 0.1269, [[1, 1], [1, 1]])
    """
    n = len(first)
    pair = torch.eye(n, dtype=torch.bool, device=first.device)
    candidates = second if negatives is None else torch.cat([second, negatives])
    left_out = same[n : 2 * n, n:] | same[:n, n:]  # (batch, candidates)
    left_out = left_out & ~F.pad(pair, (0, len(candidates) - n))
    # In bf16 a cosine would be off by .002, and what it is divided by makes much of that.
    with torch.autocast(first.device.type, enabled=False):
        scores = first.float() @ candidates.float().T / temperature
    ahead = scores.masked_fill(left_out, -torch.inf)
    back = scores[:, :n].T.masked_fill((same[:n, :n] | same[n : 2 * n, :n]) & ~pair, -torch.inf)
    return ahead, back


def contrastive_loss(ahead: Tensor, back: Tensor) -> Tensor:
    """Return the in-batch contrastive loss (InfoNCE; van den Oord et al., 2018), both ways: a scalar, in nats.

    Parameters
    ----------
    ahead, back : what `contrastive_scores` returns.
    """
    target = torch.arange(len(ahead), device=ahead.device)
    return (F.cross_entropy(ahead, target) + F.cross_entropy(back, target)) / 2


def contrastive_ranks(ahead: Tensor, back: Tensor) -> Tensor:
    """Return at which place, from 1, each text finds its own.

    It stands behind all candidates that are as near, so vectors which are all the same find nothing.

    Parameters
    ----------
    ahead, back : what `contrastive_scores` returns.

    Returns
    -------
    int64 of shape (2, batch): those of `ahead`, then those of `back`
    """
    return torch.stack([(~(scores < scores.diagonal()[:, None])).sum(dim=1) for scores in (ahead, back)])


@dataclass(frozen=True, eq=False)
class Contrast:
    """The contrastive objective over whatever spans `draw` says belong together.

    The loss is the mean of those of all views of the vectors: nested widths (Kusupati et al., 2022), the reading, the
    whole.

    Parameters
    ----------
    name, weight : as in `Objective`.
    draw, source : the spans of a pool and the tokens that they are of; items of two rows, or three, the last of which
        is a wrong answer.
    setup : batch, temperature and so on.
    grouped : whether the first two rows of items with the same tag mean the same.
    change : what is done to every batch as it is drawn.
    pool : batches that are drawn together.
    """

    name: str
    weight: float
    draw: Draw
    source: TokenSource
    setup: Setup
    grouped: bool = False
    change: Callable[[Batch], Batch] | None = None
    pool: int = POOL
    heads: nn.Module | None = None
    agreement: str = "reciprocal rank"
    agree = staticmethod(mean_figure)

    def batches(self, start: int) -> Iterator[Batch]:
        """Yield batch number `start` and all that follow."""
        setup = self.setup
        drawn = batches_of(
            self.draw, self.source, setup.batch, seed=setup.seed_of(self.name), start=start, pool=self.pool
        )
        return drawn if self.change is None else map(self.change, drawn)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the contrastive loss, the mean over all views."""
        return _mean_loss(self._scores(network, batch))

    def measure(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss, and the mean reciprocal rank at which the whole vectors find their own (Voorhees, 1999)."""
        scores = self._scores(network, batch)
        return _mean_loss(scores), (1 / contrastive_ranks(*scores[-1])).mean()

    def _scores(self, network: nn.Module, batch: Batch) -> list[tuple[Tensor, Tensor]]:
        """Return the scores by each view, the whole vectors last."""
        n = len(batch.tags)
        vectors = self.setup.vectors(network, batch.rows)
        same = same_sentence(batch.rows.ids, batch.rows.lengths)
        if self.grouped:
            tags = batch.tags.repeat(2)
            same[: 2 * n, : 2 * n] |= tags[:, None] == tags
        views = (torch.split(rows, n) for rows in self.setup.views(vectors))
        return [
            contrastive_scores(first, second, same, self.setup.temperature, others[0] if others else None)
            for first, second, *others in views
        ]


def _mean_loss(scores: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    return torch.stack([contrastive_loss(ahead, back) for ahead, back in scores]).mean()

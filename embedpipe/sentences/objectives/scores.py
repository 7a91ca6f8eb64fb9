"""Similarity scores: cosines in the order of the scores (CoSENT; Su, 2022), or equal to them."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.nn.batches import Batch
from embedpipe.nn.spans import batch_of
from embedpipe.sentences.labelled import Labelled
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.sentences.objectives.rows import LabelledRows

__all__ = ["ScoreLoss", "ScoreObjective", "cosent_loss", "cosine_loss", "spearman"]

ScoreLoss = Literal["cosent", "cosine"]


def cosent_loss(cosines: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """Return log(1 + sum of exp((cos_j - cos_i) / temperature)) over all i, j where score i is above score j.

    >>> cosent_loss(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0]), 0.05).item() == torch.tensor(2.0).log().item()
    True

    Parameters
    ----------
    cosines, scores : shape (batch,).
    temperature : divides the differences of the cosines.
    """
    differences = (cosines[None, :] - cosines[:, None]).float() / temperature  # row i, column j
    wrong = differences.masked_fill(scores[:, None] <= scores[None, :], -torch.inf)
    return torch.logsumexp(F.pad(wrong.flatten(), (1, 0)), dim=0)


def cosine_loss(cosines: Tensor, scores: Tensor) -> Tensor:
    """Return the mean squared difference of the cosines and the scores, both of shape (batch,).

    >>> round(cosine_loss(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])).item(), 2)
    0.25
    """
    return F.mse_loss(cosines.float(), scores)


def spearman(x: Tensor, y: Tensor) -> float:
    """Return Spearman's rank correlation of two vectors of one length, ties at their mean rank; NaN without variance.

    >>> round(spearman(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.0, 9.0, 10.0])), 6)
    1.0
    """
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(each.cpu().numpy()) for each in (x, y)])
    return float(torch.corrcoef(torch.from_numpy(ranks))[0, 1])


class ScoreObjective:
    """Cosines of pairs against the scores that people gave them, scaled to 0 to 1.

    Parameters
    ----------
    data : pairs of texts and their score.
    weight : share of the steps.
    setup : batch, temperature, nested widths and so on.
    how : the loss.
    """

    heads: nn.Module | None = None
    agreement = "correlation"

    def __init__(self, data: Labelled, weight: float, setup: Setup, how: ScoreLoss) -> None:
        self.name = f"scores:{data.name}"
        self.weight, self.how = weight, how
        self.rows = LabelledRows(self.name, data, setup)
        self.setup = self.rows.setup
        self.scores = torch.from_numpy(data.values).float().to(setup.device)

    def batches(self, start: int) -> Iterator[Batch]:
        """Yield batch number `start` and all that follow."""
        return self.rows.batches(start)

    def once(self, most: int) -> list[Batch]:
        """Return all rows, or `most` random ones where there are more, once, in batches of like length."""
        n = min(len(self.scores), most)
        spans = self.rows.draw(0, n, np.random.default_rng(self.setup.seed))
        order = np.argsort(spans.lengths.max(axis=0), kind="stable")
        return [
            batch_of(self.rows.source, spans, part) for part in np.array_split(order, math.ceil(n / self.setup.batch))
        ]

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the loss, the mean over all views."""
        return self.measure(network, batch)[0]

    def measure(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss, and the cosines and the scores, shape (2, batch)."""
        vectors = self.setup.vectors(network, batch.rows)
        scores = self.scores[batch.tags]
        losses = []
        for rows in self.setup.views(vectors):
            first, second = rows.chunk(2)
            cosines = F.cosine_similarity(first, second)
            losses.append(
                cosent_loss(cosines, scores, self.setup.temperature)
                if self.how == "cosent"
                else cosine_loss(cosines, scores)
            )
        return torch.stack(losses).mean(), torch.stack([cosines.detach().float(), scores])

    def agree(self, seen: Sequence[Tensor]) -> float:
        """Return Spearman's correlation of cosines and scores over all batches together."""
        return spearman(*torch.cat(list(seen), dim=1))

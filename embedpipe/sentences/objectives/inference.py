"""Inference: the label of the step from one text to another, from both vectors (InferSent; Conneau et al., 2017)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.nn.batches import Batch
from embedpipe.sentences.labelled import Labelled
from embedpipe.sentences.objectives.objective import Setup, mean_figure
from embedpipe.sentences.objectives.rows import LabelledRows

__all__ = ["InferenceObjective", "pair_features"]


def pair_features(first: Tensor, second: Tensor) -> Tensor:
    """Return [u, v, |u - v|, u * v], shape (batch, 4 * dim), of unit rows, scaled to components of about unit size.

    >>> pair_features(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0, 0.0]]))[0, 8:].tolist()
    [2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    scale = first.shape[1] ** 0.5
    first, second = first * scale, second * scale
    return torch.cat([first, second, (first - second).abs(), first * second], dim=1)


class InferenceObjective:
    """A linear classifier over both vectors, their difference and their product, trained with the encoder.

    Parameters
    ----------
    data : pairs of texts and the number of their label.
    weight : share of the steps.
    setup : batch and so on.
    dim : width of the vectors.
    """

    agreement = "accuracy"
    agree = staticmethod(mean_figure)

    def __init__(self, data: Labelled, weight: float, setup: Setup, dim: int) -> None:
        self.name = f"inference:{data.name}"
        self.weight = weight
        self.rows = LabelledRows(self.name, data, setup)
        self.setup = self.rows.setup
        self.labels = torch.from_numpy(data.values).long().to(setup.device)
        self.heads: nn.Module = nn.Linear(4 * dim, len(data.labels)).to(setup.device)

    def batches(self, start: int) -> Iterator[Batch]:
        """Yield batch number `start` and all that follow."""
        return self.rows.batches(start)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the mean cross-entropy in nats."""
        return self.measure(network, batch)[0]

    def measure(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss and the share of pairs given their label."""
        first, second = self.setup.vectors(network, batch.rows).chunk(2)
        logits = self.heads(pair_features(first, second)).float()
        labels = self.labels[batch.tags]
        return F.cross_entropy(logits, labels), (logits.argmax(dim=1) == labels).float().mean()

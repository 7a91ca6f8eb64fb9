"""From what a reader gives for every token to one vector of the sentence."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Pooling", "Reading", "SelfAttention", "highest", "make_pooling", "mean", "weighted_mean"]

Pooling = Literal["mean", "sif", "max", "last", "attention"]
_ATTENTION_WIDTH = 128


class Reading(NamedTuple):
    """A batch as it was read.

    Parameters
    ----------
    outputs : float, shape (batch, time, width), zero in the padding.
    last : float, shape (batch, width), what stands at the end of each sentence.
    mask : bool, shape (batch, time), True where there is a token.
    weights : float, shape (batch, time), at least 0: what each word says, zero in the padding and for unknown words.
    """

    outputs: Tensor
    last: Tensor
    mask: Tensor
    weights: Tensor


def make_pooling(kind: Pooling, width: int) -> Callable[[Reading], Tensor]:
    """Return what makes shape (batch, width) from a `Reading`; zero for an empty sentence.

    ``attention`` is a module with parameters of its own, the others are functions.
    """
    return SelfAttention(width) if kind == "attention" else _WITHOUT_PARAMETERS[kind]


def mean(reading: Reading) -> Tensor:
    """Return the mean over the tokens.

    >>> outputs, mask = torch.tensor([[[1.0], [-3.0], [0.0]]]), torch.tensor([[True, True, False]])
    >>> reading = Reading(outputs, last=outputs[:, 1], mask=mask, weights=torch.tensor([[0.3, 0.1, 0.0]]))
    >>> [make_pooling(kind, 1)(reading).item() for kind in ("mean", "sif", "max", "last")]
    [-1.0, 0.0, 1.0, -3.0]
    """
    return reading.outputs.sum(dim=1) / reading.mask.sum(dim=1, keepdim=True).clamp(min=1)


def weighted_mean(reading: Reading) -> Tensor:
    """Return the mean over the tokens by the weights of their words, which are trained with the rest."""
    total = reading.weights.sum(dim=1, keepdim=True)
    total = total.clamp(min=torch.finfo(total.dtype).tiny)
    return torch.einsum("bt,btd->bd", reading.weights / total, reading.outputs)


def highest(reading: Reading) -> Tensor:
    """Return the largest value of each feature over the tokens (Conneau et al., 2017)."""
    largest = reading.outputs.masked_fill(~reading.mask[:, :, None], -torch.inf).amax(dim=1)
    return torch.where(reading.mask.any(dim=1, keepdim=True), largest, 0.0)


def last(reading: Reading) -> Tensor:
    """Return what stands at the end of each sentence."""
    return reading.last


_WITHOUT_PARAMETERS: dict[str, Callable[[Reading], Tensor]] = {
    "mean": mean,
    "sif": weighted_mean,
    "max": highest,
    "last": last,
}


class SelfAttention(nn.Module):
    """The mean over the tokens by weights that are read from the outputs: softmax of query · tanh(W h).

    Source: Lin et al. (2017), "A Structured Self-attentive Sentence Embedding", with one head.

    Parameters
    ----------
    width : width of the outputs.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, _ATTENTION_WIDTH, bias=False)
        self.query = nn.Linear(_ATTENTION_WIDTH, 1, bias=False)

    def forward(self, reading: Reading) -> Tensor:
        """Return shape (batch, width), zero for an empty sentence."""
        scores = self.query(torch.tanh(self.hidden(reading.outputs)))[:, :, 0].float()  # (batch, time)
        # The lowest finite number, for over an empty sentence, whose outputs are zero, a softmax of -inf is NaN.
        shares = scores.masked_fill(~reading.mask, torch.finfo(scores.dtype).min).softmax(dim=1)
        return torch.einsum("bt,btd->bd", shares, reading.outputs)

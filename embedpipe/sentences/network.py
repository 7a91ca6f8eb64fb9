"""The encoder's network: a bidirectional LSTM that corrects the frequency-weighted average of word vectors."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.nn.layers import BidirectionalLSTM, LockedDropout, length_mask
from embedpipe.text.vocabulary import PAD

__all__ = ["EncoderShape", "Pooling", "SentenceNetwork"]

Pooling = Literal["mean", "max", "last"]


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """What fixes the shape of every tensor of the network."""

    n_tokens: int
    dim: int
    hidden: int
    pooling: Pooling


class SentenceNetwork(nn.Module):
    """normalise(normalise(weighted average of the embeddings) + projection of the pooled LSTM).

    Initialised from SIF weights and whitened word vectors with a projection near zero, it starts as the SIF average
    (Arora et al., 2017) and learns what word order and context add to it.

    Parameters
    ----------
    shape : the dimensions.
    dropout : share dropped of the LSTM's input and of its pooled output, in training.
    """

    def __init__(self, shape: EncoderShape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        # Given as zeros, for drawing a random table that is overwritten at once would dominate the time to open.
        table = torch.zeros(shape.n_tokens, shape.dim)
        self.embedding = nn.Embedding(shape.n_tokens, shape.dim, padding_idx=PAD, sparse=True, _weight=table)
        self.log_weight = nn.Embedding(shape.n_tokens, 1, sparse=True)
        self.register_buffer("known", torch.ones(shape.n_tokens))
        self.lstm = BidirectionalLSTM(shape.dim, shape.hidden)
        self.projection = nn.Linear(2 * shape.hidden, shape.dim)
        self.input_dropout = LockedDropout(dropout)
        self.output_dropout = nn.Dropout(dropout)

    known: Tensor

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return float32 of shape (batch, dim): unit rows, and zero rows where no token is known.

        Parameters
        ----------
        ids : int64, shape (batch, time), time at least 1.
        lengths : int64, shape (batch,).
        """
        mask = length_mask(lengths, ids.shape[1])
        embedded = self.embedding(ids)  # (batch, time, dim)
        weights = self.log_weight(ids).exp()[:, :, 0] * self.known[ids] * mask  # (batch, time)
        average = F.normalize(torch.einsum("bt,btd->bd", weights, embedded), dim=1)
        # The rows of a bag have length 1, and an LSTM wants features of about unit variance.
        outputs, last = self.lstm(self.input_dropout(embedded * self.shape.dim**0.5), lengths)
        pooled = self.output_dropout(pool(outputs, last, mask, self.shape.pooling))  # (batch, 2 * hidden)
        vectors = F.normalize((average + self.projection(pooled)).float(), dim=1)
        return vectors * (self.known[ids] * mask).amax(dim=1, keepdim=True)


def pool(outputs: Tensor, last: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """Return one row per sequence from what `BidirectionalLSTM` returns; zero for an empty sequence.

    >>> outputs, mask = torch.tensor([[[1.0], [-3.0], [0.0]]]), torch.tensor([[True, True, False]])
    >>> [pool(outputs, outputs[:, 1], mask, how).item() for how in ("mean", "max", "last")]
    [-1.0, 1.0, -3.0]
    """
    if pooling == "last":
        return last
    if pooling == "mean":
        return outputs.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
    highest = outputs.masked_fill(~mask[:, :, None], -torch.inf).amax(dim=1)
    return torch.where(mask.any(dim=1, keepdim=True), highest, 0.0)

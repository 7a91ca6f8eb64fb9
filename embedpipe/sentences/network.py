"""The encoder's network: a reader that corrects the frequency-weighted average of word vectors."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.nn.layers import LockedDropout, embedding_dropout, length_mask
from embedpipe.nn.readers import make_reader
from embedpipe.sentences.pooling import Pooling, Reading, make_pooling
from embedpipe.text.vocabulary import PAD

__all__ = ["Architecture", "EncoderShape", "SentenceNetwork"]

Architecture = Literal["bilstm", "lstm", "gru", "rnn", "transformer", "bag"]


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """What fixes every tensor of the network and what is done with it.

    Parameters
    ----------
    n_tokens : rows of the word table.
    word_dim : width of the word vectors.
    dim : width of the sentence vectors.
    architecture : what reads the words; ``bag`` has no reader and is the average alone.
    hidden, layers, heads : of the reader, as `make_reader` takes them.
    pooling : how what was read becomes one vector.
    residual : whether it is added to the weighted average of the word vectors; of no effect on ``bag``.
    """

    n_tokens: int
    word_dim: int
    dim: int
    architecture: Architecture = "bilstm"
    hidden: int = 256
    layers: int = 1
    heads: int = 4
    pooling: Pooling = "mean"
    residual: bool = True


class SentenceNetwork(nn.Module):
    """normalise(normalise(resized weighted average of the embeddings) + projection of what was read and pooled).

    Initialised from SIF weights and whitened word vectors with a projection near zero, it starts as the SIF average
    (Arora et al., 2017) and learns what word order and context add to it. The average alone is a ``bag``, the
    projection alone a network that is not `residual`. The average is resized, by a linear map, where the sentence
    vectors have another width than the word vectors.

    Parameters
    ----------
    shape : the dimensions.
    dropout : share dropped of the reader's input and of its pooled output, in training.
    embed_p : share of the vocabulary dropped, in training.
    """

    def __init__(self, shape: EncoderShape, dropout: float = 0.0, embed_p: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.embed_p = embed_p
        averages = shape.residual or shape.architecture == "bag"
        # Given as zeros, for drawing a random table that is overwritten at once would dominate the time to open.
        table = torch.zeros(shape.n_tokens, shape.word_dim)
        self.embedding = nn.Embedding(shape.n_tokens, shape.word_dim, padding_idx=PAD, sparse=True, _weight=table)
        self.log_weight = nn.Embedding(shape.n_tokens, 1, sparse=True, _weight=torch.zeros(shape.n_tokens, 1))
        self.log_weight.requires_grad_(averages or shape.pooling == "sif")
        self.register_buffer("known", torch.ones(shape.n_tokens))
        self.reader: nn.Module | None = None
        if shape.architecture != "bag":
            reader = make_reader(shape.architecture, shape.word_dim, shape.hidden, shape.layers, shape.heads)
            self.reader = reader
            self.projection = nn.Linear(reader.out_dim, shape.dim)
            self.pool = make_pooling(shape.pooling, reader.out_dim)
            self.input_dropout = LockedDropout(dropout)
            self.output_dropout = nn.Dropout(dropout)
        resized = averages and shape.dim != shape.word_dim
        self.resize = nn.Linear(shape.word_dim, shape.dim, bias=False) if resized else nn.Identity()

    known: Tensor

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return float32 of shape (batch, dim): unit rows, and zero rows where no token is known.

        Parameters
        ----------
        ids : int64, shape (batch, time), time at least 1.
        lengths : int64, shape (batch,).
        """
        mask = length_mask(lengths, ids.shape[1])
        known = self.known[ids] * mask
        embedded = self.embedding(ids)  # (batch, time, word_dim)
        if self.training:
            embedded = embedding_dropout(embedded, ids, self.shape.n_tokens, self.embed_p)
        weights = self.log_weight(ids).exp()[:, :, 0] * known  # (batch, time)
        if self.reader is None:
            vectors = self._average(embedded, weights)
        else:
            # The rows of a bag have length 1, and a reader wants features of about unit variance.
            outputs, last = self.reader(self.input_dropout(embedded * self.shape.word_dim**0.5), lengths)
            pooled = self.output_dropout(self.pool(Reading(outputs, last, mask, weights)))
            vectors = self.projection(pooled)
            if self.shape.residual:
                vectors = self._average(embedded, weights) + vectors
        return F.normalize(vectors.float(), dim=1) * known.amax(dim=1, keepdim=True)

    def _average(self, embedded: Tensor, weights: Tensor) -> Tensor:
        return F.normalize(self.resize(torch.einsum("bt,btd->bd", weights, embedded)), dim=1)

"""The encoder's network: a reader beside, or added to, the frequency-weighted average of word vectors."""

from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.nn.indexed_lstm import Spare, read_rows
from embedpipe.nn.layers import LockedDropout, embedding_dropout, length_mask
from embedpipe.nn.readers import lstms_of, make_reader, reader_width
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
    residual : whether it stands with the weighted average of the word vectors; of no effect on ``bag``.
    beside : 0 adds it to the average; else it has components of its own behind those of the average, and this share
        of the squared length, in (0, 1).
    moments : share of the squared length that the second moments of the words have, between the two. Of no effect
        without `beside`, or where `dim` has no room for them beside the average and all that the reader gives.
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
    beside: float = 0.0
    moments: float = 0.0

    @property
    def average_dim(self) -> int:
        """Width of the average in the vectors: all of it, or at most the first half where the reading has its own."""
        return min(self.word_dim, (self.dim + 1) // 2) if self._has_parts else self.dim

    @property
    def moments_dim(self) -> int:
        """Components behind the average that are the second moments of the words."""
        if self.architecture == "bag" or not self.moments or not self._has_parts:
            return 0
        return self.word_dim if self.dim >= 2 * self.word_dim + reader_width(self.architecture, self.hidden) else 0

    @property
    def own_dim(self) -> int:
        """Components, at the end of the vectors, that are what the network reads and nothing else."""
        return self.dim - self.average_dim - self.moments_dim

    @property
    def _has_parts(self) -> bool:
        return bool(self.beside and self.residual and self.architecture != "bag" and self.dim > 1)


class SentenceNetwork(nn.Module):
    """normalise(normalise(resized weighted average of the embeddings) + projection of what was read and pooled).

    Or [sqrt(1 - s) normalise(resized average), sqrt(s) normalise(projection)], where a share s stands `beside`: then
    the cosine of two sentences is the mean of two, weighted 1 - s and s, and the reader cannot outgrow the average.
    Between them may stand second moments of the words, with a share m, and the average has 1 - s - m: the sum of the
    squares of the known word vectors at length 1, which no weights change. They tell a classifier more of which words
    there are (pooling by statistics; Snyder et al., 2018, "X-vectors").

    Initialised from SIF weights and whitened word vectors with a projection near zero, it starts as the SIF average
    (Arora et al., 2017) and learns what word order and context add to it. The average alone is a ``bag``, the
    projection alone a network that is not `residual`. The average is resized, by a linear map, where the sentence
    vectors have another width than the word vectors.

    Parameters
    ----------
    shape : the dimensions.
    dropout : share dropped of the pooled output, in training; of each output where a language model is learnt.
    input_p : share dropped of the reader's input, one mask for each sentence, in training.
    embed_p : share of the vocabulary dropped, in training.
    """

    def __init__(
        self, shape: EncoderShape, dropout: float = 0.0, *, input_p: float = 0.0, embed_p: float = 0.0
    ) -> None:
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
            self.projection = nn.Linear(reader.out_dim, shape.own_dim or shape.dim)
            self.pool = make_pooling(shape.pooling, reader.out_dim)
            self.input_dropout = LockedDropout(input_p)
            self.output_dropout = nn.Dropout(dropout)
        resized = averages and (shape.own_dim > 0 or shape.dim != shape.word_dim)
        self.resize = nn.Linear(shape.word_dim, shape.average_dim, bias=False) if resized else nn.Identity()
        self.lstms, self._spare = lstms_of(self.reader), Spare()

    known: Tensor

    def train(self, mode: bool = True) -> Self:
        """Begin or end training, at whose end the memory of its steps, some hundreds of megabytes, is given back."""
        if not mode:
            self._spare = Spare()
        return super().train(mode)

    def forward(self, ids: Tensor, lengths: Tensor, read: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Return float32 of shape (batch, dim): unit rows, and zero rows where no token is known.

        Parameters
        ----------
        ids : int64, shape (batch, time), time at least 1.
        lengths : int64, shape (batch,).
        read : the outputs and last states of the reader, where they are known already.
        """
        embedded, weights, reading = self._read(ids, lengths, read)
        if reading is None:
            vectors = self._average(embedded, weights)
        else:
            vectors = self.projection(self.output_dropout(self.pool(reading)))
            if self.shape.own_dim:
                vectors = self._parts(embedded, weights, vectors)
            elif self.shape.residual:
                vectors = self._average(embedded, weights) + vectors
        return F.normalize(vectors.float(), dim=1) * (weights > 0).any(dim=1, keepdim=True)

    def _parts(self, embedded: Tensor, weights: Tensor, read: Tensor) -> Tensor:
        """Return the average, the second moments where there are any, and what was read, each with its share."""
        shape = self.shape
        parts = [(shape.beside, F.normalize(read, dim=1))]
        if shape.moments_dim:
            parts.insert(0, (shape.moments, _moments(embedded, weights > 0)))
        parts.insert(0, (1 - sum(share for share, _ in parts), self._average(embedded, weights)))
        return torch.cat([part * share**0.5 for share, part in parts], dim=1)

    def reading(self, ids: Tensor, lengths: Tensor) -> Reading:
        """Return what was read, before it is pooled; parameters are those of `forward`. A ``bag`` is not asked."""
        reading = self._read(ids, lengths, None)[2]
        assert reading is not None
        return reading

    def _read(
        self, ids: Tensor, lengths: Tensor, read: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor, Reading | None]:
        """Return the word vectors, (batch, time, word_dim), their weights, (batch, time), and what was read of them."""
        mask = length_mask(lengths, ids.shape[1])
        if read is None and self._shares_rows(ids):
            distinct, numbers = torch.unique(ids, return_inverse=True)
            rows = self._embed(distinct)
            embedded = F.embedding(numbers, rows)
            read = read_rows(self.lstms, rows * self.feature_scale, numbers, lengths, self._spare)
        else:
            embedded = self._embed(ids)
        weights = self.log_weight(ids).exp()[:, :, 0] * (self.known[ids] * mask)
        if self.reader is None:
            return embedded, weights, None
        outputs, last = read or self.reader(self.input_dropout(embedded * self.feature_scale), lengths)
        return embedded, weights, Reading(outputs, last, mask, weights)

    @property
    def feature_scale(self) -> float:
        """The rows of a bag have length 1, and a reader wants features of about unit variance."""
        return float(self.shape.word_dim**0.5)

    def _shares_rows(self, ids: Tensor) -> bool:
        """Return whether what is read of a word is computed once for all places where it stands: see `read_rows`."""
        return self.training and bool(self.lstms) and ids.device.type == "cpu" and self.input_dropout.p == 0

    def _embed(self, ids: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(ids)
        return embedding_dropout(embedded, ids, self.shape.n_tokens, self.embed_p) if self.training else embedded

    def _average(self, embedded: Tensor, weights: Tensor) -> Tensor:
        return F.normalize(self.resize(torch.einsum("bt,btd->bd", weights, embedded)), dim=1)


def _moments(embedded: Tensor, known: Tensor) -> Tensor:
    """Return the sums of the squares of the known word vectors, at length 1, shape (batch, word_dim)."""
    return F.normalize(torch.einsum("bt,btd->bd", known.to(embedded.dtype), embedded.square()), dim=1)

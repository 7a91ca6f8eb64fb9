"""The next-word model: word vectors, layers that read on, and output weights that may be the same vectors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from embedpipe.errors import ConfigError
from embedpipe.generation.state import BEGINNING, State
from embedpipe.nn.causal import CausalKind, RecurrentStack
from embedpipe.nn.causal_attention import CausalTransformer
from embedpipe.nn.clusters import Clusters
from embedpipe.nn.few_rows import scores_of
from embedpipe.nn.layers import LockedDropout, draw_normal, embedding_dropout
from embedpipe.nn.softmax import exact_losses

__all__ = ["Dropouts", "LanguageModel", "Reading", "Shape", "initial_table"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the tensors of a language model.

    Parameters
    ----------
    n_tokens : size of the vocabulary.
    dim : width of the word vectors.
    hidden : width of the layers; with `tied` weights the last one has the width `dim`, whose output is compared with
        the vectors. Of a Transformer, whose layers have the width `dim`, that of its feed-forward parts.
    layers : how many.
    architecture : of the layers.
    tied : whether the vectors are also the output weights.
    heads : attention heads of a Transformer, which divide `dim`.
    context : the most tokens that a Transformer looks back on.
    cutoffs : ids at which the clusters of an adaptive softmax begin; none is one softmax over all tokens.

    Raises
    ------
    ConfigError
        If the heads do not divide the width, or the cutoffs do not rise to below the size of the vocabulary.
    """

    n_tokens: int
    dim: int
    hidden: int
    layers: int
    architecture: CausalKind = "lstm"
    tied: bool = True
    heads: int = 4
    context: int = 256
    cutoffs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.architecture == "transformer" and self.dim % self.heads:
            raise ConfigError(
                f"generation.heads: {self.heads} heads do not divide the {self.dim} dimensions into equal parts; "
                f"set {_divisor_near(self.dim, self.heads)}"
            )
        if self.cutoffs and list(self.cutoffs) != sorted({c for c in self.cutoffs if 0 < c < self.n_tokens}):
            raise ConfigError(
                f"generation.cutoffs: {', '.join(map(str, self.cutoffs))} are not ids that rise within the vocabulary "
                f"of {self.n_tokens:,} tokens; set smaller ones, or none to have them chosen"
            )

    @property
    def widths(self) -> list[int]:
        """The widths of the vectors and of each layer's output."""
        if self.architecture == "transformer":
            return [self.dim] * (self.layers + 1)
        inner = [self.dim, *[self.hidden] * (self.layers - 1)]
        return [*inner, self.dim if self.tied else self.hidden]

    @property
    def reach(self) -> int | None:
        """How many of the last tokens decide what comes next; None where all do.

        >>> Shape(10, dim=4, hidden=6, layers=2, architecture="transformer", context=3).reach
        7
        """
        return self.layers * self.context + 1 if self.architecture == "transformer" else None


@dataclass(frozen=True, slots=True)
class Dropouts:
    """Shares that are dropped in training (names as in Merity et al., 2018)."""

    input_p: float = 0.0
    hidden_p: float = 0.0
    output_p: float = 0.0
    embed_p: float = 0.0
    weight_p: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model made of the tokens it read.

    Parameters
    ----------
    hidden : shape (batch, time, width); position *t* predicts what follows token *t*. Dropped in training.
    raw : the same before dropout.
    state : after the last position.
    """

    hidden: Tensor
    raw: Tensor
    state: State


def initial_table(vectors: NDArray[np.float32], norm: float, generator: torch.Generator) -> Tensor:
    """Return word vectors as the first embedding of a language model.

    Rows are scaled together so that their mean length is `norm`; rows that are zero (the specials, words without a
    vector) become random ones of that length.

    Returns
    -------
    float32 tensor of shape (n_tokens, dim)
    """
    table = torch.from_numpy(np.array(vectors, dtype=np.float32))
    norms = table.norm(dim=1)
    known = norms > 0
    if known.any():
        table *= norm / norms[known].mean()
    blank = torch.randn(table.shape, generator=generator) * (norm / math.sqrt(table.shape[1]))
    return torch.where(known[:, None], table, blank)


class LanguageModel(nn.Module):
    """A next-word model (Bengio et al., 2003; the regularised LSTM: Merity et al., 2018).

    Parameters
    ----------
    shape : of the network.
    dropouts : used in training only.
    sparse : a step reads a few rows of the table, which gets sparse gradients on a CPU; `logits` must then be left
        alone in training.

    Examples
    --------
    >>> model = LanguageModel(Shape(10, dim=4, hidden=6, layers=2)).eval()
    >>> hidden, state = model(torch.tensor([[3, 5, 7]]))
    >>> tuple(hidden.shape), tuple(model.logits(hidden).shape), len(state.layers)
    ((1, 3, 4), (1, 3, 10), 2)
    """

    def __init__(self, shape: Shape, dropouts: Dropouts | None = None, *, sparse: bool = False) -> None:
        super().__init__()
        dropouts = dropouts or Dropouts()
        self.shape, self.sparse, self.embed_p = shape, sparse, dropouts.embed_p
        self.table = _table(shape.n_tokens, shape.dim)
        self.bias = nn.Parameter(torch.zeros(shape.n_tokens))
        self.reader = _reader(shape, dropouts)
        width = self.reader.out_dim
        self.output: nn.Parameter | None = None
        if not shape.tied:
            self.output = _table(shape.n_tokens, width)
        self.clusters = Clusters(shape.cutoffs, shape.n_tokens, width) if shape.cutoffs else None
        self.input_dropout = LockedDropout(dropouts.input_p)
        self.output_dropout = LockedDropout(dropouts.output_p)

    @property
    def n_tokens(self) -> int:
        """Size of the vocabulary."""
        return self.shape.n_tokens

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.table.device

    @property
    def output_table(self) -> nn.Parameter:
        """The output weights, shape (n_tokens, width): the vectors themselves where they are tied."""
        return self.table if self.output is None else self.output

    def forward(self, ids: Tensor, state: State = BEGINNING) -> tuple[Tensor, State]:
        """Read `ids` on from `state`: what `read` gives, without what only training asks for.

        Parameters
        ----------
        ids : int64 of shape (batch, time).
        state : what the call before returned for the same rows.

        Returns
        -------
        hidden : shape (batch, time, width); position *t* predicts what follows ``ids[:, t]``.
        state : the state after the last position.
        """
        reading = self.read(ids, state)
        return reading.hidden, reading.state

    def read(self, ids: Tensor, state: State = BEGINNING) -> Reading:
        """Read `ids` on from `state`."""
        x = F.embedding(ids, self.table, sparse=self.sparse and self.training and self.device.type == "cpu")
        if self.training:
            x = embedding_dropout(x, ids, self.n_tokens, self.embed_p)
        if state.given is not None:
            x = x + state.given[:, None]
        raw, layers = self.reader(self.input_dropout(x), state.layers)  # (batch, time, width)
        hidden = self.output_dropout(raw)
        if state.added is not None:
            hidden = hidden + state.added[:, None]
        return Reading(hidden, raw, State(layers, state.given, state.added))

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the log-probabilities of the next token, shape (..., n_tokens); without clusters not normalised."""
        if self.clusters is not None:
            return self.clusters.log_probabilities(self.output_table, self.bias, hidden)
        return scores_of(hidden, self.output_table, self.bias)

    def losses(self, hidden: Tensor, targets: Tensor, half: Tensor | None = None) -> Tensor:
        """Return the negative log-probabilities of `targets` (n,) after `hidden` (n, width), float32, in nats.

        `half` is the output table in bfloat16 (`half_table`), with which most of the products are then made.
        """
        if self.clusters is not None:
            return F.nll_loss(self.logits(hidden).float(), targets, reduction="none")
        return exact_losses(self.output_table, self.bias, hidden, targets, half=half)

    def initialise(self, table: Tensor, probabilities: NDArray[np.float64]) -> None:
        """Start from word vectors and from the unigram distribution (all probabilities above zero)."""
        with torch.no_grad():
            self.table.copy_(table)
            self.bias.copy_(torch.from_numpy(np.log(probabilities).astype(np.float32)))
        if self.clusters is not None:
            self.clusters.initialise(torch.from_numpy(probabilities))

    def widths(self) -> Sequence[int]:
        """Return the widths of the layers' outputs, first to last."""
        return self.shape.widths[1:]


def _table(n_tokens: int, width: int) -> nn.Parameter:
    """Return random rows of a length of about one."""
    table = torch.empty(n_tokens, width)
    draw_normal(table, 1.0 / math.sqrt(width))
    return nn.Parameter(table)


def _reader(shape: Shape, dropouts: Dropouts) -> RecurrentStack | CausalTransformer:
    if shape.architecture == "transformer":
        sizes = shape.dim, shape.hidden, shape.layers, shape.heads, shape.context
        return CausalTransformer(*sizes, dropouts.hidden_p)
    return RecurrentStack(shape.architecture, shape.widths, dropouts.hidden_p, dropouts.weight_p)


def _divisor_near(dim: int, heads: int) -> int:
    """Return the number of heads nearest to `heads` that divides `dim`."""
    return min((n for n in range(1, dim + 1) if dim % n == 0), key=lambda n: (abs(n - heads), n))

"""The next-word model: word vectors, one-way LSTMs with locked dropout, and the same vectors as output weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from embedpipe.nn.layers import LockedDropout, embedding_dropout

__all__ = ["Dropouts", "LanguageModel", "State", "detach", "initial_table", "repeat_state", "select_rows"]

State = list[tuple[Tensor, Tensor]]
"""One (hidden, cell) pair for each layer, each of shape (1, batch, width)."""


@dataclass(frozen=True, slots=True)
class Dropouts:
    """Shares that are dropped in training (names as in Merity et al., 2018)."""

    input_p: float = 0.0
    hidden_p: float = 0.0
    embed_p: float = 0.0


def detach(state: State) -> State:
    """Return the state cut off from the graph that made it."""
    return [(hidden.detach(), cell.detach()) for hidden, cell in state]


def select_rows(state: State, rows: Tensor) -> State:
    """Return the state of some rows of the batch; `rows` holds indices or a mask."""
    return [(hidden[:, rows], cell[:, rows]) for hidden, cell in state]


def repeat_state(state: State, n: int) -> State:
    """Return the state of a batch of one as that of `n` equal rows."""
    return [(hidden.repeat(1, n, 1), cell.repeat(1, n, 1)) for hidden, cell in state]


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
    """An LSTM language model with tied input and output weights (Merity et al., 2018; Press & Wolf, 2017).

    Parameters
    ----------
    n_tokens : size of the vocabulary.
    dim : width of the word vectors, and of the last LSTM, whose output is compared with them.
    hidden : width of the LSTMs between.
    layers : number of single-layer LSTMs: dim -> hidden -> ... -> dim.
    dropouts : used in training only.
    sparse : the table gets sparse gradients; `logits` must then be left alone in training.

    Examples
    --------
    >>> model = LanguageModel(10, dim=4, hidden=6, layers=2).eval()
    >>> hidden, state = model(torch.tensor([[3, 5, 7]]), None)
    >>> tuple(hidden.shape), tuple(model.logits(hidden).shape), len(state)
    ((1, 3, 4), (1, 3, 10), 2)
    """

    def __init__(
        self,
        n_tokens: int,
        dim: int,
        hidden: int,
        layers: int,
        dropouts: Dropouts | None = None,
        *,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        dropouts = dropouts or Dropouts()
        widths = [dim, *[hidden] * (layers - 1), dim]
        self.dim, self.hidden, self.sparse, self.embed_p = dim, hidden, sparse, dropouts.embed_p
        self.table = nn.Parameter(torch.randn(n_tokens, dim) / math.sqrt(dim))
        self.bias = nn.Parameter(torch.zeros(n_tokens))
        self.lstms = nn.ModuleList(nn.LSTM(width, following, batch_first=True) for width, following in pairwise(widths))
        self.input_dropout = LockedDropout(dropouts.input_p)
        self.hidden_dropout = LockedDropout(dropouts.hidden_p)
        with torch.no_grad():
            for lstm, width in zip(self.lstms, widths[1:], strict=True):
                # An open forget gate lets gradients reach back from the first step on (Jozefowicz et al., 2015).
                lstm.bias_ih_l0[width : 2 * width] = 1.0  # type: ignore[operator]
                lstm.bias_hh_l0.zero_()  # type: ignore[operator]

    @property
    def n_tokens(self) -> int:
        """Size of the vocabulary."""
        return self.table.shape[0]

    @property
    def layers(self) -> int:
        """Number of LSTMs."""
        return len(self.lstms)

    def forward(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Read `ids` on from `state`.

        Parameters
        ----------
        ids : int64 of shape (batch, time).
        state : what the call before returned for the same rows; None for the beginning.

        Returns
        -------
        hidden : shape (batch, time, dim); position *t* predicts what follows ``ids[:, t]``.
        state : the state after the last position.
        """
        x = F.embedding(ids, self.table, sparse=self.sparse and self.training)
        if self.training:
            x = embedding_dropout(x, ids, self.n_tokens, self.embed_p)
        x = self.input_dropout(x)
        after: State = []
        for i, lstm in enumerate(self.lstms):
            x, layer_state = lstm(x, None if state is None else state[i])  # (batch, time, width)
            after.append(layer_state)
            x = self.hidden_dropout(x)
        return x, after

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the unnormalised log-probabilities of the next token, shape (..., n_tokens)."""
        return F.linear(hidden, self.table, self.bias)

    def initialise(self, table: Tensor, probabilities: NDArray[np.float64]) -> None:
        """Start from word vectors and from the unigram distribution (all probabilities above zero)."""
        with torch.no_grad():
            self.table.copy_(table)
            self.bias.copy_(torch.from_numpy(np.log(probabilities).astype(np.float32)))

    def widths(self) -> Sequence[int]:
        """Return the widths of the LSTMs' outputs, first to last."""
        return [int(lstm.hidden_size) for lstm in self.lstms]  # type: ignore[arg-type]

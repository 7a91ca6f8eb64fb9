"""Text read block by block, and what a model made of each token: the common form of all figures of a generator."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.errors import ConfigError
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.state import BEGINNING, State
from embedpipe.nn.precision import without_rounding

__all__ = [
    "ModelReader",
    "Predicted",
    "Reader",
    "block_length",
    "evaluating",
    "half_table",
    "losses_along",
    "ranks_of",
]

_PREDICTIONS = 1_024


@dataclass(frozen=True, slots=True)
class Predicted:
    """How well the tokens of a block were foreseen.

    Parameters
    ----------
    losses : float32 of shape (rows, time), negative log-probabilities in nats.
    ranks : int64 of the same shape, 1 for the most probable token; None where they were not asked for.
    """

    losses: Tensor
    ranks: Tensor | None = None


class Reader(Protocol):
    """Reads rows of tokens on from where it stopped."""

    def read(self, ids: Tensor, *, ranked: bool = False) -> Predicted:
        """Predict ``ids[:, 1:]``, where ``ids`` is int64 of shape (rows, time + 1) and goes on from the last block.

        The first column is the token that the block before ended with.
        """


class ModelReader:
    """Reads with the model as it was trained, its state carried from block to block.

    Parameters
    ----------
    model : in evaluation mode.
    half : its output table in bfloat16 (`half_table`), with which losses are made in less time; None for all digits.

    Examples
    --------
    >>> from embedpipe.generation.language_model import Shape
    >>> model = LanguageModel(Shape(10, dim=4, hidden=6, layers=1)).eval()
    >>> ModelReader(model).read(torch.tensor([[2, 3, 5]])).losses.shape
    torch.Size([1, 2])
    """

    def __init__(self, model: LanguageModel, half: Tensor | None = None) -> None:
        self.model, self.half = model, half
        self.state: State = BEGINNING

    @torch.no_grad()
    def read(self, ids: Tensor, *, ranked: bool = False) -> Predicted:
        """See `Reader.read`."""
        hidden, self.state = self.model(ids[:, :-1], self.state)
        flat, targets = hidden.flatten(0, 1), ids[:, 1:]
        if not ranked:
            return Predicted(self.model.losses(flat, targets.flatten(), self.half).view(targets.shape))
        logits = self.model.logits(flat).float()
        losses = F.cross_entropy(logits, targets.flatten(), reduction="none").view(targets.shape)
        return Predicted(losses, ranks_of(logits, targets.flatten()).view(targets.shape))


@torch.no_grad()
def half_table(model: LanguageModel) -> Tensor:
    """Return the output table in bfloat16, shape (n_tokens, width).

    On a processor that multiplies bfloat16 (avx512_bf16, AMX, a GPU) losses take two thirds of the time with it, on
    another one longer. On a generator of 37,000 words a loss then differs by 0.004 nats in the mean and 0.05 at most,
    and the mean of a thousand by 0.0001: the score of the token itself and all sums stay in float32.

    Raises
    ------
    ConfigError
        If the output of the model is not one table and a bias, as with an adaptive softmax.
    """
    if model.clusters is not None:
        raise ConfigError(
            "precision bf16 is for generators with one softmax over all words, and this one's is adaptive; use fp32"
        )
    return model.output_table.detach().to(torch.bfloat16)


def ranks_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Return how many tokens are at least as probable as each target, the target counted and equal ones before it.

    >>> ranks_of(torch.tensor([[0.0, 2.0, 1.0, 2.0]]).repeat(3, 1), torch.tensor([1, 3, 0])).tolist()
    [1, 2, 4]
    """
    own = logits.gather(1, targets[:, None])
    earlier = torch.arange(logits.shape[1], device=logits.device) < targets[:, None]
    return 1 + (logits > own).sum(dim=1) + ((logits == own) & earlier).sum(dim=1)


def losses_along(reader: Reader, tokens: NDArray[np.uint32], device: torch.device) -> NDArray[np.float64]:
    """Return the negative log-probability, in nats, of every token after the first of each row.

    Parameters
    ----------
    reader : at the beginning of the rows.
    tokens : of shape (rows, time + 1).

    Returns
    -------
    float64 array of shape (rows, time)
    """
    ids = torch.from_numpy(tokens.astype(np.int64)).to(device)
    step = block_length(len(ids))
    found = [
        reader.read(ids[:, position : position + step + 1]).losses.cpu()
        for position in range(0, ids.shape[1] - 1, step)
    ]
    return torch.cat(found, dim=1).double().numpy() if found else np.zeros((len(ids), 0))


def block_length(rows: int) -> int:
    """Return how many columns are read at once, so that the logits of a block stay small.

    >>> block_length(1), block_length(32), block_length(5_000)
    (1024, 32, 1)
    """
    return max(1, _PREDICTIONS // rows)


@contextmanager
def evaluating(model: LanguageModel) -> Iterator[None]:
    """Put a model in evaluation mode, and back in its own at the end; its layers are read in float32 on a GPU too."""
    was_training = model.training
    model.eval()
    try:
        with without_rounding(model.device):
            yield
    finally:
        model.train(was_training)

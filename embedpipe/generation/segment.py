"""A segment of text read by a model that will learn from it: its losses, and the gradients of their mean.

Of a table of words the gradients are those of the segment's own rows. What flows back from the output into the layers
is that of the frequent words and of the segment's own; all others stand there together, with the probability that is
left and the mean of their rows. The losses are exact.
"""

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.state import State

__all__ = ["TABLES", "Segment", "learner_of", "learnt_tables", "mean_of_others", "read_segment"]

TABLES = ("table", "bias", "output")
"""Parameters that have a row, or one number, for each word."""
_FREQUENT = 12_000
"""Words, from the most frequent one down, that the layers hear of one by one."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What a segment gave.

    Parameters
    ----------
    losses : of shape (rows, time), in nats.
    hidden : of shape (rows * time, width), what is compared with the words.
    words : int64, the tokens of the segment, each once, rising.
    gradients : of the mean loss by the name of the weight; of a table those of the rows `words`.
    """

    losses: Tensor
    hidden: Tensor
    words: Tensor
    gradients: dict[str, Tensor]

    @property
    def is_finite(self) -> bool:
        """Whether all losses and gradients are numbers."""
        # A sum is finite only where every number is.
        return bool(torch.stack([part.sum() for part in (self.losses, *self.gradients.values())]).sum().isfinite())


def learner_of(model: LanguageModel) -> LanguageModel:
    """Return a copy of which all weights but the tables ask for gradients; those of tables are made by row."""
    learner = copy.deepcopy(model).eval()
    for name, weight in learner.named_parameters():
        weight.requires_grad_(name not in TABLES)
    return learner


def learnt_tables(model: LanguageModel) -> tuple[str, ...]:
    """Return the tables that learn: of an adaptive softmax, whose output is no single product, that of the input."""
    return (
        TABLES[:1] if model.clusters is not None else tuple(name for name in TABLES if getattr(model, name) is not None)
    )


@torch.no_grad()
def mean_of_others(model: LanguageModel) -> Tensor:
    """Return the mean output row of the words that are not frequent, weighted by exp(bias), shape (width,).

    The bias of an output begins as the logarithm of the frequency. Zeros where all words are frequent.
    """
    rows, bias = model.output_table[_FREQUENT:], model.bias[_FREQUENT:]
    return torch.softmax(bias, dim=0) @ rows if len(rows) else model.output_table.new_zeros(model.output_table.shape[1])


def read_segment(
    model: LanguageModel, ids: Tensor, state: State, others: Tensor, half: Tensor | None = None
) -> tuple[Segment, State]:
    """Read a segment on from `state`; return what it gave, and the state after it.

    Parameters
    ----------
    model : as `learner_of` makes it.
    ids : int64 of shape (rows, time + 1); the first of each row is read and not predicted.
    others : what `mean_of_others` gives.
    half : the output table in bfloat16, for the losses.
    """
    words, local = torch.unique(ids, return_inverse=True)
    targets = ids[:, 1:].flatten()
    # Outside of training, cuDNN's recurrent layers give no gradients.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=ids.device.type != "cuda"):
        rows = model.table[words].requires_grad_()
        # The words of the segment are all that it reads: their rows stand for the table.
        hidden, state = functional_call(model, {"table": rows}, (local[:, :-1], state))
        flat = hidden.flatten(0, 1)
        leaves = {"table": rows} | {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        if model.clusters is not None:
            losses = model.losses(flat, targets)
            gradients = dict(zip(leaves, torch.autograd.grad(losses.mean(), list(leaves.values())), strict=True))
        else:
            losses = model.losses(flat.detach(), targets, half)
            to_hidden, to_rows, to_bias = _of_softmax(model, flat.detach(), targets, words, losses, others)
            flowing = torch.autograd.grad(flat, list(leaves.values()), to_hidden)
            gradients = dict(zip(leaves, flowing, strict=True)) | {"bias": to_bias}
            gradients["table" if model.output is None else "output"] = to_rows + (
                gradients["table"] if model.output is None else 0.0
            )
    return Segment(losses.detach().view(len(ids), -1), flat.detach(), words, gradients), state.detach()


@torch.no_grad()
def _of_softmax(
    model: LanguageModel, hidden: Tensor, targets: Tensor, words: Tensor, losses: Tensor, others: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of the mean loss in `hidden`, in the output rows of `words` and in their biases."""
    table, bias, n = model.output_table, model.bias, len(targets)
    normaliser = ((hidden * table[targets]).sum(dim=1) + bias[targets] + losses)[:, None]
    common, rare = words[words < _FREQUENT], words[words >= _FREQUENT]
    frequent, rare_rows = table[:_FREQUENT], table[rare]
    p_frequent = (bias[:_FREQUENT] - normaliser).addmm_(hidden, frequent.T).exp_()  # (n, frequent)
    p_rare = (bias[rare] - normaliser).addmm_(hidden, rare_rows.T).exp_()
    left = (1.0 - p_frequent.sum(dim=1) - p_rare.sum(dim=1)).clamp_(min=0.0)[:, None]
    to_hidden = (p_frequent @ frequent).addmm_(p_rare, rare_rows).sub_(table[targets]).add_(left * others)
    error = torch.cat([p_frequent[:, common], p_rare], dim=1)  # (n, words)
    error.sub_(F.one_hot(torch.searchsorted(words, targets), len(words)))
    return to_hidden / n, error.T @ hidden / n, error.sum(dim=0) / n

"""Dynamic evaluation: the weights follow the text while it is scored (Krause, Kahembwe, Murray and Renals, 2018).

A text is read in segments. Each is scored first and learnt from afterwards, by one step of gradient descent, so that
no token is known before it is predicted; what is given is a probability of the text like any other. The steps are
measured by how large gradients were on other text (the RMS rule), and the weights are drawn back to the trained ones.

Tables of words are learnt sparsely: a segment moves the rows of its own words alone, and all rows of a table share the
size that gradients have in each of its columns. The gradient in the other rows, small and spread over the whole
vocabulary, is left out.
"""

import copy
import math
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from embedpipe.errors import ConfigError, EmbedpipeWarning, NotEnoughDataError
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.reader import Predicted, ranks_of
from embedpipe.generation.state import BEGINNING, State

__all__ = [
    "DynamicEvaluation",
    "DynamicReader",
    "GradientSizes",
    "Rule",
    "dynamic_losses",
    "gradient_sizes",
    "shapes_of_sizes",
]

Rule = Literal["rms", "sgd"]
_TABLES = ("table", "bias", "output")
_DAMPING = 0.01


@dataclass(frozen=True, slots=True)
class DynamicEvaluation:
    """How the weights follow a text.

    Parameters
    ----------
    rate : of learning, at least 0; 0 never learns.
    decay : share of the way back to the trained weights that is gone after each segment, from 0 to 1; with the RMS
        rule more for weights with large gradients and less for others, and never more than all of it.
    segment : tokens that are read before each step, at least 1.
    rule : ``rms`` divides each gradient by its usual size, which needs `GradientSizes`; ``sgd`` takes it as it is.

    Raises
    ------
    ConfigError
        If a value is outside its range.
    """

    rate: float = 2e-3
    decay: float = 3e-4
    segment: int = 16
    rule: Rule = "rms"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate) and self.rate >= 0):
            raise ConfigError(f"the rate of dynamic evaluation is at least 0, not {self.rate}")
        if not 0 <= self.decay <= 1:
            raise ConfigError(f"the decay of dynamic evaluation lies from 0 to 1, not {self.decay}")
        if self.segment < 1:
            raise ConfigError(f"a segment of dynamic evaluation has at least 1 token, not {self.segment}")
        if self.rule not in ("rms", "sgd"):
            raise ConfigError(f"dynamic evaluation follows the rule rms or sgd, not '{self.rule}'")


@dataclass(frozen=True, slots=True)
class GradientSizes:
    """The root mean square of the gradient in each weight, as `gradient_sizes` measures it.

    Parameters
    ----------
    of : by the name of the parameter, float32 of its shape; of a table of words, one value for each column.
    """

    of: dict[str, Tensor]

    @property
    def mean(self) -> float:
        """The mean over all weights, each column of a table counted once."""
        return float(torch.cat([size.flatten() for size in self.of.values()]).double().mean())


class DynamicReader:
    """Reads text with weights that follow it (see `embedpipe.generation.reader.Reader`).

    Parameters
    ----------
    model : is copied, and left as it is.
    settings : how the weights follow.
    sizes : of the gradients, for the RMS rule.

    Attributes
    ----------
    left_out : steps that were not taken because a gradient or a loss was not a finite number.

    Raises
    ------
    ConfigError
        If the RMS rule has no sizes.
    """

    def __init__(self, model: LanguageModel, settings: DynamicEvaluation, sizes: GradientSizes | None = None) -> None:
        if settings.rule == "rms" and sizes is None:
            raise ConfigError("the rule rms needs the sizes of gradients (gradient_sizes): measure them, or use sgd")
        self.settings = settings
        self.trained = {name: weight.detach() for name, weight in model.named_parameters()}
        self.model = _copy_that_learns(model)
        self.weights = dict(self.model.named_parameters())
        self.rates, self.decays = _by_weight(self.weights, settings, sizes)
        self.moved = torch.zeros(model.n_tokens, dtype=torch.bool, device=model.device)
        self.state: State = BEGINNING
        self.left_out = 0

    def begin(self, *, anew: bool) -> None:
        """Begin another text; `anew`: with the trained weights, else with what was learnt so far."""
        self.state = BEGINNING
        if anew:
            self._restore()

    def read(self, ids: Tensor, *, ranked: bool = False) -> Predicted:
        """See `Reader.read`. A segment never reaches over the end of a block."""
        losses, ranks = [], []
        for position in range(0, ids.shape[1] - 1, self.settings.segment):
            block = ids[:, position : position + self.settings.segment + 1]
            found, state = _read_segment(self.model, block, self.state)
            if not found.is_finite:
                self.left_out += 1
                if not found.losses.isfinite().all():
                    # What was learnt has carried the weights off: the trained ones read on.
                    self.begin(anew=True)
                    found, state = _read_segment(self.model, block, self.state)
            elif self.settings.rate:
                self._step(found)
            self.state = state
            losses.append(found.losses)
            if ranked:
                ranks.append(ranks_of(found.logits, block[:, 1:].flatten()).view(found.losses.shape))
        return Predicted(torch.cat(losses, dim=1), torch.cat(ranks, dim=1) if ranked else None)

    @torch.no_grad()
    def _step(self, found: "_Segment") -> None:
        """Move the weights against the gradient, then back towards the trained ones."""
        self.moved[found.words] = True
        moved = self.moved.nonzero()[:, 0]
        for name, weight in self.weights.items():
            if name not in found.gradients:
                continue
            change = found.gradients[name] * -self.rates[name]
            if name in _TABLES:
                weight.index_add_(0, found.words, change)
                weight[moved] = torch.lerp(weight[moved], self.trained[name][moved], self.decays[name])
            else:
                weight.add_(change).lerp_(self.trained[name], self.decays[name])

    @torch.no_grad()
    def _restore(self) -> None:
        for name, weight in self.weights.items():
            if name in _TABLES:
                weight[self.moved] = self.trained[name][self.moved]
            else:
                weight.copy_(self.trained[name])
        self.moved.zero_()


def dynamic_losses(
    model: LanguageModel,
    tokens: NDArray[np.uint32],
    settings: DynamicEvaluation | None = None,
    sizes: GradientSizes | None = None,
    *,
    carried: bool = False,
) -> NDArray[np.float64]:
    """Return what `token_losses` does, with weights that follow the text.

    The rows are read one after the other. The model is left as it was.

    Parameters
    ----------
    tokens : of shape (rows, time + 1); the first of each row is read and not predicted.
    settings : how the weights follow; `tune_dynamic` finds them.
    sizes : of the gradients, which the RMS rule needs.
    carried : what was learnt from a row is kept for the next, as where the rows are stretches of one text; otherwise
        each begins with the trained weights.

    Returns
    -------
    float64 array of shape (rows, time), in nats; all are finite. Where steps had to be left out because a number was
    not finite, an `EmbedpipeWarning` says how many.
    """
    reader = DynamicReader(model, settings or DynamicEvaluation(), sizes)
    ids = torch.from_numpy(tokens.astype(np.int64)).to(model.device)
    found = np.zeros((len(ids), ids.shape[1] - 1))
    for row, one in enumerate(ids):
        reader.begin(anew=not carried)
        if found.shape[1]:
            found[row] = reader.read(one[None]).losses[0].double().cpu().numpy()
    if reader.left_out:
        warnings.warn(
            f"dynamic evaluation left out {reader.left_out:,} steps that were not finite; lower its rate",
            EmbedpipeWarning,
            stacklevel=2,
        )
    return found


def gradient_sizes(model: LanguageModel, tokens: NDArray[np.uint32], *, segment: int = 16) -> GradientSizes:
    """Measure the root mean square of the gradients of segments of text, for the RMS rule.

    Parameters
    ----------
    tokens : of shape (rows, time + 1), of the training or the validation text, at least one prediction.
    segment : tokens in a segment, as in the `DynamicEvaluation` that they are for.

    Raises
    ------
    NotEnoughDataError
        If no segment has a finite gradient.
    """
    learner, n_segments = _copy_that_learns(model), 0
    squares: dict[str, Tensor] = {}
    for row in torch.from_numpy(tokens.astype(np.int64)).to(model.device):
        state = BEGINNING
        for position in range(0, len(row) - 1, segment):
            found, state = _read_segment(learner, row[None, position : position + segment + 1], state)
            if not found.is_finite:
                continue
            n_segments += 1
            for name, gradient in found.gradients.items():
                square = gradient.square()
                if name in _TABLES:
                    square = square.mean(dim=0)
                squares[name] = squares[name] + square if name in squares else square
    if not n_segments:
        raise NotEnoughDataError("the sizes of gradients need text of at least one token to predict; give more of it")
    return GradientSizes({name: (square / n_segments).sqrt() for name, square in squares.items()})


def shapes_of_sizes(model: LanguageModel) -> dict[str, tuple[int, ...]]:
    """Return the shape of each of the `GradientSizes` of a model, by name."""
    learnt = _TABLES if model.clusters is None else _TABLES[:1]
    return {
        name: tuple(weight.shape[1:] if name in _TABLES else weight.shape)
        for name, weight in model.named_parameters()
        if name not in _TABLES or name in learnt
    }


@dataclass(frozen=True, slots=True)
class _Segment:
    """What a segment gave: losses (rows, time), logits, its words, and the gradients of all weights or their rows."""

    losses: Tensor
    logits: Tensor
    words: Tensor
    gradients: dict[str, Tensor]

    @property
    def is_finite(self) -> bool:
        # A sum is finite only where every number is.
        return bool(torch.stack([part.sum() for part in (self.losses, *self.gradients.values())]).sum().isfinite())


def _read_segment(model: LanguageModel, ids: Tensor, state: State) -> tuple[_Segment, State]:
    """Return the losses of a segment and the gradients of their mean; those of a table for the rows `words` alone."""
    words, local = torch.unique(ids, return_inverse=True)
    # Of an adaptive softmax, whose output is no single product, the rows are learnt as input alone.
    whole = getattr(model, "clusters", None) is None
    tables = ((name, getattr(model, name)) for name in (_TABLES if whole else _TABLES[:1]))
    # Outside of training, cuDNN's recurrent layers give no gradients.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=ids.device.type != "cuda"):
        rows = {name: weight[words].requires_grad_() for name, weight in tables if weight is not None}
        # The words of the segment are all that it reads: their rows stand for the table.
        hidden, state = functional_call(model, {"table": rows["table"]}, (local[:, :-1], state))
        flat = hidden.flatten(0, 1)
        logits = model.logits(flat)
        if whole:
            own = F.linear(flat, rows.get("output", rows["table"]), rows["bias"])
            logits = logits.index_copy(1, words, own)
        losses = F.cross_entropy(logits.float(), ids[:, 1:].flatten(), reduction="none")
        leaves = rows | {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        gradients = torch.autograd.grad(losses.mean(), list(leaves.values()))
    by_name = dict(zip(leaves, gradients, strict=True))
    return _Segment(losses.detach().view(len(ids), -1), logits.detach(), words, by_name), state.detach()


def _copy_that_learns(model: LanguageModel) -> LanguageModel:
    """Return a copy of which all weights but the tables ask for gradients; those of tables are asked for by row."""
    learner = copy.deepcopy(model).eval()
    for name, weight in learner.named_parameters():
        weight.requires_grad_(name not in _TABLES)
    return learner


def _by_weight(
    weights: dict[str, nn.Parameter], settings: DynamicEvaluation, sizes: GradientSizes | None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the learning rate of each weight, and how far it goes back to the trained one after each segment."""
    if settings.rule == "sgd" or sizes is None:
        one = {name: torch.ones((), device=weight.device) for name, weight in weights.items()}
        rates = {name: settings.rate * each for name, each in one.items()}
        return rates, {name: settings.decay * each for name, each in one.items()}
    mean = max(sizes.mean, 1e-30)
    of = {name: sizes.of[name].to(weight.device) for name, weight in weights.items() if name in sizes.of}
    rates = {name: settings.rate / (size + _DAMPING * mean) for name, size in of.items()}
    return rates, {name: (settings.decay * size / mean).clamp(max=1.0) for name, size in of.items()}

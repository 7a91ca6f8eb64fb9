"""Dynamic evaluation: the weights follow the text while it is scored (Krause, Kahembwe, Murray and Renals, 2018).

A text is read in segments. Each is scored first and learnt from afterwards, by one step of gradient descent, so that
no token is known before it is predicted; what is given is a probability of the text like any other. The steps are
measured by how large gradients were on other text (the RMS rule), and the weights are drawn back to the trained ones.

Tables of words are learnt sparsely: a segment moves the rows of its own words alone, and all rows of a table share the
size that gradients have in each of its columns. The gradient in the other rows, small and spread over the whole
vocabulary, is left out (`embedpipe.generation.segment`). Tables are drawn back once in 8 segments, by as much as after
each of them: that touches all rows that have ever moved.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embedpipe.errors import ConfigError, EmbedpipeWarning, NotEnoughDataError
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.reader import Predicted, half_table, ranks_of
from embedpipe.generation.segment import TABLES, Segment, learner_of, learnt_tables, mean_of_others, read_segment
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
_DAMPING = 0.01
_DRAWN_TOGETHER = 8
"""Segments after which tables are drawn back, by as much as after each of them."""


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
    half : the losses are made with the output table in bfloat16, which follows the one that learns.

    Attributes
    ----------
    left_out : steps that were not taken because a gradient or a loss was not a finite number.

    Raises
    ------
    ConfigError
        If the RMS rule has no sizes.
    """

    def __init__(
        self,
        model: LanguageModel,
        settings: DynamicEvaluation,
        sizes: GradientSizes | None = None,
        *,
        half: bool = False,
    ) -> None:
        if settings.rule == "rms" and sizes is None:
            raise ConfigError("the rule rms needs the sizes of gradients (gradient_sizes): measure them, or use sgd")
        self.settings = settings
        self.trained = {name: weight.detach() for name, weight in model.named_parameters()}
        self.model = learner_of(model)
        self.weights = dict(self.model.named_parameters())
        self.rates, self.decays = _by_weight(self.weights, settings, sizes)
        self.half, self.others = half_table(model) if half else None, mean_of_others(model)
        self.moved = torch.zeros(model.n_tokens, dtype=torch.bool, device=model.device)
        self.state: State = BEGINNING
        self.left_out = self.n_steps = 0

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
            found, state = read_segment(self.model, block, self.state, self.others, self.half)
            learns = found.is_finite
            if not learns:
                self.left_out += 1
                if not found.losses.isfinite().all():
                    # What was learnt has carried the weights off: the trained ones read on.
                    self.begin(anew=True)
                    found, state = read_segment(self.model, block, self.state, self.others, self.half)
            losses.append(found.losses)
            if ranked:
                ranks.append(ranks_of(self.model.logits(found.hidden), block[:, 1:].flatten()).view(found.losses.shape))
            if learns and self.settings.rate:
                self._step(found)
            self.state = state
        return Predicted(torch.cat(losses, dim=1), torch.cat(ranks, dim=1) if ranked else None)

    @torch.no_grad()
    def _step(self, found: Segment) -> None:
        """Move the weights against the gradient, then back towards the trained ones."""
        self.n_steps += 1
        for name, gradient in found.gradients.items():
            weight, rate = self.weights[name], self.rates[name]
            if name in TABLES:
                weight.index_add_(0, found.words, gradient * -rate)
            else:
                weight.addcmul_(gradient, rate, value=-1).lerp_(self.trained[name], self.decays[name])
        changed = found.words
        self.moved[changed] = True
        if self.n_steps % _DRAWN_TOGETHER == 0:
            changed = self.moved.nonzero()[:, 0]
            for name in learnt_tables(self.model):
                weight, back = self.weights[name], 1 - (1 - self.decays[name]) ** _DRAWN_TOGETHER
                weight[changed] = torch.lerp(weight[changed], self.trained[name][changed], back)
        if self.half is not None:
            self.half[changed] = self.model.output_table[changed].to(self.half.dtype)

    @torch.no_grad()
    def _restore(self) -> None:
        for name, weight in self.weights.items():
            if name in TABLES:
                weight[self.moved] = self.trained[name][self.moved]
            else:
                weight.copy_(self.trained[name])
        if self.half is not None:
            self.half[self.moved] = self.model.output_table[self.moved].to(self.half.dtype)
        self.moved.zero_()
        self.n_steps = 0


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
    learner, others, n_segments = learner_of(model), mean_of_others(model), 0
    squares: dict[str, Tensor] = {}
    for row in torch.from_numpy(tokens.astype(np.int64)).to(model.device):
        state = BEGINNING
        for position in range(0, len(row) - 1, segment):
            found, state = read_segment(learner, row[None, position : position + segment + 1], state, others)
            if not found.is_finite:
                continue
            n_segments += 1
            for name, gradient in found.gradients.items():
                square = gradient.square()
                if name in TABLES:
                    square = square.mean(dim=0)
                squares[name] = squares[name] + square if name in squares else square
    if not n_segments:
        raise NotEnoughDataError("the sizes of gradients need text of at least one token to predict; give more of it")
    return GradientSizes({name: (square / n_segments).sqrt() for name, square in squares.items()})


def shapes_of_sizes(model: LanguageModel) -> dict[str, tuple[int, ...]]:
    """Return the shape of each of the `GradientSizes` of a model, by name."""
    learnt = learnt_tables(model)
    return {
        name: tuple(weight.shape[1:] if name in TABLES else weight.shape)
        for name, weight in model.named_parameters()
        if name not in TABLES or name in learnt
    }


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

"""What one training of the encoder learns from and is measured by, from the settings and the data at hand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embedpipe.errors import ConfigError, NotEnoughDataError
from embedpipe.nn.batches import Batch, TokenSource
from embedpipe.sentences.damage import Damage
from embedpipe.sentences.labelled import Labelled, held_out_tenth
from embedpipe.sentences.objectives.crops import crop_objective
from embedpipe.sentences.objectives.denoising import DenoisingObjective
from embedpipe.sentences.objectives.inference import InferenceObjective
from embedpipe.sentences.objectives.neighbours import neighbour_objective
from embedpipe.sentences.objectives.objective import Objective, Setup, mean_figure
from embedpipe.sentences.objectives.pairs import pair_objective
from embedpipe.sentences.objectives.scores import ScoreObjective
from embedpipe.sentences.objectives.twins import twin_objective
from embedpipe.text.token_store import TokenStore

if TYPE_CHECKING:
    from embedpipe.config import SentencesConfig
    from embedpipe.sentences.network import SentenceNetwork

__all__ = ["Figures", "TrainingPlan", "Watched", "plan_training", "watch_neighbours"]

_FROM_TEXT = ("neighbours", "twins", "crops", "denoising")
_HELD_OUT_SEED = 1
_HELD_OUT_ITEMS = 2_048
_SMALLEST = 1e-6

Figures = tuple[float, float]
"""The loss and the agreement of an objective on what is held out; NaN where they cannot be measured."""


@dataclass(frozen=True, eq=False)
class Watched:
    """An objective on fixed batches of what is held out.

    Parameters
    ----------
    objective : its loss and agreement are measured.
    batches : of which the mean is taken.
    n_train, n_held_out, n_dropped : rows of labelled data, 0 for text.
    """

    objective: Objective
    batches: Sequence[Batch]
    n_train: int = 0
    n_held_out: int = 0
    n_dropped: int = 0

    def measure(self, network: nn.Module) -> Figures:
        """Return the mean loss and agreement of a network that is in evaluation mode."""
        if not self.batches:
            return math.nan, math.nan
        with torch.no_grad():
            figures = [self.objective.measure(network, batch) for batch in self.batches]
        losses, seen = zip(*figures, strict=True)
        return mean_figure(losses), self.objective.agree(seen)


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """What a training learns from and what it is measured by.

    Parameters
    ----------
    objectives : in the order of their numbers in the mixture.
    choosing : what the best state is chosen by, and the weight of each.
    labelled : the labelled objectives on what is held out of their data.
    notes : what was asked for and could not be had.
    """

    objectives: list[Objective] = field(default_factory=list)
    choosing: list[tuple[Watched, float]] = field(default_factory=list)
    labelled: list[Watched] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def losses(self, network: nn.Module) -> NDArray[np.float64]:
        """Return the loss of each of `choosing`."""
        return np.array([watched.measure(network)[0] for watched, _ in self.choosing])

    def value(self, network: nn.Module, start: NDArray[np.float64]) -> float:
        """Return what the best state has least of: the weighted mean of the losses, each as a share of its start.

        Losses of different kinds differ in size, and none is to drown the others by that.

        Parameters
        ----------
        network : in evaluation mode.
        start : the `losses` before training; one of 0 that stays 0 counts for nothing.
        """
        shares = self.losses(network) / np.maximum(start, _SMALLEST)
        return float(np.average(shares, weights=[weight for _, weight in self.choosing]))


def plan_training(
    network: "SentenceNetwork",
    train: TokenStore | None,
    validation: TokenStore | None,
    labelled: Sequence[Labelled],
    config: "SentencesConfig",
    setup: Setup,
) -> TrainingPlan:
    """Return the objectives that `config` gives a weight and the data allow, with what the best state is chosen by.

    Label-free objectives are watched through the neighbouring sentences of `validation`, whichever they are, and
    each labelled one on a tenth of its rows. What the data do not allow is noted, as long as an objective is left.

    Raises
    ------
    NotEnoughDataError
        If the data allow none of the objectives that have a weight.
    ConfigError
        If none has one.
    """
    plan = TrainingPlan()
    missing = _add_from_text(plan, network, train, config, setup)
    weight = sum(objective.weight for objective in plan.objectives)
    if weight and validation is not None:
        neighbours = watch_neighbours(validation, setup)
        if neighbours.batches:
            plan.choosing.append((neighbours, weight))
        else:
            plan.notes.append("no held-out neighbouring sentences to choose the best state by")
    for data in labelled:
        _add_labelled(plan, data, network.shape.dim, config, setup)
    if plan.objectives:
        plan.notes.extend(str(error) for error in missing)
    elif missing:
        raise missing[0]
    else:
        raise ConfigError(
            "no objective of the sentence encoder has a weight and data: set sentences.neighbours or another above 0, "
            "or name files in sentences.pairs, sentences.inference or sentences.scores"
        )
    return plan


def watch_neighbours(store: TokenStore, setup: Setup) -> Watched:
    """Return the neighbouring sentences of `store` as what is measured on; without batches where it has none."""
    setup = replace(setup, seed=_HELD_OUT_SEED, damage=Damage())
    objective = neighbour_objective(store, TokenSource(store.tokens, setup.device), 0.0, setup)
    try:
        return Watched(objective, _held_out(objective, _HELD_OUT_ITEMS // setup.batch))
    except NotEnoughDataError:
        return Watched(objective, [])


def _add_from_text(
    plan: TrainingPlan,
    network: "SentenceNetwork",
    store: TokenStore | None,
    config: "SentencesConfig",
    setup: Setup,
) -> list[NotEnoughDataError]:
    """Add the objectives that need no labels; return what is missing for those that cannot be had."""
    weights = {name: float(getattr(config, name)) for name in _FROM_TEXT if getattr(config, name) > 0}
    if store is None:
        return [
            NotEnoughDataError(f"there is no prepared text, which sentences.{name} learns from; set it to 0")
            for name in weights
        ]
    source = TokenSource(store.tokens, setup.device)
    missing = []
    for name, weight in weights.items():
        try:
            objective: Objective
            if name == "neighbours":
                objective = neighbour_objective(store, source, weight, setup)
            elif name == "twins":
                objective = twin_objective(store, source, weight, setup)
            elif name == "crops":
                objective = crop_objective(store, source, weight, setup)
            else:
                objective = DenoisingObjective(store, source, weight, setup, network, config.hidden)
            next(objective.batches(0))
        except NotEnoughDataError as error:
            missing.append(error)
        else:
            plan.objectives.append(objective)
    return missing


def _add_labelled(plan: TrainingPlan, data: Labelled, dim: int, config: "SentencesConfig", setup: Setup) -> None:
    weights = {"pairs": config.pairs_weight, "inference": config.inference_weight, "scores": config.scores_weight}
    weight = weights[data.kind]
    if not weight:
        plan.notes.append(f"{data.name}: not learnt from, because sentences.{data.kind}_weight is 0")
        return
    train, held = held_out_tenth(data, seed=setup.seed)
    objective = _labelled_objective(train, weight, dim, config, setup)
    plan.objectives.append(objective)
    if data.dropped:
        plan.notes.append(f"{data.name}: {data.dropped:,} rows without two texts that hold known words were left out")
    if held is None:
        plan.notes.append(f"{data.name}: too few rows of their own to hold a tenth out")
        plan.labelled.append(Watched(objective, [], len(train), 0, data.dropped))
        return
    watched = _labelled_objective(held, weight, dim, config, setup)
    if isinstance(watched, InferenceObjective) and isinstance(objective, InferenceObjective):
        watched.heads = objective.heads
    if isinstance(watched, ScoreObjective):
        batches = watched.once(_HELD_OUT_ITEMS)
    else:
        batches = _held_out(watched, min(len(held), _HELD_OUT_ITEMS) // setup.batch)
    plan.labelled.append(Watched(watched, batches, len(train), len(held), data.dropped))
    plan.choosing.append((plan.labelled[-1], weight))


def _labelled_objective(data: Labelled, weight: float, dim: int, config: "SentencesConfig", setup: Setup) -> Objective:
    if data.kind == "pairs":
        return pair_objective(data, weight, setup)
    if data.kind == "inference":
        return InferenceObjective(data, weight, setup, dim)
    return ScoreObjective(data, weight, setup, config.score_loss)


def _held_out(objective: Objective, n: int) -> list[Batch]:
    return list(islice(objective.batches(0), max(n, 1)))

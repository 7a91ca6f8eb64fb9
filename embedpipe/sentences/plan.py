"""What one training of the encoder learns from and is measured by, from the settings and the data at hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from embedpipe.errors import ConfigError, NotEnoughDataError
from embedpipe.nn.batches import Batch, TokenSource
from embedpipe.sentences.choosing import Choosing, Watched
from embedpipe.sentences.damage import Damage
from embedpipe.sentences.labelled import Labelled, held_out_tenth
from embedpipe.sentences.objectives.crops import crop_objective
from embedpipe.sentences.objectives.denoising import DenoisingObjective, MakeDecoder
from embedpipe.sentences.objectives.inference import InferenceObjective
from embedpipe.sentences.objectives.language_model import LanguageModelObjective
from embedpipe.sentences.objectives.neighbours import neighbour_objective
from embedpipe.sentences.objectives.objective import Objective, Setup
from embedpipe.sentences.objectives.pairs import pair_objective
from embedpipe.sentences.objectives.scores import ScoreObjective
from embedpipe.sentences.objectives.twins import twin_objective
from embedpipe.text.token_store import TokenStore

if TYPE_CHECKING:
    from embedpipe.config import SentencesConfig
    from embedpipe.sentences.network import SentenceNetwork

__all__ = ["TrainingPlan", "plan_training", "watch_neighbours"]

_FROM_TEXT = ("neighbours", "twins", "crops", "language_model", "denoising")
_HELD_OUT_SEED = 1


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """What a training learns from and what it is measured by.

    Parameters
    ----------
    objectives : in the order of their numbers in the mixture.
    choosing : what the best state is chosen by.
    labelled : the labelled objectives on what is held out of their data.
    notes : what was asked for and could not be had.
    """

    choosing: Choosing
    objectives: list[Objective] = field(default_factory=list)
    labelled: list[Watched] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def plan_training(
    network: "SentenceNetwork",
    train: TokenStore | None,
    validation: TokenStore | None,
    labelled: Sequence[Labelled],
    config: "SentencesConfig",
    setup: Setup,
    decoder: MakeDecoder | None = None,
) -> TrainingPlan:
    """Return the objectives that `config` gives a weight and the data allow, with what the best state is chosen by.

    Label-free objectives are watched through the neighbouring sentences of `validation`, whichever they are, and
    each labelled one on a tenth of its rows. What the data do not allow is noted, as long as an objective is left.

    Parameters
    ----------
    decoder : makes what denoising writes with.

    Raises
    ------
    NotEnoughDataError
        If the data allow none of the objectives that have a weight.
    ConfigError
        If none has one, or the language model alone, or denoising has one and no decoder is given.
    """
    plan = TrainingPlan(Choosing(config.choose_by))
    missing = _add_from_text(plan, network, train, config, setup, decoder)
    weight = sum(objective.weight for objective in plan.objectives)
    if weight and validation is not None:
        neighbours = watch_neighbours(validation, setup, config.held_out)
        if neighbours.batches:
            plan.choosing.watched.append((neighbours, weight))
        else:
            plan.notes.append("no held-out neighbouring sentences to choose the best state by")
    for data in labelled:
        _add_labelled(plan, data, network.shape.dim, config, setup)
    if plan.objectives and all(isinstance(objective, LanguageModelObjective) for objective in plan.objectives):
        raise ConfigError(
            "sentences.language_model is the only objective, and it trains what is read, not the vectors of sentences: "
            "set sentences.neighbours or another above 0 too"
        )
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


def watch_neighbours(store: TokenStore, setup: Setup, most: int) -> Watched:
    """Return up to `most` pairs of neighbouring sentences of `store` as what is measured on, in whole batches.

    There are no batches where it has none.
    """
    setup = replace(setup, seed=_HELD_OUT_SEED, damage=Damage())
    objective = neighbour_objective(store, TokenSource(store.tokens, setup.device), 0.0, setup)
    try:
        return Watched(objective, _held_out(objective, most // setup.batch), parts=setup.parts)
    except NotEnoughDataError:
        return Watched(objective, [])


def _add_from_text(
    plan: TrainingPlan,
    network: "SentenceNetwork",
    store: TokenStore | None,
    config: "SentencesConfig",
    setup: Setup,
    decoder: MakeDecoder | None,
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
                objective = twin_objective(store, source, weight, setup, config.twins_delete_p)
            elif name == "crops":
                objective = crop_objective(store, source, weight, setup)
            elif name == "language_model":
                objective = LanguageModelObjective(store, source, weight, setup, network)
            else:
                objective = _denoising(store, source, weight, setup, network.shape.dim, decoder)
            next(objective.batches(0))
        except NotEnoughDataError as error:
            missing.append(error)
        else:
            plan.objectives.append(objective)
    return missing


def _denoising(
    store: TokenStore, source: TokenSource, weight: float, setup: Setup, dim: int, decoder: MakeDecoder | None
) -> DenoisingObjective:
    if decoder is None:
        raise ConfigError(
            "sentences.denoising is above 0, which needs a decoder that writes sentences from their vectors: give one, "
            "made by embedpipe.generation.from_vector.decoder_like, or set it to 0"
        )
    return DenoisingObjective(store, source, weight, setup, decoder(store, dim, setup.device))


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
        batches = watched.once(config.held_out)
    else:
        batches = _held_out(watched, min(len(held), config.held_out) // setup.batch)
    plan.labelled.append(Watched(watched, batches, len(train), len(held), data.dropped, setup.parts))
    plan.choosing.watched.append((plan.labelled[-1], weight))


def _labelled_objective(data: Labelled, weight: float, dim: int, config: "SentencesConfig", setup: Setup) -> Objective:
    if data.kind == "pairs":
        return pair_objective(data, weight, setup)
    if data.kind == "inference":
        return InferenceObjective(data, weight, setup, dim)
    return ScoreObjective(data, weight, setup, config.score_loss)


def _held_out(objective: Objective, n: int) -> list[Batch]:
    return list(islice(objective.batches(0), max(n, 1)))

"""Training the sentence encoder on whatever mixture of objectives its settings and the data at hand allow."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embedpipe.nn.checkpoint import Checkpoints, fingerprint_of
from embedpipe.nn.curve import training_curve
from embedpipe.nn.fit import FitResult, fit
from embedpipe.nn.memory import Parts
from embedpipe.nn.optimizers import make_optimizers, set_sparse
from embedpipe.runtime import Evaluated, Event, Listener, silent
from embedpipe.sentences.choosing import Choosing, Figures, Watched
from embedpipe.sentences.damage import Damage, nearest_words
from embedpipe.sentences.finish import finish
from embedpipe.sentences.labelled import Labelled
from embedpipe.sentences.nested import check_nested
from embedpipe.sentences.network import SentenceNetwork
from embedpipe.sentences.objectives.denoising import MakeDecoder
from embedpipe.sentences.objectives.mixture import Mixture, Trainee
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.sentences.plan import TrainingPlan, plan_training, watch_neighbours
from embedpipe.sentences.start import start_network
from embedpipe.sentences.trained import Learnt, TrainedEncoder
from embedpipe.text.token_store import TokenStore

if TYPE_CHECKING:
    from embedpipe.config import SentencesConfig
    from embedpipe.words.bag import Bag

__all__ = ["begin_training", "optimizers_of", "train_encoder"]

_STAGE = "sentences"
_EVALUATIONS = 8


def train_encoder(
    bag: "Bag",
    train: TokenStore | None,
    validation: TokenStore | None,
    test: TokenStore | None,
    config: "SentencesConfig",
    *,
    seed: int,
    device: torch.device,
    labelled: Sequence[Labelled] = (),
    start: SentenceNetwork | None = None,
    decoder: MakeDecoder | None = None,
    checkpoint: Path | None = None,
    listener: Listener = silent,
) -> TrainedEncoder:
    """Train the encoder towards a mixture of objectives.

    What is held out (neighbouring sentences of the validation split, a tenth of each file of labelled data) is measured
    before, during and after training, and the state with the lowest error by `Choosing`, or the lowest loss where
    `config.choose_by` says so, is taken: by this measure training never makes the encoder worse than its start. No
    public probe and no test split chooses. Of a new encoder that learnt from text alone the head is then dropped, and
    the averages are whitened (`finish`); labels have trained their head for themselves, nested widths are an order of
    its components, and an encoder that goes on keeps what it has. What is reported is measured on what is returned,
    on pairs of the test split, and for labelled data on that tenth, which the state was chosen by.

    Parameters
    ----------
    bag : vectors and weights of the sentence space.
    train, validation, test : stores of disjoint documents, or None where there is no text; without anything held out
        the last state is returned.
    config : objectives, widths, steps, batch, temperature and rates. A `bag` has nothing to train and stays as it is.
    seed : fixes the start, the batches and the dropout.
    device : where to train; the network comes back on the CPU, in evaluation mode.
    labelled : what `read_labelled` gives.
    start : a network to go on from, which is copied; its shape stands in place of the one that `config` asks for.
    decoder : makes what denoising writes with, such as `generation.from_vector.decoder_like`.
    checkpoint : folder in which the state of the training is kept and gone on from; the caller removes it.

    Raises
    ------
    NotEnoughDataError
        If the data allow none of the objectives that have a weight.
    ConfigError
        If no objective has a weight, denoising has one without a decoder, or a nested width is not below the width of
        the vectors.
    DeviceError
        If memory runs out with one row at a time too.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        network, setup = begin_training(bag, config, labelled, start, seed=seed, device=device, listener=listener)
        trains = network.shape.architecture != "bag"
        plan = TrainingPlan(Choosing(config.choose_by))
        if trains:
            plan = plan_training(network, train, validation, labelled, config, setup, decoder)
        neighbours = None if test is None else watch_neighbours(test, setup, config.held_out)
        before = _measured(neighbours, network)
        labelled_before = [one.measure(network) for one in plan.labelled]
        kept = None
        if checkpoint is not None:
            arrays = _arrays(bag, (train, validation), labelled, [start, *_heads(plan)])
            kept = Checkpoints(checkpoint, fingerprint_of(config.model_dump(mode="json"), seed, *arrays))
        torch.manual_seed(seed)
        run = _fitted(network, plan, config, setup, kept, listener) if trains else None
    if trains and start is None and train is not None and not plan.labelled and not config.nested_dims:
        plan.notes.extend(finish(network, train, config, setup))
    after = _measured(neighbours, network)
    labelled_after = [one.measure(network) for one in plan.labelled]
    steps, best_step = (run.steps, run.best_step if plan.choosing else run.steps) if run else (0, 0)
    return TrainedEncoder(
        network=network.cpu(),
        before=before,
        after=after,
        candidates=setup.batch,
        best_step=best_step,
        steps=steps,
        stopped=run.stopped if run else None,
        weights={objective.name: objective.weight for objective in plan.objectives},
        chosen_by=tuple(plan.choosing.by) if run else (),
        learnt=tuple(map(_learnt, plan.labelled, labelled_before, labelled_after)),
        notes=tuple(plan.notes),
        curve=training_curve(run, plan.choosing.metric) if run else None,
    )


def _measured(watched: Watched | None, network: SentenceNetwork) -> Figures:
    return (math.nan, math.nan) if watched is None else watched.measure(network)


def begin_training(
    bag: "Bag",
    config: "SentencesConfig",
    labelled: Sequence[Labelled] = (),
    start: SentenceNetwork | None = None,
    *,
    seed: int,
    device: torch.device,
    listener: Listener = silent,
) -> tuple[SentenceNetwork, Setup]:
    """Return the network that training begins with, on `device` in evaluation mode, and what its objectives share.

    Parameters, and what is raised, are those of `train_encoder`; torch's generator is drawn from.
    """
    if start is None:
        network = start_network(bag, config, seed=seed)
    else:
        check_nested(config.nested_dims, start.shape.dim)
        network = SentenceNetwork(start.shape, config.dropout, input_p=config.input_p, embed_p=config.embed_p)
        network.load_state_dict(start.state_dict())
    if not config.words_learning_rate:
        network.embedding.requires_grad_(False)
    network = network.eval().to(device)
    set_sparse(network, device)
    synonyms = nearest_words(bag.vectors).to(device) if config.synonym_p else None
    damage = Damage(config.word_p, config.delete_p, config.swap_p, config.synonym_p, synonyms)
    rows = config.batch * (3 if any(data.negatives is not None for data in labelled) else 2)
    parts = Parts(rows, config.micro_batch, stage=_STAGE, listener=listener)
    setup = Setup.of(config, seed=seed, device=device, damage=damage, own=network.shape.own_dim, parts=parts)
    return network, setup


def _fitted(
    network: SentenceNetwork,
    plan: TrainingPlan,
    config: "SentencesConfig",
    setup: Setup,
    checkpoint: Checkpoints | None,
    listener: Listener,
) -> FitResult:
    choosing = plan.choosing
    start = choosing.begin(network)
    trainee = Trainee(network, plan.objectives, config.l1).eval()
    return fit(
        trainee,
        Mixture(plan.objectives, setup.seed).batches,
        lambda model, mixed: model(mixed),
        optimizers=optimizers_of(trainee, config),
        steps=config.steps,
        schedule=config.schedule,
        warmup=config.warmup,
        clip=config.clip,
        accumulate=config.accumulate,
        ema=config.ema,
        patience=config.patience,
        device=setup.device,
        precision=config.precision,
        stage=_STAGE,
        listener=_with_figures(choosing, listener),
        evaluate=(lambda: choosing.value(choosing.measure(network), start)) if choosing else None,
        metric=choosing.metric,
        evaluate_every=max(config.steps // _EVALUATIONS, 1),
        checkpoint=checkpoint,
        parts=setup.parts,
    )


def _with_figures(choosing: Choosing, listener: Listener) -> Listener:
    """Return a listener that is told what an evaluation was made of before it is told its value."""

    def told(event: Event) -> None:
        if isinstance(event, Evaluated):
            for name, value in choosing.seen.items():
                listener(Evaluated(event.stage, f"held-out {name}", value, event.step))
        listener(event)

    return told


def optimizers_of(trainee: Trainee, config: "SentencesConfig") -> list[torch.optim.Optimizer]:
    """Return the optimizers of a training, whose first group has `config.learning_rate`."""
    sparse, dense = trainee.decoder_tables()
    return make_optimizers(
        trainee,
        config.learning_rate,
        config.weight_decay,
        sparse=sparse,
        dense=dense,
        sparse_learning_rate=config.words_learning_rate or config.learning_rate,
    )


def _arrays(
    bag: "Bag",
    stores: Sequence[TokenStore | None],
    labelled: Sequence[Labelled],
    begun_as: Sequence[nn.Module | None],
) -> list[NDArray[Any]]:
    """Return all arrays that a training depends on."""
    arrays: list[NDArray[Any]] = [bag.vectors, bag.weights]
    for store in stores:
        if store is not None:
            arrays += [store.tokens, store.sentence_offsets, store.document_offsets]
    for data in labelled:
        negatives = np.empty(0, np.int64) if data.negatives is None else data.negatives
        arrays += [data.texts.tokens, data.texts.starts, data.members, data.values, negatives]
    for module in begun_as:
        if module is not None:
            arrays += [tensor.detach().cpu().numpy() for tensor in module.state_dict().values()]
    return arrays


def _heads(plan: TrainingPlan) -> list[nn.Module]:
    return [objective.heads for objective in plan.objectives if objective.heads is not None]


def _learnt(watched: Watched, before: Figures, after: Figures) -> Learnt:
    objective = watched.objective
    rows = (watched.n_train, watched.n_held_out, watched.n_dropped, watched.n_measured)
    return Learnt(objective.name, objective.agreement, before, after, *rows)

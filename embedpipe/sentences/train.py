"""Training the sentence encoder on neighbouring sentences: no labels, in-batch contrast."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from embedpipe.errors import NotEnoughDataError
from embedpipe.nn.batches import Padded, neighbour_batches
from embedpipe.nn.checkpoint import Checkpoints, fingerprint_of
from embedpipe.nn.distributed import gather_rows, n_processes, share_of_rows
from embedpipe.nn.fit import fit
from embedpipe.nn.optimizers import make_optimizers, set_sparse
from embedpipe.nn.precision import Precision
from embedpipe.runtime import Listener, silent
from embedpipe.sentences.network import EncoderShape, ResidualEncoder
from embedpipe.sentences.objectives import neighbour_loss, same_sentence
from embedpipe.text.token_store import TokenStore

if TYPE_CHECKING:
    from embedpipe.config import SentencesConfig
    from embedpipe.words.bag import Bag

__all__ = ["TrainedEncoder", "random_encoder", "train_encoder", "untrained_encoder"]

_STAGE = "sentences"
_EVALUATIONS = 8
_VALIDATION_PAIRS = 2_048
_VALIDATION_SEED = 1
_PROJECTION_SCALE = 0.01


@dataclass(frozen=True, slots=True)
class TrainedEncoder:
    """A trained network and how well it finds the neighbours of held-out sentences.

    Parameters
    ----------
    network : on the CPU, in evaluation mode.
    before, after : loss in nats and accuracy on fixed pairs of the test split, for the start and for `network`; NaN
        where it has no neighbouring sentences.
    candidates : how many sentences a neighbour is to be found among; fewer where some of them are the same.
    best_step : the training step that `network` comes from.
    steps : the steps taken.
    stopped : why training ended before its plan, or None.
    """

    network: ResidualEncoder
    before: tuple[float, float]
    after: tuple[float, float]
    candidates: int
    best_step: int
    steps: int
    stopped: str | None

    @property
    def summary(self) -> str:
        """The result in one line."""
        if math.isnan(self.after[0]):
            return f"{self.steps:,} steps; no held-out neighbouring sentences to measure on"
        return (
            f"finds the next sentence among up to {self.candidates} in {self.after[1]:.1%} of cases "
            f"(the bag it starts from: {self.before[1]:.1%}), best at step {self.best_step:,} of {self.steps:,}"
        )

    @property
    def result(self) -> dict[str, float | int]:
        """The figures of the result; those that could not be measured are left out."""
        figures = {
            "neighbour_loss": self.after[0],
            "neighbour_accuracy": self.after[1],
            "start_loss": self.before[0],
            "start_accuracy": self.before[1],
            "best_step": self.best_step,
        }
        return {name: value for name, value in figures.items() if not math.isnan(value)}


def untrained_encoder(bag: "Bag", config: "SentencesConfig", *, seed: int) -> ResidualEncoder:
    """Return the network that training starts from: the bag's vectors and weights below a random LSTM.

    Parameters
    ----------
    bag : vectors and weights of the sentence space, row *i* for token id *i*.
    """
    n_tokens, dim = bag.vectors.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResidualEncoder(EncoderShape(n_tokens, dim, config.hidden, config.pooling), config.dropout)
    weights = torch.from_numpy(np.array(bag.weights, dtype=np.float32))
    known = weights > 0
    with torch.no_grad():
        network.embedding.weight.copy_(torch.from_numpy(np.array(bag.vectors, dtype=np.float32)))
        network.log_weight.weight.copy_(torch.where(known, weights, 1.0).log()[:, None])
        network.known.copy_(known)
        network.projection.weight.mul_(_PROJECTION_SCALE)
        network.projection.bias.zero_()
    return network.eval()


def random_encoder(bag: "Bag", config: "SentencesConfig", *, seed: int) -> ResidualEncoder:
    """Return a network of the same shape in which nothing is learnt but the word vectors: the baseline of trained ones.

    A random LSTM over the bag's vectors and a random projection, without the average under it (Wieting & Kiela, 2019,
    "No Training Required").
    """
    network = untrained_encoder(bag, config, seed=seed)
    with torch.no_grad():
        network.log_weight.weight.fill_(-torch.inf)
        network.projection.weight.div_(_PROJECTION_SCALE)
    return network


def train_encoder(
    bag: "Bag",
    train: TokenStore,
    validation: TokenStore,
    test: TokenStore,
    config: "SentencesConfig",
    *,
    seed: int,
    device: torch.device,
    precision: Precision = "auto",
    checkpoint: Path | None = None,
    listener: Listener = silent,
) -> TrainedEncoder:
    """Train the encoder so that a sentence finds its neighbour among those of a batch.

    The loss on a fixed sample of pairs of the validation split is measured before, during and after training, and
    the state with the lowest is returned, so that by this measure training never makes the encoder worse than the
    bag. What is reported is measured on pairs of the test split.

    Parameters
    ----------
    bag : vectors and weights of the sentence space.
    train, validation, test : stores of disjoint documents; without neighbouring sentences in `validation` the last
        state is returned.
    config : widths, steps, batch (of each process), temperature and rates.
    seed : fixes the start, the pairs and the dropout.
    device : where to train; the network comes back on the CPU, in evaluation mode.
    checkpoint : folder in which the state of the training is kept and gone on from; the caller removes it.

    Raises
    ------
    NotEnoughDataError
        If no document of `train` holds two sentences.
    """
    network = untrained_encoder(bag, config, seed=seed).to(device)
    set_sparse(network, device)
    kept = None
    if checkpoint is not None:
        stores = [(store.tokens, store.sentence_offsets, store.document_offsets) for store in (train, validation)]
        arrays = [bag.vectors, bag.weights, *(array for store in stores for array in store)]
        kept = Checkpoints(
            checkpoint,
            fingerprint_of(config.model_dump(mode="json"), seed, n_processes(), device.type, precision, *arrays),
        )

    def batches(start: int) -> Iterator[Padded]:
        n = config.steps * config.accumulate
        rng = np.random.default_rng(seed)
        return islice(
            neighbour_batches(train, config.batch * n_processes(), n, rng, config.max_tokens, device), start, None
        )

    watched, reported = (_held_out(store, config, device) for store in (validation, test))
    start = _measure(network, reported, config.temperature)

    def loss(model: nn.Module, batch: Padded) -> Tensor:
        return _contrast(model, batch, config.temperature)[0]

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        run = fit(
            network,
            batches,
            loss,
            optimizers=make_optimizers(network, config.learning_rate, config.weight_decay),
            steps=config.steps,
            schedule=config.schedule,
            warmup=config.warmup,
            clip=config.clip,
            accumulate=config.accumulate,
            ema=config.ema,
            patience=config.patience,
            device=device,
            precision=precision,
            stage=_STAGE,
            listener=listener,
            evaluate=(lambda: _measure(network, watched, config.temperature)[0]) if watched else None,
            evaluate_every=max(config.steps // _EVALUATIONS, 1),
            checkpoint=kept,
        )
    end = _measure(network, reported, config.temperature)
    best_step = run.best_step if watched else run.steps
    return TrainedEncoder(network.cpu(), start, end, config.batch, best_step, run.steps, run.stopped)


def _contrast(model: nn.Module, batch: Padded, temperature: float) -> tuple[Tensor, Tensor]:
    part = share_of_rows(batch) if torch.is_grad_enabled() else batch
    vectors = model(part.ids, part.lengths)
    first, second = (gather_rows(vectors, len(batch.lengths)) if part is not batch else vectors).chunk(2)
    return neighbour_loss(first, second, same_sentence(batch.ids, batch.lengths), temperature)


def _held_out(validation: TokenStore, config: "SentencesConfig", device: torch.device) -> list[Padded]:
    """Return fixed batches of held-out pairs, none where there are no neighbouring sentences."""
    rng = np.random.default_rng(_VALIDATION_SEED)
    steps = max(_VALIDATION_PAIRS // config.batch, 1)
    try:
        return list(neighbour_batches(validation, config.batch, steps, rng, config.max_tokens, device))
    except NotEnoughDataError:
        return []


def _measure(network: ResidualEncoder, batches: list[Padded], temperature: float) -> tuple[float, float]:
    """Return the mean loss and accuracy over the batches, NaN when there are none."""
    if not batches:
        return math.nan, math.nan
    with torch.no_grad():
        figures = [_contrast(network, batch, temperature) for batch in batches]
    loss, accuracy = (float(np.mean([float(pair[i]) for pair in figures])) for i in (0, 1))
    return loss, accuracy

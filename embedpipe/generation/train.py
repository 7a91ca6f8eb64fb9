"""Training of the language model on the token stream of a store."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from embedpipe.errors import NotEnoughDataError
from embedpipe.generation.evaluation import (
    bigram_perplexity,
    held_out,
    perplexity,
    unigram_perplexity,
    unigram_probabilities,
)
from embedpipe.generation.language_model import Dropouts, LanguageModel, Shape, initial_table
from embedpipe.generation.noise import UnigramNoise
from embedpipe.generation.stream import Window, windows
from embedpipe.generation.truncated import Penalties, Softmax, Truncated, own_rows
from embedpipe.nn.checkpoint import Checkpoints, fingerprint_of
from embedpipe.nn.clusters import automatic_cutoffs
from embedpipe.nn.curve import training_curve
from embedpipe.nn.distributed import n_processes
from embedpipe.nn.fit import fit
from embedpipe.nn.memory import Parts
from embedpipe.nn.optimizers import make_optimizers
from embedpipe.nn.softmax import FullSoftmax, SampledSoftmax
from embedpipe.runtime import Evaluated, Listener, silent
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, Vocabulary

if TYPE_CHECKING:
    from embedpipe.config import GenerationConfig

__all__ = [
    "TrainedGenerator",
    "begin_training",
    "shape_of",
    "softmax_of",
    "steps_of",
    "stream_counts",
    "train_language_model",
    "windows_of",
]

_STAGE = "generation"
_FULL_SOFTMAX_LIMIT = 8_000
_WATCHED_TOKENS = 10_000
_SCORED_TOKENS = 50_000
_EVALUATIONS = 6
_WITHOUT_END = 10**9
_METRIC = "validation perplexity"


@dataclass(frozen=True, slots=True)
class TrainedGenerator:
    """A trained language model and how well it predicts held-out text.

    Parameters
    ----------
    model : on the device it was trained on, in evaluation mode.
    perplexity : on a sample of the test split, full softmax, ``<unk>`` counted as a token.
    unigram_perplexity, bigram_perplexity : of the counting baselines on the same sample.
    unknown_share : share of ``<unk>`` among the predicted tokens of the sample.
    n_scored : predicted tokens in the sample.
    n_tokens_seen : training tokens that the model has read, repeats counted.
    stopped : why training ended before its plan, or None.
    curve : how the training went, as `training_curve` gives it.
    timeline : seconds of training and the perplexity on the watched sample of `validation` after them.
    """

    model: LanguageModel
    perplexity: float
    unigram_perplexity: float
    bigram_perplexity: float
    unknown_share: float
    n_scored: int
    n_tokens_seen: int
    stopped: str | None = None
    curve: dict[str, Any] = field(default_factory=dict)
    timeline: tuple[tuple[float, float], ...] = ()


def train_language_model(
    vectors: NDArray[np.float32],
    vocabulary: Vocabulary,
    train: TokenStore,
    validation: TokenStore,
    test: TokenStore,
    config: "GenerationConfig",
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path | None = None,
    seconds: float = 0.0,
    listener: Listener = silent,
) -> TrainedGenerator:
    """Train a next-word model on a store, beginning with word vectors.

    Whitened vectors of one length (`Bag.vectors`) begin better than published ones, whose frequent words are short,
    and both better than random ones.

    The state with the lowest perplexity on `validation` is kept; what is reported is measured on `test`. Under one
    seed, number of threads and deterministic algorithms the weights are the same to the bit. torch's global generator
    is left as it was found.

    Parameters
    ----------
    vectors : float32 of shape (len(vocabulary), dim); zero rows become random ones.
    train, validation, test : splits of one corpus; one of fewer than three tokens falls back on the one before it.
    checkpoint : folder in which the state of the training is kept and gone on from; the caller removes it.
    seconds : of training, in place of steps; evaluations do not count. 0: by steps.

    Raises
    ------
    NotEnoughDataError
        If the training split has fewer than 3 tokens.
    """
    tokens = train.tokens
    if len(tokens) < 3:
        raise NotEnoughDataError(
            f"{train.path}: {len(tokens)} tokens are too few to train a generator; give it more text"
        )
    counts = stream_counts(vocabulary, train)
    held_tokens = [store.tokens for store in (train, validation, test) if len(store.tokens) >= 3]
    watched = held_out(held_tokens[min(1, len(held_tokens) - 1)], limit=_WATCHED_TOKENS)
    scored = held_out(held_tokens[-1], limit=_SCORED_TOKENS)
    kept = None
    if checkpoint is not None:
        arrays = [vectors, counts, tokens, held_tokens[min(1, len(held_tokens) - 1)]]
        kept = Checkpoints(
            checkpoint, fingerprint_of(config.model_dump(mode="json"), seed, n_processes(), device.type, *arrays)
        )

    steps = _WITHOUT_END if seconds else steps_of(config, len(tokens))

    def batches(start: int) -> Iterator[Window]:
        rows = config.batch * n_processes()
        return map(own_rows, windows_of(tokens, config, rows, device=device, seed=seed, start=start))

    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        model, optimizers, objective = begin_training(vectors, counts, config, seed=seed, device=device)
        objective.parts = Parts(config.batch, stage=_STAGE, listener=listener)
        result = fit(
            model,
            batches,
            objective,
            optimizers=optimizers,
            steps=steps,
            seconds=seconds,
            schedule=config.schedule,
            warmup=config.warmup,
            clip=config.clip,
            device=device,
            stage=_STAGE,
            listener=listener,
            evaluate=lambda: perplexity(model, watched),
            ema=config.ema,
            patience=config.patience,
            precision=config.precision,
            evaluate_every=max(1, -(-steps // _EVALUATIONS)),
            metric=_METRIC,
            checkpoint=kept,
            carried=[objective],
            parts=objective.parts,
        )
    final = perplexity(model, scored)
    listener(Evaluated(_STAGE, "perplexity", final, result.best_step))
    return TrainedGenerator(
        model,
        final,
        unigram_perplexity(counts, scored),
        bigram_perplexity(tokens, counts, scored),
        scored.unknown_share,
        scored.n_scored,
        objective.n_tokens,
        result.stopped,
        training_curve(result, _METRIC),
        tuple((at, value) for at, (_, value) in zip(result.elapsed, result.history, strict=True)),
    )


def begin_training(
    vectors: NDArray[np.float32],
    counts: NDArray[np.float64],
    config: "GenerationConfig",
    *,
    seed: int,
    device: torch.device,
) -> tuple[LanguageModel, list[torch.optim.Optimizer], Truncated]:
    """Return the model that training begins with, its optimizers and its loss; draws from torch's global generator.

    Parameters
    ----------
    vectors : as `train_language_model` takes them.
    counts : what `stream_counts` gives.
    """
    softmax = softmax_of(config, len(counts))
    # With a softmax over all rows the gradient of a tied table is full, and lazy Adam is not the Adam of the books.
    scattered = softmax == "sampled" or (softmax == "adaptive" and not config.tied)
    model = LanguageModel(
        shape_of(config, len(counts), vectors.shape[1]),
        Dropouts(config.input_p, config.hidden_p, config.output_p, config.embed_p, config.weight_p),
        sparse=scattered and device.type == "cpu",
    )
    known = vectors if config.start == "vectors" else np.zeros_like(vectors)
    table = initial_table(known, config.initial_norm, torch.Generator().manual_seed(seed))
    model.initialise(table, unigram_probabilities(counts))
    model.to(device)
    tables = [model.table] if model.output is None else [model.table, model.output]
    sparse = [table for table in tables if model.sparse and (table is model.table or softmax == "sampled")]
    optimizers = make_optimizers(
        model,
        config.learning_rate,
        config.weight_decay,
        sparse=sparse,
        dense=[table for table in tables if not any(table is other for other in sparse)],
    )
    comparing: Softmax
    if softmax == "sampled":
        comparing = SampledSoftmax(counts, config.samples, device, sparse=model.sparse)
    else:
        comparing = FullSoftmax() if model.clusters is None else model.clusters
    noise = UnigramNoise(counts, config.noise_p, device) if config.noise_p else None
    return model, optimizers, Truncated(comparing, device, Penalties(config.ar, config.tar, config.l1), noise)


def windows_of(
    tokens: NDArray[np.uint32],
    config: "GenerationConfig",
    rows: int,
    *,
    device: torch.device,
    seed: int,
    start: int = 0,
) -> Iterator[Window]:
    """Return the windows that the settings ask for, `rows` stretches side by side, without end."""
    return windows(
        tokens,
        batch=rows,
        bptt=config.bptt,
        device=device,
        seed=seed,
        start=start,
        variable=config.variable_bptt,
    )


def shape_of(config: "GenerationConfig", n_tokens: int, dim: int) -> Shape:
    """Return the shape of the network that the settings ask for.

    Raises
    ------
    ConfigError
        If the heads do not divide `dim`, or the cutoffs lie outside the vocabulary.
    """
    cutoffs: tuple[int, ...] = ()
    if softmax_of(config, n_tokens) == "adaptive":
        cutoffs = config.cutoffs or automatic_cutoffs(n_tokens)
    sizes = n_tokens, dim, config.hidden, config.layers
    return Shape(*sizes, config.architecture, config.tied, config.heads, config.context, cutoffs)


def steps_of(config: "GenerationConfig", n_tokens: int) -> int:
    """Return how many windows a training on a stream of `n_tokens` reads.

    >>> from embedpipe.config import GenerationConfig
    >>> steps_of(GenerationConfig(epochs=2, batch=4, bptt=10), 1_001), steps_of(GenerationConfig(steps=7), 1_001)
    (50, 7)
    """
    return math.ceil(config.epochs * (n_tokens - 1) / (config.batch * config.bptt)) if config.epochs else config.steps


def softmax_of(config: "GenerationConfig", n_tokens: int) -> Literal["full", "sampled", "adaptive"]:
    """Return the softmax that a vocabulary of `n_tokens` is trained with.

    >>> from embedpipe.config import GenerationConfig
    >>> softmax_of(GenerationConfig(), 8_000), softmax_of(GenerationConfig(), 8_001)
    ('full', 'sampled')
    """
    if config.softmax == "auto":
        return "sampled" if n_tokens > _FULL_SOFTMAX_LIMIT else "full"
    return config.softmax


def stream_counts(vocabulary: Vocabulary, train: TokenStore) -> NDArray[np.float64]:
    """Return how often each token stands in the training stream: the counts, and one ``<eos>`` for each sentence."""
    counts = vocabulary.counts.astype(np.float64)
    counts[EOS] = train.n_sentences
    return counts

"""What the settings of the language model ask for: its shape, its softmax, how it begins, and its windows."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embedpipe.generation.evaluation import unigram_probabilities
from embedpipe.generation.language_model import Dropouts, LanguageModel, Shape, initial_table
from embedpipe.generation.noise import UnigramNoise
from embedpipe.generation.stream import Window, rows_of, windows
from embedpipe.generation.truncated import Penalties, Softmax, Truncated
from embedpipe.nn.clusters import automatic_cutoffs
from embedpipe.nn.optimizers import make_optimizers
from embedpipe.nn.softmax import FullSoftmax, SampledSoftmax
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, Vocabulary

if TYPE_CHECKING:
    from embedpipe.config import GenerationConfig

__all__ = [
    "begin_model",
    "begin_training",
    "is_scattered",
    "language_model_optimizers",
    "shape_of",
    "softmax_of",
    "steps_of",
    "stream_counts",
    "tables_of",
    "windows_of",
]

_FULL_SOFTMAX_LIMIT = 8_000


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
    model = begin_model(vectors, counts, config, seed=seed, device=device)
    optimizers = language_model_optimizers(model, config.learning_rate, config.weight_decay)
    comparing: Softmax
    if softmax == "sampled":
        comparing = SampledSoftmax(counts, config.samples, device, sparse=model.sparse)
    else:
        comparing = FullSoftmax() if model.clusters is None else model.clusters
    noise = UnigramNoise(counts, config.noise_p, device) if config.noise_p else None
    return model, optimizers, Truncated(comparing, device, Penalties(config.ar, config.tar, config.l1), noise)


def begin_model(
    vectors: NDArray[np.float32],
    counts: NDArray[np.float64],
    config: "GenerationConfig",
    *,
    seed: int,
    device: torch.device,
) -> LanguageModel:
    """Return the model that training begins with, alone; parameters and draws are those of `begin_training`."""
    scattered = is_scattered(softmax_of(config, len(counts)), tied=config.tied)
    model = LanguageModel(
        shape_of(config, len(counts), vectors.shape[1]),
        Dropouts(config.input_p, config.hidden_p, config.output_p, config.embed_p, config.weight_p),
        sparse=scattered,
    )
    known = vectors if config.start == "vectors" else np.zeros_like(vectors)
    table = initial_table(known, config.initial_norm, torch.Generator().manual_seed(seed))
    model.initialise(table, unigram_probabilities(counts))
    return model.to(device)


def is_scattered(softmax: Literal["full", "sampled", "adaptive"], *, tied: bool) -> bool:
    """Return whether a step leaves most rows of the input table without a gradient.

    With a softmax over all rows the gradient of a tied table is full, and lazy Adam is not the Adam of the books.

    >>> is_scattered("sampled", tied=True), is_scattered("adaptive", tied=True), is_scattered("adaptive", tied=False)
    (True, False, True)
    """
    return softmax == "sampled" or (softmax == "adaptive" and not tied)


def language_model_optimizers(
    model: LanguageModel, learning_rate: float, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """Return the optimizers of a language model; weight decay falls on none of its tables."""
    sparse, dense = tables_of(model)
    return make_optimizers(model, learning_rate, weight_decay, sparse=sparse, dense=dense)


def tables_of(model: LanguageModel) -> tuple[tuple[nn.Parameter, ...], tuple[nn.Parameter, ...]]:
    """Return the tables of words of which a step reads a few rows, and those of which it reads all.

    Of the table of a sparse model it reads few, and of its output too, unless clusters look at all of its rows.
    """
    tables = (model.table,) if model.output is None else (model.table, model.output)
    n_sparse = (2 if model.clusters is None else 1) if model.sparse else 0
    return tables[:n_sparse], tables[n_sparse:]


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


def steps_of(config: "GenerationConfig", n_tokens: int, n_processes: int = 1) -> int:
    """Return how many windows a training on a stream of `n_tokens` reads, in each of several processes.

    A pass over a stream that is too short for all rows has fewer or shorter windows, and is a pass all the same.

    >>> from embedpipe.config import GenerationConfig
    >>> steps_of(GenerationConfig(epochs=10, batch=32, bptt=35), 41)
    10
    >>> steps_of(GenerationConfig(epochs=2, batch=4, bptt=10), 1_001), steps_of(GenerationConfig(steps=7), 1_001)
    (50, 7)
    """
    if not config.epochs:
        return config.steps
    row = int(rows_of(n_tokens, config.batch * n_processes)[1])
    windows = row / config.bptt if row >= config.bptt else 1
    return math.ceil(config.epochs * windows)


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

"""Learning rate and batch size of the language model, found by trying them for a few steps."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from embedpipe.generation.begin import begin_training, stream_counts, windows_of
from embedpipe.generation.stream import Window, rows_of
from embedpipe.nn.precision import loss_scaler, tensor_cores
from embedpipe.nn.search import BatchTest, RateTest, find_batch, in_precision, range_test
from embedpipe.runtime import Listener, silent
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from embedpipe.config import GenerationConfig

__all__ = ["search_batch", "search_rate"]


def search_rate(
    vectors: NDArray[np.float32],
    vocabulary: Vocabulary,
    train: TokenStore,
    config: "GenerationConfig",
    *,
    seed: int,
    device: torch.device,
    steps: int = 100,
    listener: Listener = silent,
) -> RateTest:
    """Run a range test (`nn.search.range_test`) on the windows of `train`."""
    counts = stream_counts(vocabulary, train)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), tensor_cores(device):
        torch.manual_seed(seed)
        model, optimizers, objective = begin_training(vectors, counts, config, seed=seed, device=device)
        return range_test(
            lambda: model,
            windows_of(train.tokens, config, config.batch, device=device, seed=seed),
            in_precision(objective, device, config.precision),
            optimizers=lambda _: optimizers,
            steps=steps,
            clip=config.clip,
            scaler=loss_scaler(config.precision, device),
            listener=listener,
        )


def search_batch(
    vectors: NDArray[np.float32],
    vocabulary: Vocabulary,
    train: TokenStore,
    config: "GenerationConfig",
    *,
    seed: int,
    device: torch.device,
    listener: Listener = silent,
) -> BatchTest:
    """Find the batch (`nn.search.find_batch`); its rows are stretches of `config.bptt` tokens."""
    counts = stream_counts(vocabulary, train)

    def batches(size: int) -> Iterator[Window]:
        if len(rows_of(len(train.tokens), size)) - 1 < size:
            return iter(())
        return windows_of(train.tokens, config, size, device=device, seed=seed)

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), tensor_cores(device):
        torch.manual_seed(seed)
        model, optimizers, objective = begin_training(vectors, counts, config, seed=seed, device=device)
        return find_batch(
            lambda: model,
            batches,
            in_precision(objective, device, config.precision),
            n_rows=lambda window: len(window.inputs),
            optimizers=lambda _: optimizers,
            device=device,
            smallest=8,
            scaler=loss_scaler(config.precision, device),
            listener=listener,
        )

"""Learning rate and batch size of the sentence encoder, found by trying them for a few steps."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from embedpipe.nn.precision import loss_scaler, tensor_cores
from embedpipe.nn.search import BatchTest, RateTest, find_batch, in_precision, range_test
from embedpipe.runtime import Listener, silent
from embedpipe.sentences.labelled import Labelled
from embedpipe.sentences.objectives.denoising import Decoder, MakeDecoder
from embedpipe.sentences.objectives.mixture import Mixed, Mixture, Trainee
from embedpipe.sentences.plan import plan_training
from embedpipe.sentences.train import begin_training, optimizers_of
from embedpipe.text.token_store import TokenStore

if TYPE_CHECKING:
    from embedpipe.config import SentencesConfig
    from embedpipe.words.bag import Bag

__all__ = ["search_batch", "search_rate"]


def search_rate(
    bag: "Bag",
    train: TokenStore,
    config: "SentencesConfig",
    labelled: Sequence[Labelled] = (),
    decoder: MakeDecoder | None = None,
    *,
    seed: int,
    device: torch.device,
    steps: int = 100,
    listener: Listener = silent,
) -> RateTest:
    """Run a range test (`nn.search.range_test`) on the objectives of `config`; the words' rate keeps its ratio."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), tensor_cores(device):
        torch.manual_seed(seed)
        network, setup = begin_training(bag, config, labelled, seed=seed, device=device)
        plan = plan_training(network, train, None, labelled, config, setup, decoder)
        trainee = Trainee(network, plan.objectives, config.l1)
        return range_test(
            lambda: trainee,
            Mixture(plan.objectives, seed).batches(0),
            in_precision(lambda model, mixed: model(mixed), device, config.precision),
            optimizers=lambda _: optimizers_of(trainee, config),
            steps=steps,
            clip=config.clip,
            scaler=loss_scaler(config.precision, device),
            listener=listener,
        )


def search_batch(
    bag: "Bag",
    train: TokenStore,
    config: "SentencesConfig",
    labelled: Sequence[Labelled] = (),
    decoder: MakeDecoder | None = None,
    *,
    seed: int,
    device: torch.device,
    listener: Listener = silent,
) -> BatchTest:
    """Find the batch (`nn.search.find_batch`) for the objectives of `config`; its rows are items, such as pairs."""

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), tensor_cores(device):
        torch.manual_seed(seed)
        network, setup = begin_training(bag, config, labelled, seed=seed, device=device)
        # Made once: batches of every size are read by the same one, and a second would count in the memory.
        decoder = None if decoder is None else _made_once(decoder)

        def batches(size: int) -> Iterator[Mixed]:
            sized = replace(setup, batch=size)
            sized_plan = plan_training(network, train, None, labelled, config, sized, decoder)
            return Mixture(sized_plan.objectives, seed).batches(0)

        plan = plan_training(network, train, None, labelled, config, setup, decoder)
        trainee = Trainee(network, plan.objectives, config.l1)
        return find_batch(
            lambda: trainee,
            batches,
            in_precision(lambda model, mixed: model(mixed), device, config.precision),
            n_rows=lambda mixed: len(mixed.batch.tags),
            optimizers=lambda _: optimizers_of(trainee, config),
            device=device,
            scaler=loss_scaler(config.precision, device),
            listener=listener,
        )


def _made_once(make: MakeDecoder) -> MakeDecoder:
    """Return what makes a decoder at the first call, and gives the same one at every other."""
    made: list[Decoder] = []

    def once(store: TokenStore, dim: int, device: torch.device) -> Decoder:
        if not made:
            made.append(make(store, dim, device))
        return made[0]

    return once

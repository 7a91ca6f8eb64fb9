"""Learning rate and batch size of the sentence encoder, found by trying them for a few steps."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from embedpipe.nn.optimizers import set_sparse
from embedpipe.nn.search import BatchTest, RateTest, find_batch, in_precision, range_test
from embedpipe.runtime import Listener, silent
from embedpipe.sentences.labelled import Labelled
from embedpipe.sentences.objectives.mixture import Mixed, Mixture, Trainee
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.sentences.plan import plan_training
from embedpipe.sentences.train import damage_of, first_network, optimizers_of
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
    *,
    seed: int,
    device: torch.device,
    steps: int = 100,
    listener: Listener = silent,
) -> RateTest:
    """Run a range test (`nn.search.range_test`) on the objectives of `config`; the words' rate keeps its ratio."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        trainee, mixture = _begin(bag, train, config, labelled, seed, device)
        return range_test(
            lambda: trainee,
            mixture.batches(0),
            in_precision(lambda model, mixed: model(mixed), device, config.precision),
            optimizers=lambda _: optimizers_of(trainee, config),
            steps=steps,
            clip=config.clip,
            listener=listener,
        )


def search_batch(
    bag: "Bag",
    train: TokenStore,
    config: "SentencesConfig",
    labelled: Sequence[Labelled] = (),
    *,
    seed: int,
    device: torch.device,
    listener: Listener = silent,
) -> BatchTest:
    """Find the batch (`nn.search.find_batch`) for the objectives of `config`; its rows are items, such as pairs."""

    def begin(size: int) -> tuple[Trainee, Mixture]:
        return _begin(bag, train, config.model_copy(update={"batch": size}), labelled, seed, device)

    def batches(size: int) -> Iterator[Mixed]:
        return begin(size)[1].batches(0)

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        return find_batch(
            lambda: begin(config.batch)[0],
            batches,
            in_precision(lambda model, mixed: model(mixed), device, config.precision),
            n_rows=lambda mixed: len(mixed.batch.tags),
            optimizers=lambda model: optimizers_of(model, config),
            device=device,
            listener=listener,
        )


def _begin(
    bag: "Bag",
    train: TokenStore,
    config: "SentencesConfig",
    labelled: Sequence[Labelled],
    seed: int,
    device: torch.device,
) -> tuple[Trainee, Mixture]:
    """Return what training begins with."""
    network = first_network(bag, config, seed, None).to(device)
    set_sparse(network, device)
    damage, own = damage_of(bag, config, device), network.shape.own_dim
    setup = Setup.of(config, seed=seed, device=device, damage=damage, own=own)
    plan = plan_training(network, train, None, labelled, config, setup)
    return Trainee(network, plan.objectives, config.l1), Mixture(plan.objectives, seed)

"""Words that a network reads once for a batch: vectors and gradients are those of a network that reads each place."""

import numpy as np
import pytest
import torch

from embedpipe.config import SentencesConfig
from embedpipe.sentences.network import SentenceNetwork
from embedpipe.sentences.start import start_network
from embedpipe.words.bag import Bag

N_TOKENS, DIM = 40, 6


def make_network(**settings: object) -> SentenceNetwork:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(N_TOKENS, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[:4] = 0
    bag = Bag(vectors, rng.uniform(0.1, 1, N_TOKENS).astype(np.float32))
    config = SentencesConfig(hidden=8, dropout=0.0, **settings)
    network = start_network(bag, config, seed=3).train()
    network.embedding.requires_grad_(True)
    return network


def read(network: SentenceNetwork) -> list[torch.Tensor]:
    """The vectors of three sentences, and the gradient of each parameter that has one."""
    torch.manual_seed(5)
    ids = torch.tensor([[9, 4, 9, 30, 12], [4, 4, 0, 0, 0], [1, 7, 9, 0, 0]])
    vectors = network(ids, torch.tensor([5, 2, 3]))
    network.zero_grad()
    (vectors * torch.linspace(-1, 1, vectors.numel()).view(vectors.shape)).sum().backward()
    gradients = [p.grad.to_dense() for p in network.parameters() if p.grad is not None]
    return [vectors.detach(), *gradients]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"architecture": "lstm", "pooling": "last"},
        {"layers": 2, "pooling": "max"},
        {"residual": False, "pooling": "attention"},
        {"beside": 0.1, "embed_p": 0.3, "pooling": "sif"},
    ],
    ids=str,
)
def test_words_read_once_are_words_read_everywhere(settings, monkeypatch) -> None:
    network = make_network(**settings)
    ids = torch.tensor([[4]])
    assert network._shares_rows(ids)
    assert not make_network(**settings, input_p=0.1)._shares_rows(ids)
    ours = read(network)
    monkeypatch.setattr(SentenceNetwork, "_shares_rows", lambda *_: False)
    theirs = read(network)
    assert len(ours) == len(theirs) > 6
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)
    assert max(float(gradient.abs().max()) for gradient in ours[1:]) > 0.1


def test_other_readers_and_networks_that_stand_still_read_each_place() -> None:
    ids = torch.tensor([[4]])
    assert not any(make_network(architecture=name)._shares_rows(ids) for name in ("gru", "rnn", "transformer", "bag"))
    network = make_network()
    read(network)
    assert network._spare._free
    assert not network.eval()._shares_rows(ids)
    assert not network._spare._free

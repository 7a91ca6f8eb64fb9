"""The generator's network as the decoder of an encoder: how it begins, what it learns, what it shares."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from embedpipe.config import GenerationConfig
from embedpipe.generation.from_vector import decoder_like
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.nn.batches import Padded
from embedpipe.nn.optimizers import make_optimizers
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, Vocabulary

CPU = torch.device("cpu")
WORDS = 12
CONFIG = GenerationConfig(hidden=16, layers=1, input_p=0.5, output_p=0.5)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> TokenStore:
    path = tmp_path_factory.mktemp("store")
    np.save(path / "tokens.npy", np.array([4, 5, 6, EOS] * 10, dtype=np.uint32))
    np.save(path / "sentences.npy", np.arange(0, 41, 4).astype(np.uint64))
    np.save(path / "documents.npy", np.array([0, 10], dtype=np.uint64))
    return TokenStore(path)


def vocabulary() -> Vocabulary:
    return Vocabulary.from_counts({f"w{i}": 40 - i for i in range(WORDS)})


def vectors(dim: int = 8) -> np.ndarray:
    table = np.random.default_rng(0).normal(size=(4 + WORDS, dim)).astype(np.float32)
    table[:4] = 0
    return table


def test_it_begins_as_a_generator_begins_and_nothing_is_dropped(store: TokenStore) -> None:
    torch.manual_seed(0)
    decoder = decoder_like(vectors(), vocabulary(), CONFIG, seed=1)(store, 3, CPU)
    model = decoder.network.model
    table = model.table.detach().numpy()
    norms = np.linalg.norm(vectors()[4:], axis=1)
    np.testing.assert_allclose(table[4:], vectors()[4:] * CONFIG.initial_norm / norms.mean(), rtol=1e-5)
    assert (model.shape.hidden, model.shape.layers, model.shape.tied) == (16, 1, True)
    assert model.train().input_dropout.p == model.output_dropout.p == 0
    assert [id(table) for table in decoder.sparse] == [id(model.table)]
    assert decoder.dense == ()


def test_a_trained_generator_is_copied_with_its_shape(store: TokenStore) -> None:
    torch.manual_seed(3)
    generator = LanguageModel(Shape(4 + WORDS, dim=6, hidden=10, layers=2, tied=False))
    made = decoder_like(vectors(), vocabulary(), CONFIG, seed=1, generator=generator)(store, 3, CPU)
    model = made.network.model
    for name, tensor in generator.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name
    assert model.table is not generator.table
    assert [id(table) for table in made.sparse] == [id(model.table), id(model.output)]
    adaptive = LanguageModel(replace(generator.shape, cutoffs=(8,)))
    made = decoder_like(vectors(), vocabulary(), CONFIG, seed=1, generator=adaptive)(store, 3, CPU)
    assert ([len(table) for table in made.sparse], len(made.dense)) == ([4 + WORDS], 1)


def test_padding_that_weighs_nothing_is_as_padding_that_is_left_out(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    made = decoder_like(vectors(), vocabulary(), CONFIG, seed=1)(store, 3, CPU)
    sentences = Padded(torch.tensor([[4, 5, 6], [7, 0, 0], [8, 9, 0]]), torch.tensor([3, 1, 2]))
    found = []
    for weighed in ((), ("cpu",)):
        monkeypatch.setattr("embedpipe.generation.from_vector._WEIGHED_ON", weighed)
        made.network.zero_grad()
        loss = made.network.eval()(torch.eye(3), sentences)
        loss.backward()
        gradients = {name: p.grad.to_dense() for name, p in made.network.named_parameters() if p.grad is not None}
        found.append((loss.item(), gradients))
    (picked, first), (weighed_loss, second) = found
    assert weighed_loss == pytest.approx(picked, rel=1e-6)
    assert first.keys() == second.keys()
    for name, gradient in first.items():
        torch.testing.assert_close(second[name], gradient, rtol=1e-4, atol=1e-6)


def test_it_learns_to_say_what_the_vectors_tell_apart(store: TokenStore) -> None:
    """Four sentences that begin alike and differ by their vectors alone: without these a quarter would be right."""
    torch.manual_seed(0)
    made = decoder_like(vectors(), vocabulary(), CONFIG, seed=1)(store, 4, CPU)
    sentences = Padded(torch.tensor([[4, 5], [4, 6], [4, 7], [4, 8]]), torch.full((4,), 2))
    told, untold = torch.eye(4), F.normalize(torch.ones(4, 4), dim=1)
    optimizers = make_optimizers(made.network, 0.02, 0.0, sparse=made.sparse, dense=made.dense)
    made.network.train()
    for _ in range(60):
        for optimizer in optimizers:
            optimizer.zero_grad()
        made.network(told, sentences).backward()
        for optimizer in optimizers:
            optimizer.step()
    made.network.eval()
    with torch.no_grad():
        assert made.network(told, sentences).item() < 0.05
        assert made.network(untold, sentences).item() > 0.3

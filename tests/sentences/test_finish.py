"""The projection of what is read, after a training from text alone: a whitening by a quarter."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import embedpipe.nn.fit
from embedpipe.config import SentencesConfig
from embedpipe.errors import ConfigError
from embedpipe.nn.batches import pad
from embedpipe.nn.memory import Parts
from embedpipe.runtime import Event, Step
from embedpipe.sentences.finish import drop_head, finish, whiten_average
from embedpipe.sentences.labelled import Labelled, Texts
from embedpipe.sentences.network import SentenceNetwork
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.sentences.pooling import Reading
from embedpipe.sentences.start import start_network
from embedpipe.sentences.train import train_encoder
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS
from embedpipe.words.bag import Bag

CPU = torch.device("cpu")
SETUP = Setup(batch=8, device=CPU, seed=3)
N_TOKENS, DIM = 40, 6
SENTENCES = np.random.default_rng(2).integers(4, N_TOKENS, (60, 5))


def bag() -> Bag:
    vectors = np.random.default_rng(0).normal(size=(N_TOKENS, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = np.ones(N_TOKENS, dtype=np.float32)
    vectors[:4], weights[:4] = 0, 0
    return Bag(vectors, weights)


def network_of(**settings) -> SentenceNetwork:
    return start_network(bag(), SentencesConfig(**{"hidden": 4, **settings}), seed=1)


@pytest.fixture
def store(tmp_path) -> TokenStore:
    tokens = np.column_stack([SENTENCES, np.full(len(SENTENCES), EOS)]).ravel()
    np.save(tmp_path / "tokens.npy", tokens.astype(np.uint32))
    np.save(tmp_path / "sentences.npy", np.arange(0, len(tokens) + 1, 6).astype(np.uint64))
    np.save(tmp_path / "documents.npy", np.array([0, 30, 60], dtype=np.uint64))
    np.save(tmp_path / "begins.npy", np.zeros(60, dtype=np.bool_))
    return TokenStore(tmp_path)


@pytest.mark.parametrize(
    "settings",
    [{}, {"pooling": "max"}, {"architecture": "gru", "hidden": 8}, {"architecture": "transformer", "hidden": 8}],
)
def test_what_was_read_is_centred_and_whitened_by_a_quarter(store: TokenStore, settings: dict) -> None:
    """Each direction of variance s comes to have the variance s^(3/4)."""
    network = network_of(beside=0.2, **settings)
    assert drop_head(network, store, SETUP)
    batch = pad(list(SENTENCES.astype(np.uint32)), CPU)
    with torch.no_grad():
        pooled = network.pool(network.reading(batch.ids, batch.lengths))
        projected = network.projection(pooled).double().numpy()
        whole = network(batch.ids, batch.lengths)
    variances, directions = np.linalg.eigh(np.cov(pooled.double().numpy(), rowvar=False, bias=True))
    kept = variances > variances[-1] * 1e-4
    found = np.cov(projected @ directions, rowvar=False, bias=True)[kept][:, kept]
    # Sentences are drawn, so that each of the sixty is met a little more or less often.
    np.testing.assert_allclose(np.diag(found), (variances / (variances + 1e-4 * variances[-1]) ** 0.25)[kept], rtol=0.1)
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=0.05 * projected.std())
    own = projected / np.linalg.norm(projected, axis=1, keepdims=True) * 0.2**0.5
    np.testing.assert_allclose(whole[:, DIM:], own, atol=1e-5)


@pytest.mark.parametrize("settings", [{"architecture": "bag"}, {}, {"beside": 0.2, "dim": 10}, {"residual": False}])
def test_a_reading_without_as_many_components_of_its_own_stays_projected(store: TokenStore, settings: dict) -> None:
    network = network_of(**settings)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert not drop_head(network, store, SETUP)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_averages_are_divided_by_a_power_of_their_size_in_each_direction(store: TokenStore, exponent: float) -> None:
    network = network_of(beside=0.2)
    before = network.resize.weight.detach().double().numpy()
    assert whiten_average(network, store, exponent, SETUP)
    averages = bag().encode_ids(list(SENTENCES.astype(np.uint32)))
    sizes, directions = np.linalg.eigh(averages.T.astype(float) @ averages / len(averages))
    np.testing.assert_array_equal(before, np.eye(DIM))
    found = directions.T @ network.resize.weight.detach().double().numpy() @ directions
    np.testing.assert_allclose(np.diag(found), (sizes * DIM) ** (-exponent / 2), rtol=0.05)
    np.testing.assert_allclose(found - np.diag(np.diag(found)), 0, atol=0.1)


def test_what_has_no_map_and_what_is_unknown_stays_as_it_is(store: TokenStore) -> None:
    assert not whiten_average(network_of(), store, 1.0, SETUP)
    assert not whiten_average(network_of(architecture="bag"), store, 1.0, SETUP)
    network = network_of(beside=0.2)
    network.known.zero_()
    assert whiten_average(network, store, 1.0, SETUP)
    assert torch.equal(network.resize.weight, torch.eye(DIM))


def test_averages_are_whitened_after_training_and_where_they_cannot_be_it_is_said(store: TokenStore) -> None:
    def trained(**settings):
        config = SentencesConfig(**{"hidden": 4, "beside": 0.2, "steps": 0, "batch": 8, "whiten": 1.0, **settings})
        return train_encoder(bag(), store, None, None, config, seed=1, device=CPU)

    expected = network_of(beside=0.2)
    whiten_average(expected, store, 1.0, Setup(batch=8, device=CPU, seed=1))
    torch.testing.assert_close(trained().network.resize.weight, expected.resize.weight)
    assert trained().notes == ()
    assert trained(beside=0.0).notes == (
        "sentences.whiten is of no effect, because the average has no components of its own",
    )
    assert trained(moments=0.1, dim=DIM + 8, whiten=0.0).notes == (
        "sentences.moments is of no effect, because the vectors have no components for them",
    )
    assert trained(architecture="gru", whiten=0.0).notes == (
        "what is read has other components than the reader gives, so its projection stays as it was trained",
    )


def test_it_is_read_in_parts_where_memory_runs_out(store: TokenStore) -> None:
    whole, parted = network_of(beside=0.2), network_of(beside=0.2)
    drop_head(whole, store, SETUP)
    drop_head(parted, store, replace(SETUP, micro_batch=7))
    torch.testing.assert_close(parted.projection.weight, whole.projection.weight, atol=1e-4, rtol=1e-4)
    read: list[int] = []

    def reading(ids: torch.Tensor, lengths: torch.Tensor) -> Reading:
        read.append(len(ids))
        if len(ids) > 60:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return SentenceNetwork.reading(parted, ids, lengths)

    parted.reading = reading
    setup = replace(SETUP, parts=Parts(256, stage="sentences"))
    assert finish(parted, store, SentencesConfig(), setup) == []
    assert read[:4] == [256, 128, 64, 32]
    assert max(read[3:]) == 32
    torch.testing.assert_close(parted.projection.weight, whole.projection.weight, atol=1e-4, rtol=1e-4)


def test_the_head_is_dropped_where_text_alone_was_learnt_from(store: TokenStore) -> None:
    """With labels the projection is trained for them, and nested widths are an order of its components."""
    config = SentencesConfig(hidden=4, beside=0.2, steps=3, batch=8, words_learning_rate=0)

    def symmetric(**given) -> bool:
        settings = config.model_copy(update=given.pop("settings", {}))
        network = train_encoder(bag(), store, None, None, settings, seed=1, device=CPU, **given).network
        weight = network.projection.weight
        return torch.allclose(weight, weight.T, atol=1e-4)

    texts = Texts(SENTENCES[:40].astype(np.uint32).ravel(), np.arange(40) * 5, np.full(40, 5))
    pairs = Labelled("pairs", "toy", texts, np.arange(40).reshape(20, 2), np.zeros(20), None, ())
    assert symmetric()
    assert not symmetric(labelled=[pairs])
    assert symmetric(labelled=[pairs], settings={"pairs_weight": 0.0}), "nothing was learnt from the labels"
    assert not symmetric(start=network_of(beside=0.2)), "what goes on keeps what it has"
    assert not symmetric(settings={"nested_dims": (3,)})


def test_a_training_that_goes_on_ends_with_the_same_vectors(store: TokenStore, tmp_path, monkeypatch) -> None:
    """With the maps of a language model in the checkpoint, and a head that is dropped after the last step."""
    config = SentencesConfig(
        hidden=4, beside=0.2, whiten=0.5, language_model=1.0, steps=10, batch=8, words_learning_rate=0, dropout=0.2
    )

    monkeypatch.setattr(embedpipe.nn.fit, "_SECONDS_BETWEEN_EVENTS", 0.0)
    notes: list[str] = []

    def train(checkpoint: Path, stop_at: int = 0) -> dict[str, torch.Tensor]:
        def listen(event: Event) -> None:
            if isinstance(event, Step):
                notes.append(event.note)
                if event.done == stop_at:
                    raise KeyboardInterrupt

        trained = train_encoder(
            bag(), store, store, None, config, seed=1, device=CPU, checkpoint=checkpoint, listener=listen
        )
        return trained.network.state_dict()

    whole = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", stop_at=6)
    assert not any(note.startswith("goes on") for note in notes)
    again = train(tmp_path / "stopped")
    assert any(note.startswith("goes on") for note in notes)
    assert all(torch.equal(tensor, whole[name]) for name, tensor in again.items())


def test_the_language_model_alone_is_refused(store: TokenStore) -> None:
    config = SentencesConfig(hidden=4, beside=0.2, neighbours=0, language_model=1.0, batch=8)
    with pytest.raises(ConfigError, match="only objective"):
        train_encoder(bag(), store, None, None, config, seed=1, device=CPU)
    for settings in ({"architecture": "bag"}, {"architecture": "transformer"}, {"layers": 2}):
        with pytest.raises(ValueError, match="words of one side alone"):
            SentencesConfig(language_model=0.5, **settings)

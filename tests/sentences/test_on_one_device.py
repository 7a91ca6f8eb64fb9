"""All tensors of a step lie on the device of the network: on "meta", which holds no values, torch refuses any other.

So does it refuse to say a value, as a GPU would say it only when all work before was done.
"""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch

from embedpipe.config import GenerationConfig, SentencesConfig
from embedpipe.generation import from_vector
from embedpipe.generation.from_vector import decoder_like
from embedpipe.sentences.labelled import Labelled, Texts
from embedpipe.sentences.objectives.mixture import Mixed, Trainee
from embedpipe.sentences.plan import plan_training
from embedpipe.sentences.train import begin_training
from embedpipe.text.store_writer import StoreWriter
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.bag import Bag

META = torch.device("meta")
N_WORDS, DIM = 40, 12
FROM_TEXT = ("neighbours", "twins", "crops", "denoising", "language_model")
DAMAGED = dict.fromkeys(("dropout", "input_p", "embed_p", "word_p", "delete_p", "swap_p", "synonym_p"), 0.1)
SETTINGS: list[dict[str, Any]] = [
    {"twins": 1.0, "denoising": 1.0, "language_model": 1.0},
    {**DAMAGED, "twins": 1.0, "language_model": 1.0, "beside": 0.1, "moments": 0.1, "micro_batch": 8, "l1": 1e-6},
    {"crops": 1.0, "max_tokens": 8, "beside": 0.1, "nested_dims": (4,), "layers": 2, "words_learning_rate": 0.0},
    {"denoising": 1.0, "architecture": "transformer", "pooling": "attention"},
    {"language_model": 1.0, "architecture": "lstm", "pooling": "last", "residual": False, "dim": 7},
    {"language_model": 1.0, "architecture": "gru", "pooling": "sif", "score_loss": "cosine"},
    {"architecture": "rnn", "pooling": "max"},
]


@pytest.fixture(scope="module")
def bag() -> Bag:
    vectors = np.random.default_rng(0).normal(size=(4 + N_WORDS, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[:4] = 0
    return Bag(vectors, np.where(np.arange(len(vectors)) < 4, 0, 0.5).astype(np.float32))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    folder = tmp_path_factory.mktemp("store") / "train"
    tokens = np.random.default_rng(1).integers(4, 4 + N_WORDS, 60 * 9).astype(np.uint32)
    with StoreWriter(folder, n_tokens=len(tokens), n_sentences=60, n_documents=10) as writer:
        writer.append(tokens, np.full(60, 9), np.full(10, 6), np.ones(60, dtype=np.bool_))
    return TokenStore(folder)


def labelled(kind: str, *, negatives: bool = False) -> Labelled:
    """Thirty rows of two texts of three words."""
    tokens = np.random.default_rng(2).integers(4, 4 + N_WORDS, 180).astype(np.uint32)
    texts, members = Texts(tokens, np.arange(60) * 3, np.full(60, 3)), np.arange(60).reshape(30, 2)
    labels = ("a", "b", "c") if kind == "inference" else ()
    values = np.arange(30) % 3 if kind == "inference" else np.linspace(0, 1, 30)
    return Labelled(kind, "x", texts, members, values.astype(float), members[::-1, 1] if negatives else None, labels)


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_vector, "_WEIGHED_ON", ("cuda", "meta"))
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which "meta" has none of


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("settings", SETTINGS)
def test_a_step_of_each_objective(bag: Bag, store: TokenStore, settings: dict[str, Any]) -> None:
    config = SentencesConfig(**{"hidden": 8, "batch": 8, "max_tokens": 4, **settings})
    data = [labelled("pairs", negatives=True), labelled("pairs"), labelled("inference"), labelled("scores")]
    vocabulary = Vocabulary([*SPECIALS, *(f"w{i}" for i in range(N_WORDS))], np.full(4 + N_WORDS, 9))
    decoder = decoder_like(bag.vectors, vocabulary, GenerationConfig(hidden=8, layers=1), seed=1)
    with_values, _ = begin_training(bag, config, data, seed=1, device=torch.device("cpu"))
    network, setup = begin_training(bag, config, data, seed=1, device=META)
    plan = plan_training(with_values, store, None, data, config, setup, decoder)
    assert len(plan.objectives) == sum(getattr(config, name) > 0 for name in FROM_TEXT) + len(data)
    trainee = Trainee(network, plan.objectives, config.l1).train()
    for number, objective in enumerate(plan.objectives):
        batch = next(objective.batches(0))
        loss = trainee(Mixed(number, batch))
        loss.backward()
        trainee.zero_grad()
        with torch.no_grad():
            figures = objective.measure(network.eval(), batch)
        network.train()
        assert {tensor.device for tensor in (loss, *figures)} == {META}

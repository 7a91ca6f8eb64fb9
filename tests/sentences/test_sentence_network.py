"""The objective of the encoder and its training, on bags and stores made by hand."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from embedpipe.config import SentencesConfig
from embedpipe.errors import NotEnoughDataError
from embedpipe.nn.memory import Parts
from embedpipe.runtime import Evaluated
from embedpipe.sentences.objectives.contrast import (
    contrastive_loss,
    contrastive_ranks,
    contrastive_scores,
    same_sentence,
)
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.sentences.plan import watch_neighbours
from embedpipe.sentences.start import start_network
from embedpipe.sentences.train import train_encoder
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS
from embedpipe.words.bag import Bag

CPU = torch.device("cpu")
N_TOKENS, DIM = 60, 12


def make_bag(seed: int = 0) -> Bag:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(N_TOKENS, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = rng.uniform(0.1, 1, N_TOKENS).astype(np.float32)
    vectors[:4], weights[:4] = 0, 0
    return Bag(vectors, weights)


def make_store(path: Path, documents: list[list[list[int]]]) -> TokenStore:
    path.mkdir()
    sentences = [[*sentence, EOS] for document in documents for sentence in document]
    np.save(path / "tokens.npy", np.array([t for s in sentences for t in s], dtype=np.uint32))
    np.save(path / "sentences.npy", np.cumsum([0, *map(len, sentences)]).astype(np.uint64))
    np.save(path / "documents.npy", np.cumsum([0, *map(len, documents)]).astype(np.uint64))
    return TokenStore(path)


def topics(seed: int, n: int = 40) -> list[list[list[int]]]:
    """Documents that alternate between two word groups of one of seven topics, so that neighbours share no word.

    Only training can find out which groups belong together: the vectors of the bag are random.
    """
    rng = np.random.default_rng(seed)
    documents = []
    for _ in range(n):
        topic = 4 + 8 * int(rng.integers(7))
        groups = [range(topic, topic + 4), range(topic + 4, topic + 8)]
        documents.append([rng.choice(groups[i % 2], 4).tolist() for i in range(8)])
    return documents


CONFIG = SentencesConfig(
    hidden=8, steps=60, batch=16, learning_rate=1e-2, dropout=0.0, temperature=0.1, held_out=256, choose_by="loss"
)


def test_loss_by_hand() -> None:
    first, second = torch.eye(2), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    scores = contrastive_scores(first, second, torch.eye(4, dtype=torch.bool), 0.5)
    # Cosines, row asks and column answers: [[1, .6], [0, .8]]; divided by the temperature: [[2, 1.2], [0, 1.6]].
    ahead = [math.log(1 + math.exp(1.2 - 2)), math.log(1 + math.exp(0 - 1.6))]
    back = [math.log(1 + math.exp(0 - 2)), math.log(1 + math.exp(1.2 - 1.6))]
    assert contrastive_loss(*scores).item() == pytest.approx((sum(ahead) + sum(back)) / 4, abs=1e-6)
    assert contrastive_ranks(*scores).tolist() == [[1, 1], [1, 1]]


def test_a_repeated_sentence_is_no_wrong_answer() -> None:
    # Rows: first sentences a b, their neighbours c c. c answers both, so nothing is left to be confused with.
    ids = torch.tensor([[4], [5], [6], [6]])
    same = same_sentence(ids, torch.ones(4, dtype=torch.long))
    rows = F.normalize(torch.tensor([[1.0, 0.2], [0.3, 1.0], [1.0, 1.0], [1.0, 1.0]]), dim=1)
    ahead = contrastive_loss(*contrastive_scores(rows[:2], rows[2:], same, 0.1))
    unmasked = contrastive_loss(*contrastive_scores(rows[:2], rows[2:], torch.eye(4, dtype=torch.bool), 0.1))
    cosines = (rows[:2] @ rows[2]) / 0.1
    # Only the way back, from each c to its own first sentence, has a candidate that is wrong.
    expected = (torch.logsumexp(cosines, 0) - cosines).mean() / 2
    assert ahead.item() == pytest.approx(expected.item(), rel=1e-5)
    assert unmasked > ahead


def test_a_sentence_is_no_wrong_answer_to_itself() -> None:
    # Pairs a-b and b-c: when b looks for c it meets itself among the candidates.
    ids = torch.tensor([[4], [5], [5], [6]])
    same = same_sentence(ids, torch.ones(4, dtype=torch.long))
    a, b, c = F.normalize(torch.randn(3, 5, generator=torch.Generator().manual_seed(0)), dim=1)
    ranks = contrastive_ranks(*contrastive_scores(torch.stack([a, b]), torch.stack([b, c]), same, 0.1))
    assert ranks[0, 1] == 1, "b finds c, for b itself is left out"
    ranks = contrastive_ranks(
        *contrastive_scores(torch.stack([b, b]), torch.stack([b, c]), torch.eye(4, dtype=torch.bool), 0.1)
    )
    assert ranks[0].tolist() == [1, 2]


def test_ranks_by_hand() -> None:
    cosines = torch.tensor([[0.6, 0.8, 0.7], [0.0, 1.0, 0.8], [0.8, 0.6, 0.5]])  # row asks and column answers
    ranks = contrastive_ranks(*contrastive_scores(torch.eye(3), cosines.T, torch.eye(6, dtype=torch.bool), 1.0))
    assert ranks.tolist() == [[3, 1, 3], [2, 1, 3]]


@pytest.mark.parametrize("value", [1.0, math.nan])
def test_vectors_that_are_all_the_same_find_nothing(value: float) -> None:
    rows = torch.full((4, 1), value)
    ranks = contrastive_ranks(*contrastive_scores(rows, rows, torch.eye(8, dtype=torch.bool), 0.1))
    assert ranks.tolist() == [[4] * 4] * 2


def test_same_sentence_is_exact_on_random_rows() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 3, (80, 4))
    expected = (rows[:, None] == rows[None]).all(axis=2)
    assert same_sentence(torch.from_numpy(rows), torch.full((80,), 4)).numpy().tolist() == expected.tolist()


def test_training_finds_what_the_bag_cannot_know(tmp_path: Path) -> None:
    train, validation = make_store(tmp_path / "t", topics(1)), make_store(tmp_path / "v", topics(2))
    events: list[Evaluated] = []
    metric = "held-out loss as a share of its start"
    trained = train_encoder(
        make_bag(),
        train,
        validation,
        validation,
        CONFIG,
        seed=1,
        device=CPU,
        listener=lambda e: events.append(e) if isinstance(e, Evaluated) and e.name == metric else None,
    )
    assert trained.before[1] < 0.25
    assert trained.after[1] > trained.before[1] + 0.15
    assert events[0].value == 1
    assert trained.after[0] / trained.before[0] == pytest.approx(min(event.value for event in events))
    assert trained.result["neighbour_reciprocal_rank"] == trained.after[1]
    assert "among up to 16" in trained.summary


def test_nothing_is_learnt_from_neighbours_that_have_nothing_in_common(tmp_path: Path) -> None:
    def shuffled(seed: int) -> list[list[list[int]]]:
        sentences = [s for document in topics(seed) for s in document]
        order = np.random.default_rng(seed).permutation(len(sentences)).tolist()
        return [[sentences[i] for i in order[k : k + 8]] for k in range(0, len(order), 8)]

    train, validation = make_store(tmp_path / "t", shuffled(1)), make_store(tmp_path / "v", shuffled(2))
    trained = train_encoder(make_bag(), train, validation, validation, CONFIG, seed=1, device=CPU)
    assert trained.after[1] < trained.before[1] + 0.05


def test_training_never_ends_worse_than_its_start(tmp_path: Path) -> None:
    train, validation = make_store(tmp_path / "t", topics(1)), make_store(tmp_path / "v", topics(2))
    bag = make_bag()
    for topic in range(7):
        bag.vectors[4 + 8 * topic : 12 + 8 * topic] = np.eye(DIM)[topic]
    wild = CONFIG.model_copy(update={"learning_rate": 1.0, "steps": 8, "warmup": 0.0})
    trained = train_encoder(bag, train, validation, validation, wild, seed=1, device=CPU)
    assert trained.best_step == 0, "the start knows all topics, and such steps destroy that"
    assert trained.after == trained.before
    for name, tensor in start_network(bag, wild, seed=1).state_dict().items():
        assert torch.equal(trained.network.state_dict()[name], tensor)


def test_what_is_held_out_is_read_in_the_same_parts(tmp_path: Path) -> None:
    read: list[int] = []

    class Spy(torch.nn.Module):
        def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            read.append(len(ids))
            return F.normalize(torch.randn(len(ids), 3), dim=1)

    store = make_store(tmp_path / "v", topics(1))
    watch_neighbours(store, Setup(batch=16, device=CPU, seed=1, micro_batch=12), 256).measure(Spy())
    assert set(read) == {12, 8}
    read.clear()
    parts = Parts(32, stage="x")
    parts.n = 4
    watch_neighbours(store, Setup(batch=16, device=CPU, seed=1, parts=parts), 256).measure(Spy())
    assert set(read) == {8}


def test_zero_steps_and_an_empty_validation_split(tmp_path: Path) -> None:
    train, none = make_store(tmp_path / "t", topics(1)), make_store(tmp_path / "v", [[[4, 5, 6]]])
    still = train_encoder(make_bag(), train, none, none, CONFIG.model_copy(update={"steps": 0}), seed=1, device=CPU)
    assert (still.steps, still.result) == (
        0,
        {
            "best_step": 0,
            "objectives": {"neighbours": 1.0},
            "notes": [*still.notes],
            "curve": {"metric": "held-out loss as a share of its start", "held_out": [], "training_loss": []},
        },
    )
    short = CONFIG.model_copy(update={"steps": 3})
    trained = train_encoder(make_bag(), train, none, none, short, seed=1, device=CPU)
    assert trained.best_step == 3
    assert "no held-out" in trained.summary
    with pytest.raises(NotEnoughDataError):
        train_encoder(make_bag(), none, train, train, short, seed=1, device=CPU)


SCRIPT = """
import sys, hashlib, torch
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_sentence_network import CONFIG, CPU, make_bag, TokenStore, train_encoder
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
folder = Path({folder!r})
config = CONFIG.model_copy(update=dict(steps=6, dropout=0.2, held_out=64))
stores = [TokenStore(folder / name) for name in "tvv"]
trained = train_encoder(make_bag(), *stores, config, seed=3, device=CPU)
digest = hashlib.sha256()
for name, tensor in sorted(trained.network.state_dict().items()):
    digest.update(name.encode() + tensor.numpy().tobytes())
print(digest.hexdigest(), trained.best_step)
"""


@pytest.mark.slow
def test_two_processes_train_the_same_weights_to_the_byte(tmp_path: Path) -> None:
    make_store(tmp_path / "t", topics(1))
    make_store(tmp_path / "v", topics(2))
    script = SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = (process.communicate(timeout=120)[0].split() for process in running)
    assert len(first[0]) == 64
    assert int(first[1]) > 0, "the weights compared are trained ones"
    assert first == second

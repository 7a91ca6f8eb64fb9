"""What the reader says of the next word: against the formula, in parts, and learnt from a text that repeats."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from embedpipe.config import SentencesConfig
from embedpipe.errors import ConfigError
from embedpipe.nn.batches import Batch, Padded, TokenSource
from embedpipe.sentences.network import SentenceNetwork
from embedpipe.sentences.objectives import language_model
from embedpipe.sentences.objectives.language_model import LanguageModelObjective
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.sentences.start import start_network
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, UNK
from embedpipe.words.bag import Bag

CPU = torch.device("cpu")
SIZE, DIM = 12, 8
ROUND = [4, 5, 6, 7, 8, 9, 10, 11]


@pytest.fixture
def store(tmp_path) -> TokenStore:
    """Sentences that go round eight words, each from another one."""
    sentences = [[*ROUND[i:], *ROUND[:i], EOS] for i in range(8)] * 4
    np.save(tmp_path / "tokens.npy", np.array(sentences, dtype=np.uint32).ravel())
    np.save(tmp_path / "sentences.npy", np.arange(0, 9 * 32 + 1, 9).astype(np.uint64))
    np.save(tmp_path / "documents.npy", np.array([0, 32], dtype=np.uint64))
    np.save(tmp_path / "begins.npy", np.zeros(32, dtype=np.bool_))
    return TokenStore(tmp_path)


def network_of(hidden: int = 6, **settings) -> SentenceNetwork:
    generator = torch.Generator().manual_seed(0)
    vectors = F.normalize(torch.randn(SIZE, DIM, generator=generator), dim=1).numpy()
    weights = np.ones(SIZE, dtype=np.float32)
    vectors[:4], weights[:4] = 0, 0
    return start_network(Bag(vectors, weights), SentencesConfig(hidden=hidden, dropout=0.0, **settings), seed=1)


def objective_of(store: TokenStore, network: SentenceNetwork, **setup) -> LanguageModelObjective:
    given = Setup(batch=8, device=CPU, seed=3, max_tokens=12, **setup)
    torch.manual_seed(0)
    return LanguageModelObjective(store, TokenSource(store.tokens, CPU), 1.0, given, network)


def batch_of(sentences: list[list[int]]) -> Batch:
    lengths = torch.tensor([len(sentence) for sentence in sentences])
    ids = torch.zeros(len(sentences), int(lengths.max()), dtype=torch.int64)
    for row, sentence in zip(ids, sentences, strict=True):
        row[: len(sentence)] = torch.tensor(sentence)
    return Batch(Padded(ids, lengths), torch.arange(len(sentences)))


@pytest.mark.parametrize("architecture", ["bilstm", "lstm", "gru", "rnn"])
def test_the_loss_is_that_of_the_softmax_over_all_words_read_so_far(store: TokenStore, architecture: str) -> None:
    """Word by word: what was read before it, or behind it, and nothing else; unknown words are not asked for."""
    network = network_of(architecture=architecture)
    objective = objective_of(store, network)
    sentences = [[4, 6, UNK, 5], [9], [7, 8]]
    table = network.embedding.weight * DIM**0.5
    frequency = torch.full((SIZE,), 1 / (8 * 32 + 4)).index_fill(0, torch.tensor(ROUND), 32 / (8 * 32 + 4)).log()
    losses = []
    with torch.no_grad():
        for step, to_words in zip((1, -1) if architecture == "bilstm" else (1,), objective.maps, strict=True):
            for sentence in sentences:
                words = sentence[::step]
                for place in range(1, len(words)):
                    before = words[:place][::step]
                    ids, lengths = torch.tensor([before]), torch.tensor([place])
                    state = network.reading(ids, lengths).outputs[0, place - 1 if step == 1 else 0]
                    state = state[:6] if step == 1 else state[6:]
                    if words[place] != UNK:
                        said = table @ to_words(state) + frequency
                        losses.append(F.cross_entropy(said, torch.tensor(words[place])).item())
        found, nothing = objective.measure(network, batch_of(sentences))
    assert len(losses) == (6 if architecture == "bilstm" else 3)
    assert found.item() == pytest.approx(np.mean(losses), abs=1e-5)
    assert nothing.isnan()


def test_the_gradients_are_the_same_in_parts_and_the_words_asked_for_do_not_move(store: TokenStore) -> None:
    network = network_of().train()
    batch = batch_of([ROUND, ROUND[2:5], ROUND[4:], ROUND[3:]])
    gradients = []
    for at_once in (0, 3, 1):
        objective = objective_of(store, network, micro_batch=at_once)
        network.zero_grad()
        objective.loss(network, batch).backward()
        read = [parameter.grad.to_dense() for parameter in network.parameters() if parameter.grad is not None]
        gradients.append([*read, *(to_words.weight.grad for to_words in objective.maps)])
    for parts in gradients[1:]:
        for part, whole in zip(parts, gradients[0], strict=True):
            torch.testing.assert_close(part, whole, atol=1e-6, rtol=1e-4)
    moved = network.embedding.weight.grad.to_dense().abs().sum(dim=1) > 0
    assert moved.tolist() == [i in ROUND for i in range(SIZE)]
    one_way = network_of(architecture="lstm").train()
    objective_of(store, one_way).loss(one_way, batch_of([[4, 5]])).backward()
    read = one_way.embedding.weight.grad.to_dense().abs().sum(dim=1) > 0
    assert read.nonzero().flatten().tolist() == [4], "5 is asked for and read by nobody before that"


def test_the_mean_over_processes_is_the_loss_of_the_whole_batch(store: TokenStore, monkeypatch) -> None:
    """Each reads its rows, of which some have more words than others."""
    network, batch = network_of(), batch_of([ROUND, ROUND[2:5], ROUND[4:], ROUND[3:], ROUND[:2]])
    objective = objective_of(store, network)
    whole = objective.loss(network, batch)
    monkeypatch.setattr(language_model, "n_processes", lambda: 2)
    of_processes = []
    for number in (0, 1):
        monkeypatch.setattr(
            language_model,
            "share_of_rows",
            lambda rows, number=number: Padded(rows.ids.tensor_split(2)[number], rows.lengths.tensor_split(2)[number]),
        )
        of_processes.append(objective.loss(network, batch))
    assert torch.stack(of_processes).mean().item() == pytest.approx(whole.item(), abs=1e-5)
    assert of_processes[0].item() != pytest.approx(of_processes[1].item(), rel=0.05)


@pytest.mark.parametrize("sentences", [[[4], [5], []], [[UNK, UNK], []], [[UNK]]])
def test_where_nothing_is_asked_for_nothing_is_lost(store: TokenStore, sentences: list[list[int]]) -> None:
    network = network_of()
    loss = objective_of(store, network).loss(network, batch_of(sentences))
    loss.backward()
    assert loss.item() == 0
    assert all(bool(p.grad.to_dense().isfinite().all()) for p in network.parameters() if p.grad is not None)


def test_it_learns_what_comes_next(store: TokenStore) -> None:
    network = network_of().train()
    objective = objective_of(store, network)
    optimizer = torch.optim.Adam([*network.reader.parameters(), *objective.maps.parameters()], lr=0.03)
    batches = objective.batches(0)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        network.embedding.weight.grad = None
        loss = objective.loss(network, next(batches))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > np.log(6)
    assert losses[-1] < 0.1


@pytest.mark.parametrize(
    "settings", [{"architecture": "bag"}, {"architecture": "transformer", "hidden": 8}, {"layers": 2}]
)
def test_readers_that_know_both_sides_are_refused(store: TokenStore, settings: dict) -> None:
    with pytest.raises(ConfigError, match="no output of this encoder depends on the words of one side"):
        objective_of(store, network_of(**settings))

"""Every objective: its loss by hand or by another formula, its draws, and that it goes on from any batch."""

import dataclasses
import math
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.nn import functional as F

from embedpipe.config import SentencesConfig
from embedpipe.generation.begin import tables_of
from embedpipe.generation.from_vector import FromVector
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.nn.batches import Batch, Padded, TokenSource
from embedpipe.nn.softmax import SampledSoftmax
from embedpipe.sentences.damage import Damage
from embedpipe.sentences.labelled import Labelled, Texts
from embedpipe.sentences.objectives.contrast import contrastive_loss, contrastive_scores
from embedpipe.sentences.objectives.crops import crop_objective
from embedpipe.sentences.objectives.denoising import Decoder, DenoisingObjective
from embedpipe.sentences.objectives.inference import InferenceObjective, pair_features
from embedpipe.sentences.objectives.language_model import LanguageModelObjective
from embedpipe.sentences.objectives.mixture import Mixture, Trainee
from embedpipe.sentences.objectives.neighbours import neighbour_objective
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.sentences.objectives.pairs import pair_objective
from embedpipe.sentences.objectives.scores import ScoreObjective, cosent_loss, cosine_loss, spearman
from embedpipe.sentences.objectives.twins import twin_objective
from embedpipe.sentences.plan import plan_training
from embedpipe.sentences.start import start_network
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS
from embedpipe.words.bag import Bag

CPU = torch.device("cpu")
SIZE, DIM = 60, 8
SETUP = Setup(batch=6, device=CPU, seed=3, max_tokens=12, temperature=0.1)
KINDS = ["neighbours", "twins", "crops", "language_model", "denoising", "pairs", "inference", "scores"]


class Given(nn.Module):
    """A network that gives the vectors it was made with, whatever it reads."""

    def __init__(self, vectors: torch.Tensor) -> None:
        super().__init__()
        self.vectors = F.normalize(vectors, dim=1)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.vectors


@pytest.fixture(scope="module")
def network():
    generator = torch.Generator().manual_seed(0)
    vectors = F.normalize(torch.randn(SIZE, DIM, generator=generator)).numpy()
    weights = np.ones(SIZE, dtype=np.float32)
    vectors[:4], weights[:4] = 0, 0
    return start_network(Bag(vectors, weights), SentencesConfig(hidden=6), seed=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> TokenStore:
    path = tmp_path_factory.mktemp("store")
    rng = np.random.default_rng(0)
    sentences = [[*rng.integers(4, SIZE, 9).tolist(), EOS] for _ in range(60)]
    np.save(path / "tokens.npy", np.array(sentences, dtype=np.uint32).ravel())
    np.save(path / "sentences.npy", np.arange(0, 601, 10).astype(np.uint64))
    np.save(path / "documents.npy", np.arange(0, 61, 6).astype(np.uint64))
    np.save(path / "begins.npy", np.zeros(60, dtype=np.bool_))
    return TokenStore(path)


def labelled(kind: str, groups: list[list[int]], values=None, negatives=None, labels=()) -> Labelled:
    """Rows of texts, of which text *i* is the two words 4 + i and 5 + i."""
    n = 1 + max(max(group) for group in [*groups, negatives or [0]])
    tokens = np.array([[4 + i, 5 + i] for i in range(n)], dtype=np.uint32).ravel()
    texts = Texts(tokens, np.arange(n) * 2, np.full(n, 2))
    members = np.full((len(groups), max(map(len, groups))), -1)
    for row, group in zip(members, groups, strict=True):
        row[: len(group)] = group
    values = np.zeros(len(groups)) if values is None else np.array(values, dtype=float)
    return Labelled(kind, "x", texts, members, values, None if negatives is None else np.array(negatives), labels)


def decoder(dim: int) -> Decoder:
    """A language model of as many words as are compared with, so that its loss is exact."""
    model = LanguageModel(Shape(SIZE, dim=5, hidden=6, layers=2), sparse=True)
    return Decoder(FromVector(model, SampledSoftmax(np.ones(SIZE), SIZE, CPU), dim), *tables_of(model))


def make(kind: str, store: TokenStore, network):
    source = TokenSource(store.tokens, CPU)
    simple = {"neighbours": neighbour_objective, "twins": twin_objective, "crops": crop_objective}
    if kind in simple:
        return simple[kind](store, source, 1.0, SETUP)
    if kind == "language_model":
        return LanguageModelObjective(store, source, 1.0, SETUP, network)
    if kind == "denoising":
        return DenoisingObjective(store, source, 1.0, SETUP, decoder(network.shape.dim))
    if kind == "pairs":
        return pair_objective(labelled("pairs", [[3 * i, 3 * i + 1, 3 * i + 2] for i in range(15)]), 1.0, SETUP)
    two = [[2 * i, 2 * i + 1] for i in range(20)]
    if kind == "inference":
        data = labelled("inference", two, np.arange(20) % 3, labels=("c", "e", "n"))
        return InferenceObjective(data, 1.0, SETUP, DIM)
    return ScoreObjective(labelled("scores", two, np.linspace(0, 1, 20)), 1.0, SETUP, "cosent")


@pytest.mark.parametrize("kind", KINDS)
def test_batch_k_depends_on_the_seed_and_k_alone(kind: str, store: TokenStore, network) -> None:
    objective = make(kind, store, network)
    whole = [batch.rows.ids.tolist() for batch in islice(objective.batches(0), 40)]
    assert [batch.rows.ids.tolist() for batch in islice(make(kind, store, network).batches(5), 35)] == whole[5:]
    assert whole[0] != whole[1]


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_the_network_and_the_heads(kind: str, store: TokenStore, network) -> None:
    torch.manual_seed(0)
    network.train()
    try:
        objective = make(kind, store, network)
        network.zero_grad()
        objective.loss(network, next(objective.batches(0))).backward()
        parameters = [
            network.embedding.weight,
            *network.reader.parameters(),
            *(objective.heads or nn.Module()).parameters(),
        ]
        assert all(bool(parameter.grad.to_dense().abs().sum() > 0) for parameter in parameters)
    finally:
        network.zero_grad()
        network.eval()


def test_negatives_are_further_candidates_of_the_first_texts_only() -> None:
    first, second = torch.eye(3)[:2], F.normalize(torch.tensor([[1.0, 0.2, 0.0], [0.0, 1.0, 0.5]]), dim=1)
    negatives = F.normalize(torch.tensor([[1.0, 1.0, 0.0]]), dim=1)
    loss = contrastive_loss(*contrastive_scores(first, second, torch.eye(5, dtype=torch.bool), 0.5, negatives))
    ahead, back = first @ torch.cat([second, negatives]).T / 0.5, second @ first.T / 0.5
    target = torch.arange(2)
    expected = (F.cross_entropy(ahead, target) + F.cross_entropy(back, target)) / 2
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    # A negative that is the same text as the answer of row 0 is no wrong answer to row 0, but is one to row 1.
    same = torch.eye(5, dtype=torch.bool)
    same[2, 4] = same[4, 2] = True
    ahead[0, 2] = -math.inf
    expected = (F.cross_entropy(ahead, target) + F.cross_entropy(back, target)) / 2
    found = contrastive_loss(*contrastive_scores(first, second, same, 0.5, negatives))
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)


def test_members_of_one_group_are_no_wrong_answers_and_widths_are_averaged() -> None:
    objective = pair_objective(labelled("pairs", [[0, 1, 2, 3], [4, 5]]), 1.0, replace(SETUP, nested_dims=(2,)))
    # Texts 0-1 and 2-3 are of the first group, 4-5 of the second; all six differ.
    ids = torch.tensor([[4, 5], [6, 7], [8, 9], [5, 6], [7, 8], [9, 10]])
    batch = Batch(Padded(ids, torch.full((6,), 2)), torch.tensor([0, 0, 1]))
    vectors = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    expected = []
    for width in (2, 4):
        rows = F.normalize(F.normalize(vectors, dim=1)[:, :width], dim=1)
        scores = rows[:3] @ rows[3:].T / 0.1
        scores[0, 1] = scores[1, 0] = -math.inf
        target = torch.arange(3)
        expected.append((F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2)
    found = objective.loss(Given(vectors), batch)
    assert found.item() == pytest.approx((sum(expected) / 2).item(), abs=1e-5)


def test_each_epoch_shows_every_group_once_with_two_different_members() -> None:
    groups = [[0, 1], [2, 3, 4], [5, 6, 7, 8]] + [[9 + 2 * i, 10 + 2 * i] for i in range(9)]
    objective = pair_objective(labelled("pairs", groups), 1.0, SETUP)
    seen = set()
    batches = list(islice(objective.batches(0), 200))
    for epoch in zip(batches[::2], batches[1::2], strict=True):
        assert sorted(torch.cat([batch.tags for batch in epoch]).tolist()) == list(range(12))
    for batch in batches:
        first, second = (batch.rows.ids[:, 0] - 4).chunk(2)
        for tag, a, b in zip(batch.tags.tolist(), first.tolist(), second.tolist(), strict=True):
            assert {a, b} <= set(groups[tag])
            assert a != b
            seen.add((a, b))
    assert {(5, 8), (8, 5), (6, 7), (0, 1), (1, 0)} <= seen


def test_a_negative_stands_in_the_third_rows_and_the_order_is_kept() -> None:
    data = labelled("pairs", [[0, 1], [2, 3]], negatives=[4, 5])
    batch = next(pair_objective(data, 1.0, SETUP).batches(0))
    assert batch.rows.ids.shape == (6, 2), "a batch is not larger than the data"
    texts = (batch.rows.ids[:, 0] - 4).reshape(3, 2).T.tolist()
    assert sorted(texts) == [[0, 1, 4], [2, 3, 5]]


def test_twins_are_the_same_sentence_and_differ_by_dropout(store: TokenStore, network, monkeypatch) -> None:
    objective = make("twins", store, network)
    batch = next(objective.batches(0))
    assert torch.equal(*batch.rows.ids.chunk(2))
    loss, found = objective.measure(network, batch)
    assert found == 1.0
    monkeypatch.setattr("embedpipe.sentences.objectives.contrast.contrastive_ranks", None)
    assert torch.equal(objective.loss(network, batch), loss), "a training step ranks nothing"


@pytest.mark.parametrize(("damage", "share"), [(Damage(), 0.5), (Damage(delete_p=0.6), 0.6)])
def test_words_are_left_out_of_twins(store: TokenStore, network, monkeypatch, damage, share) -> None:
    read = []
    monkeypatch.setattr(
        "embedpipe.sentences.objectives.objective.embed",
        lambda network, rows, at_once: read.append(rows) or torch.eye(len(rows.ids)),
    )
    setup, source = replace(SETUP, damage=damage, batch=400), TokenSource(store.tokens, CPU)
    objective = twin_objective(store, source, 1.0, setup, 0.5)
    network.train()
    try:
        objective.loss(network, next(objective.batches(0)))
    finally:
        network.eval()
    first, second = read[0].lengths.chunk(2)
    assert float(read[0].lengths.sum()) / (800 * 9) == pytest.approx(1 - share, abs=0.03)
    assert not torch.equal(first, second)


def test_what_twins_leave_out_is_left_out_of_nothing_else(store: TokenStore, network) -> None:
    config = SentencesConfig(neighbours=0.5, twins=0.5, twins_delete_p=0.4, batch=8)
    plan = plan_training(network, store, None, [], config, SETUP, None)
    assert {found.name: found.setup.damage.delete_p for found in plan.objectives} == {"neighbours": 0.0, "twins": 0.4}


def test_crops_hold_no_sentence_ends_and_their_words_in_order(store: TokenStore, network) -> None:
    text = " ".join(str(token) for token in store.tokens.tolist() if token != EOS)
    for batch in islice(make("crops", store, network).batches(0), 5):
        for ids, n in zip(batch.rows.ids, batch.rows.lengths, strict=True):
            assert not ids[n:].any()
            assert " ".join(map(str, ids[:n].tolist())) in text


def test_inference_features_and_loss_by_hand(store: TokenStore, network) -> None:
    features = pair_features(torch.tensor([[0.6, 0.8]]), torch.tensor([[1.0, 0.0]]))
    r = math.sqrt(2)
    torch.testing.assert_close(features, torch.tensor([[0.6 * r, 0.8 * r, r, 0, 0.4 * r, 0.8 * r, 1.2, 0]]))
    objective = make("inference", store, network)
    with torch.no_grad():
        objective.heads.weight.zero_()
        objective.heads.bias.copy_(torch.tensor([0.0, math.log(2), 0.0]))
    batch = next(objective.batches(0))
    labels = torch.arange(20)[batch.tags] % 3
    loss, accuracy = objective.measure(Given(torch.randn(12, DIM)), batch)
    shares = torch.tensor([0.25, 0.5, 0.25])[labels]
    assert loss.item() == pytest.approx(-shares.log().mean().item(), abs=1e-6)
    assert accuracy.item() == pytest.approx((labels == 1).float().mean().item())


def test_cosent_is_the_formula_of_its_author() -> None:
    generator = torch.Generator().manual_seed(0)
    cosines, scores = torch.rand(9, generator=generator) * 2 - 1, torch.randint(0, 4, (9,), generator=generator) / 3
    # As sentence-transformers computes it: a difference per pair, minus 1e12 where the order says nothing, and a zero.
    scaled = cosines * 20
    differences = scaled[:, None] - scaled[None, :]
    differences = differences - (1 - (scores[:, None] < scores[None, :]).float()) * 1e12
    expected = torch.logsumexp(torch.cat([torch.zeros(1), differences.view(-1)]), dim=0)
    assert cosent_loss(cosines, scores, 0.05).item() == pytest.approx(expected.item(), rel=1e-5)
    assert cosent_loss(cosines, torch.ones(9), 0.05) == 0, "no order, no loss"
    assert cosine_loss(torch.tensor([0.2, 0.8]), torch.tensor([0.0, 1.0])).item() == pytest.approx(0.04)


def test_scores_are_measured_by_the_order_of_all_pairs_together() -> None:
    data = labelled("scores", [[2 * i, 2 * i + 1] for i in range(5)], [0.0, 0.2, 0.4, 0.9, 1.0])
    objective = ScoreObjective(data, 1.0, replace(SETUP, batch=2), "cosine")
    batches = objective.once(2_048)
    assert sorted(row for batch in batches for row in batch.tags.tolist()) == [0, 1, 2, 3, 4]
    assert max(len(batch.tags) for batch in batches) == 2
    assert sum(len(batch.tags) for batch in objective.once(3)) == 3
    # Ranks 1 2 3 4 5 beside 2 1 3 4 5: 1 - 6 * 2 / (5 * 24); each of the two batches alone would be 1 or -1.
    seen = [torch.tensor([[0.5, 0.4], [0.0, 0.2]]), torch.tensor([[0.6, 0.7, 0.71], [0.4, 0.9, 1.0]])]
    assert objective.agree(seen) == pytest.approx(0.9)
    assert spearman(torch.tensor([1.0, 1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 2.0, 0.0])) == pytest.approx(
        spearmanr([1, 1, 2, 3], [1, 2, 2, 0]).statistic
    )
    assert math.isnan(spearman(torch.ones(3), torch.tensor([1.0, 2.0, 3.0])))


def test_scores_are_measured_by_their_cosines() -> None:
    data = labelled("scores", [[0, 1], [2, 3], [4, 5]], [0.0, 0.5, 1.0])
    objective = ScoreObjective(data, 1.0, replace(SETUP, batch=3), "cosine")
    batch = next(objective.batches(0))
    scores = torch.tensor([0.0, 0.5, 1.0])[batch.tags]
    second = torch.stack([scores, (1 - scores**2).sqrt()], dim=1)
    loss, seen = objective.measure(Given(torch.cat([torch.tensor([[1.0, 0.0]] * 3), second])), batch)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(seen, torch.stack([scores, scores]))


def test_the_decoder_predicts_each_token_and_the_end(store: TokenStore, network) -> None:
    """The loss is the one of a language model that is given the vector by hand, token by token."""
    objective = make("denoising", store, network).decoder.network.eval()
    batch = Batch(Padded(torch.tensor([[7, 9, 11], [5, 0, 0]]), torch.tensor([3, 1])), torch.tensor([0, 1]))
    denoising = make("denoising", store, network)
    denoising.decoder = Decoder(objective)
    found, nothing = denoising.measure(network, batch)
    model, total = objective.model, 0.0
    with torch.no_grad():
        for tokens in ([7, 9, 11], [5]):
            vector = network(torch.tensor([tokens]), torch.tensor([len(tokens)])) * DIM**0.5
            read = model.table[torch.tensor([[EOS, *tokens]])] + vector @ objective.to_given.weight.T
            hidden, _ = model.reader(read, ())
            logits = (hidden + vector @ objective.to_output.weight.T) @ model.table.T + model.bias
            total += F.cross_entropy(logits[0], torch.tensor([*tokens, EOS]), reduction="sum").item()
    assert found.item() == pytest.approx(total / 6, abs=1e-5)
    assert nothing.isnan()
    for at_once in (1, 2):
        read_in_parts = objective(network(batch.rows.ids, batch.rows.lengths), batch.rows, at_once)
        assert read_in_parts.item() == pytest.approx(found.item(), abs=1e-6)


def test_the_gradients_of_the_decoder_are_the_same_in_parts(store: TokenStore, network) -> None:
    """Words are hidden from the decoder in training, so it is told to hide none."""
    torch.manual_seed(2)
    written = make("denoising", store, network).decoder.network.eval()
    batch = next(make("twins", store, network).batches(0)).rows
    vectors = F.normalize(torch.randn(12, DIM), dim=1).requires_grad_()
    grads = []
    for at_once in (0, 5):
        written.zero_grad()
        vectors.grad = None
        written(vectors, batch, at_once).backward()
        grads.append([vectors.grad, *(p.grad.to_dense() for p in written.parameters())])
    for whole, parts in zip(*grads, strict=True):
        torch.testing.assert_close(parts, whole, atol=1e-6, rtol=1e-4)


def test_the_mixture_draws_by_weight_and_each_objective_goes_on_where_it_was(store: TokenStore, network) -> None:
    objectives = [replace(make("neighbours", store, network), weight=3.0), make("twins", store, network)]
    mixture = Mixture(objectives, seed=5)
    whole = list(islice(mixture.batches(0), 1_100))
    numbers = np.array([mixed.objective for mixed in whole])
    assert (numbers == 0).mean() == pytest.approx(0.75, abs=0.04)
    for i, objective in enumerate(objectives):
        own = [mixed.batch.rows.ids for mixed in whole if mixed.objective == i][:50]
        assert all(torch.equal(a, b.rows.ids) for a, b in zip(own, objective.batches(0), strict=False))
    for start in (5, 1_023, 1_030):
        later = list(islice(Mixture(objectives, seed=5).batches(start), 8))
        assert all(
            a.objective == b.objective and torch.equal(a.batch.rows.ids, b.batch.rows.ids)
            for a, b in zip(later, whole[start:], strict=False)
        )


def test_l1_is_the_sum_over_matrices_that_are_no_tables(store: TokenStore, network) -> None:
    objective = make("inference", store, network)
    mixed = next(Mixture([objective], seed=1).batches(0))
    plain, more = Trainee(network, [objective])(mixed), Trainee(network, [objective], l1=0.01)(mixed)
    matrices = [*network.reader.parameters(), network.projection.weight, objective.heads.weight]
    expected = 0.01 * sum(matrix.detach().abs().sum().item() for matrix in matrices if matrix.ndim > 1)
    assert (more - plain).item() == pytest.approx(expected, rel=1e-4)


def test_labelled_text_is_cut() -> None:
    objective = pair_objective(labelled("pairs", [[0, 1], [2, 3]]), 1.0, replace(SETUP, max_tokens=1))
    assert next(objective.batches(0)).rows.ids.shape == (4, 1)


def test_what_the_network_reads_is_a_view_of_its_own() -> None:
    vectors = torch.tensor([[0.8, 0.0, 0.0, 0.6], [0.0, 0.8, 0.36, 0.48]])
    nested, read, whole = dataclasses.replace(SETUP, own=2, nested_dims=(1,)).views(vectors)
    assert nested.tolist() == [[1.0], [0.0]]
    torch.testing.assert_close(read, torch.tensor([[0.0, 1.0], [0.6, 0.8]]))
    assert whole is vectors

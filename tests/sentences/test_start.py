"""Networks before training: the start is the SIF average, the random baseline is not."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from embedpipe.config import SentencesConfig
from embedpipe.errors import ConfigError
from embedpipe.nn.batches import pad
from embedpipe.sentences.network import EncoderShape, SentenceNetwork
from embedpipe.sentences.start import principal_axes, random_network, same_size, start_network
from embedpipe.words.bag import Bag

N_TOKENS, DIM = 60, 12
SEQUENCES = [[4, 9, 9, 30], [5], [1, 6, 1], list(range(4, 40)), [], [1]]


def make_bag() -> Bag:
    """Random unit rows that lean towards some directions."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(N_TOKENS, DIM)) * np.linspace(2, 0.5, DIM) @ np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    weights = rng.uniform(0.1, 1, N_TOKENS).astype(np.float32)
    vectors[:4], weights[:4] = 0, 0
    return Bag(vectors, weights)


def start(**settings: object) -> SentenceNetwork:
    """The start without the small random part of its reader."""
    network = start_network(make_bag(), SentencesConfig(hidden=8, **settings), seed=1)
    with torch.no_grad():
        if network.reader is not None:
            network.projection.weight.zero_()
    return network


def vectors_of(network: SentenceNetwork) -> torch.Tensor:
    batch = pad([np.array(s, dtype=np.uint32) for s in SEQUENCES], torch.device("cpu"))
    with torch.no_grad():
        return network(batch.ids, batch.lengths)


def averages() -> torch.Tensor:
    return torch.from_numpy(make_bag().encode_ids([np.array(s, np.uint32) for s in SEQUENCES]))


@pytest.mark.parametrize("architecture", ["bilstm", "transformer", "bag"])
def test_the_start_is_the_average(architecture: str) -> None:
    torch.testing.assert_close(vectors_of(start(architecture=architecture)), averages(), atol=1e-6, rtol=0)


def test_what_is_read_stands_beside_the_average_with_its_share() -> None:
    network = start_network(make_bag(), SentencesConfig(hidden=8, beside=0.2), seed=1)
    assert (network.shape.dim, network.shape.average_dim) == (DIM + 16, DIM)
    vectors, known = vectors_of(network), averages().norm(dim=1) > 0
    torch.testing.assert_close(vectors[:, :DIM], 0.8**0.5 * averages(), atol=1e-6, rtol=0)
    torch.testing.assert_close(vectors[known, DIM:].norm(dim=1), torch.full((int(known.sum()),), 0.2**0.5))
    assert random_network(make_bag(), SentencesConfig(hidden=8, beside=0.2), seed=1).shape.dim == DIM + 16


def test_second_moments_stand_between_the_average_and_what_is_read() -> None:
    config = SentencesConfig(hidden=8, beside=0.2, moments=0.05)
    network = start_network(make_bag(), config, seed=1)
    shape = network.shape
    assert (shape.average_dim, shape.moments_dim, shape.own_dim, shape.dim) == (DIM, DIM, 16, 2 * DIM + 16)
    vectors, known = vectors_of(network), averages().norm(dim=1) > 0
    torch.testing.assert_close(vectors[:, :DIM], 0.75**0.5 * averages(), atol=1e-6, rtol=0)
    for ids, row in zip(SEQUENCES, vectors, strict=True):
        squares = (make_bag().vectors[ids] ** 2).sum(axis=0)
        expected = 0.05**0.5 * squares / max(float(np.linalg.norm(squares)), 1e-12)
        np.testing.assert_allclose(row[DIM : 2 * DIM], expected, atol=1e-6)
    torch.testing.assert_close(vectors[known, 2 * DIM :].norm(dim=1), torch.full((int(known.sum()),), 0.2**0.5))
    alone = random_network(make_bag(), config, seed=1)
    assert (alone.shape.own_dim, alone.shape.dim) == (0, 2 * DIM + 16), "nothing but a projection of what is read"


@pytest.mark.parametrize("settings", [{"dim": 2 * DIM + 15}, {"dim": 1}, {"beside": 0.0}, {"architecture": "bag"}])
def test_where_vectors_have_no_room_for_second_moments_they_are_left_out(settings: dict[str, object]) -> None:
    network, plain = (
        start_network(make_bag(), SentencesConfig(**{"hidden": 8, "beside": 0.2, **settings, "moments": m}), seed=1)
        for m in (0.05, 0.0)
    )
    assert not network.shape.moments_dim
    assert torch.equal(vectors_of(network), vectors_of(plain))


@pytest.mark.parametrize("architecture", ["bilstm", "lstm", "gru", "rnn", "transformer"])
def test_the_random_part_is_small_and_has_word_order(architecture: str) -> None:
    network = start_network(make_bag(), SentencesConfig(hidden=8, architecture=architecture), seed=1)
    known = averages().norm(dim=1) > 0
    assert F.cosine_similarity(vectors_of(network), averages())[known].min() > 0.98
    ahead, back = network(torch.tensor([[4, 5, 6], [6, 5, 4]]), torch.tensor([3, 3]))
    assert (ahead - back).abs().max() > 1e-5


@pytest.mark.parametrize("architecture", ["bilstm", "bag"])
def test_a_smaller_start_is_the_principal_components_of_the_average(architecture: str) -> None:
    bag = make_bag()
    # p w^2 of each word, for w = a / (a + p).
    shares = (1 / bag.weights[4:] - 1) * bag.weights[4:] ** 2
    moment = (bag.vectors[4:] * shares[:, None]).T @ bag.vectors[4:]
    directions = np.linalg.svd(moment)[0][:, :5]
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), range(5)])
    expected = F.normalize(averages() @ torch.from_numpy(directions * signs).float(), dim=1)
    torch.testing.assert_close(vectors_of(start(dim=5, architecture=architecture)), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("architecture", ["bilstm", "bag"])
def test_a_larger_start_is_the_average_with_zeros_behind(architecture: str) -> None:
    found = vectors_of(start(dim=20, architecture=architecture))
    torch.testing.assert_close(found[:, :DIM], averages(), atol=1e-6, rtol=0)
    assert not found[:, DIM:].any()


@pytest.mark.parametrize("dim", [0, 20])
def test_a_nested_start_has_the_cosines_of_the_average_and_its_largest_directions_first(dim: int) -> None:
    found = vectors_of(start(dim=dim, nested_dims=(4,)))
    torch.testing.assert_close(found @ found.T, averages() @ averages().T, atol=1e-6, rtol=0)
    first = vectors_of(start(dim=4))
    torch.testing.assert_close(F.normalize(found[:, :4], dim=1), first, atol=1e-6, rtol=0)


def test_nested_widths_lie_below_the_width_of_the_vectors() -> None:
    with pytest.raises(ConfigError, match=r"nested_dims \[8, 12\].*which is 12"):
        start(nested_dims=(8, 12))


def test_principal_axes_are_orthonormal_also_where_no_weight_says_how_frequent_a_word_is() -> None:
    bag = make_bag()
    for weights in (bag.weights, (bag.weights > 0).astype(np.float32)):
        axes = principal_axes(Bag(bag.vectors, weights))
        np.testing.assert_allclose(axes @ axes.T, np.eye(DIM), atol=1e-6)
        assert (axes[range(DIM), np.abs(axes).argmax(axis=1)] > 0).all()


@pytest.mark.parametrize("architecture", ["bilstm", "transformer"])
def test_a_random_network_is_not_the_average_again(architecture: str) -> None:
    bag = make_bag()
    network = random_network(bag, SentencesConfig(hidden=64, architecture=architecture), seed=1)
    found = vectors_of(network)
    assert F.cosine_similarity(found, averages()).abs().max() < 0.9
    torch.testing.assert_close(found.norm(dim=1), torch.tensor([1.0, 1, 1, 1, 0, 0]))
    assert torch.equal(network.embedding.weight, torch.from_numpy(bag.vectors)), "over the same word vectors"


def test_a_random_bag_is_the_average() -> None:
    network = random_network(make_bag(), SentencesConfig(architecture="bag"), seed=1)
    torch.testing.assert_close(vectors_of(network), averages(), atol=1e-6, rtol=0)


def test_same_size_gives_the_shape_back() -> None:
    shape = EncoderShape(N_TOKENS, DIM, 7, "transformer", 6, 2, 3, "attention", False)
    assert start_network(make_bag(), same_size(shape), seed=1).shape == shape


def test_the_seed_decides_and_the_callers_random_numbers_are_left() -> None:
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    first, again, other = (
        start_network(make_bag(), SentencesConfig(hidden=4), seed=seed).projection.weight for seed in (1, 1, 2)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)

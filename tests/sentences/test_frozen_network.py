"""What encodes is the network itself, in every shape and at every precision, whatever stands beside a text."""

import numpy as np
import pytest
import torch

from embedpipe.config import SentencesConfig
from embedpipe.errors import ConfigError
from embedpipe.nn.precision import without_rounding
from embedpipe.sentences.encoder import SentenceEncoder
from embedpipe.sentences.network import SentenceNetwork
from embedpipe.sentences.start import random_network
from embedpipe.text.codec import TextCodec
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.bag import Bag

N_TOKENS = 80
LENGTHS = [3, 0, 17, 1, 3, 30, 9, 2, 17, 600]


def make_network(**settings: object) -> SentenceNetwork:
    rng = np.random.default_rng(0)
    vectors, weights = rng.normal(size=(N_TOKENS, 8)).astype(np.float32), rng.uniform(0.2, 1, N_TOKENS)
    vectors[:4], weights[:4] = 0, 0
    config = SentencesConfig(**{"hidden": 32, **settings})
    return random_network(Bag(vectors, weights.astype(np.float32)), config, seed=1)


def make_encoder(network: SentenceNetwork, precision: str = "fp32") -> SentenceEncoder:
    codec = TextCodec(RegexTokenizer(), Vocabulary.from_counts({f"w{i}": 99 - i for i in range(N_TOKENS - 4)}))
    return SentenceEncoder(codec, network, precision)


def sequences() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(1, N_TOKENS, n).astype(np.uint32) for n in LENGTHS]


def by_network(network: SentenceNetwork, ids: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(ids.astype(np.int64))[None], torch.tensor([len(ids)]))[0].numpy()


@pytest.mark.parametrize("architecture", ["bilstm", "lstm", "gru", "transformer", "bag"])
@pytest.mark.parametrize("settings", [{}, {"layers": 2, "pooling": "last", "dim": 6}], ids=["one-layer", "two-layers"])
def test_a_text_gives_what_the_network_gives_it_alone(architecture: str, settings: dict[str, object]) -> None:
    network = make_network(architecture=architecture, **settings)
    ids = sequences()
    vectors = make_encoder(network).encode_ids(ids)
    for row, one in list(zip(vectors, ids, strict=True))[:-1]:
        expected = by_network(network, one) if len(one) else 0
        np.testing.assert_allclose(row, expected, atol=1e-6)


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 1e-2), ("int8", 1e-2)])
@pytest.mark.parametrize("settings", [{}, {"architecture": "lstm", "layers": 2}], ids=["bilstm", "lstm"])
def test_lower_precision_gives_nearly_the_same(precision: str, tolerance: float, settings: dict[str, object]) -> None:
    encoder = make_encoder(make_network(**settings))
    ids = sequences()
    found, expected = encoder.at(precision).encode_ids(ids), encoder.encode_ids(ids)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < tolerance
    np.testing.assert_allclose(np.linalg.norm(found, axis=1)[[0, 2, 9]], 1, atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("architecture", ["bilstm", "lstm", "gru", "rnn", "transformer", "bag"])
def test_company_and_order_change_nothing_at_any_precision(architecture: str, precision: str) -> None:
    if precision == "int8" and "lstm" not in architecture:
        pytest.skip("int8 is for LSTMs")
    encoder = make_encoder(make_network(architecture=architecture, layers=2, beside=0.3), precision)
    rng = np.random.default_rng(2)
    ids = [rng.integers(1, N_TOKENS, n).astype(np.uint32) for n in (5, 1, 40, 5, 2, 0, 23, 3, 5, 12)]
    together = encoder.encode_ids(ids)
    alone = np.concatenate([encoder.encode_ids([one]) for one in ids])
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_ids(ids[::-1])[::-1], together, rtol=0, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_ids(ids[:4]), together[:4], rtol=0, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 3])
def test_batches_threads_and_order_change_nothing(monkeypatch, threads: int) -> None:
    encoder = make_encoder(make_network())
    ids = sequences()
    expected = encoder.encode_ids(ids)
    monkeypatch.setattr("embedpipe.sentences.encoder._ROWS_AT_ONCE", 2)
    monkeypatch.setattr("embedpipe.sentences.encoder._FEW_ROWS", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        np.testing.assert_allclose(encoder.encode_ids(ids[::-1])[::-1], expected, atol=1e-6)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("architecture", ["gru", "transformer", "bag"])
def test_int8_is_refused_where_there_is_none(architecture: str) -> None:
    with pytest.raises(ConfigError, match=f"int8 is for LSTMs on a CPU, not for this {architecture}"):
        make_encoder(make_network(architecture=architecture), "int8")


@pytest.mark.parametrize("architecture", ["gru", "rnn", "transformer"])
def test_bf16_is_nearly_the_same_for_other_readers(architecture: str) -> None:
    encoder = make_encoder(make_network(architecture=architecture))
    found, expected = encoder.at("bf16").encode_ids(sequences()), encoder.encode_ids(sequences())
    assert 1e-5 < np.abs(found - expected).max() < 2e-2


def test_a_bag_has_nothing_to_read_in_bf16() -> None:
    encoder = make_encoder(make_network(architecture="bag"))
    np.testing.assert_array_equal(encoder.at("bf16").encode_ids(sequences()), encoder.encode_ids(sequences()))


@pytest.mark.gpu
def test_a_gpu_gives_the_same_as_the_cpu() -> None:
    network = make_network()
    expected = make_encoder(network).encode_ids(sequences())
    on_gpu = make_encoder(network).to("cuda")
    np.testing.assert_allclose(on_gpu.encode_ids(sequences()), expected, atol=1e-5)
    with pytest.raises(ConfigError, match="network on cuda"):
        on_gpu.at("int8")


def test_on_a_device_of_its_own_an_encoder_is_a_copy() -> None:
    encoder = make_encoder(make_network(architecture="gru"))
    expected = encoder.encode_ids(sequences())
    moved = encoder.to("cpu")
    with torch.no_grad():
        encoder.network.embedding.weight.zero_()
    assert not np.allclose(encoder.encode_ids(sequences()), expected, atol=1e-2)
    np.testing.assert_array_equal(moved.encode_ids(sequences()), expected)
    assert make_encoder(make_network(), "int8").to("cpu").precision == "int8"


@pytest.mark.skipif(not hasattr(torch.backends.cudnn.rnn, "fp32_precision"), reason="torch before 2.9 has one switch")
def test_a_gpu_reads_in_float32_while_it_encodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network lies on the CPU here; which of torch's switches are set does not depend on that."""
    encoder = make_encoder(make_network(architecture="gru"))
    monkeypatch.setattr(
        "embedpipe.sentences.encoder.without_rounding", lambda _: without_rounding(torch.device("cuda"))
    )
    rnn, seen = torch.backends.cudnn.rnn, set()
    encoder.network.register_forward_hook(lambda *_: seen.add(rnn.fp32_precision))
    encoder.encode_ids(sequences())
    assert (seen, rnn.fp32_precision) == ({"ieee"}, "tf32")

"""Texts to vectors, and the encoder's folder: damage is named, never loaded."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from embedpipe.bundle.tensors import map_tensors, private_map, save_tensors
from embedpipe.config import SentencesConfig
from embedpipe.errors import BundleError
from embedpipe.sentences.encoder import WINDOW, SentenceEncoder
from embedpipe.sentences.network import SentenceNetwork
from embedpipe.sentences.part import load_encoder, save_encoder
from embedpipe.sentences.start import start_network
from embedpipe.text.codec import TextCodec
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.bag import Bag

WORDS = [f"w{i}" for i in range(30)]


def make_network() -> SentenceNetwork:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(34, 8)).astype(np.float32)
    weights = rng.uniform(0.2, 1, 34).astype(np.float32)
    vectors[:4], weights[:4] = 0, 0
    network = start_network(Bag(vectors, weights), SentencesConfig(hidden=5), seed=1)
    torch.manual_seed(2)
    with torch.no_grad():
        network.projection.weight.normal_()
    return network


@pytest.fixture
def encoder() -> SentenceEncoder:
    vocabulary = Vocabulary.from_counts({word: 100 - i for i, word in enumerate(WORDS)})
    return SentenceEncoder(TextCodec(RegexTokenizer(), vocabulary), make_network())


def test_rows_are_in_order_of_length_one_and_do_not_depend_on_company(encoder: SentenceEncoder) -> None:
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(WORDS, n)) for n in [3, 40, 1, 0, 7, 700, 12, 2]] + ["xyzzy"]
    vectors = encoder.encode(texts)
    assert vectors.shape == (9, 8)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    norms = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(norms, [1, 1, 1, 0, 1, 1, 1, 1, 0], atol=1e-5)
    for text, row in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(encoder.encode([text])[0], row, atol=1e-6)


def test_many_texts_pass_every_slice_and_batch_border(encoder: SentenceEncoder, monkeypatch) -> None:
    rng = np.random.default_rng(2)
    texts = [" ".join(rng.choice(WORDS, rng.integers(0, 9))) for _ in range(50)]
    expected = encoder.encode(texts)
    monkeypatch.setattr("embedpipe.sentences.encoder._TEXTS_AT_ONCE", 7)
    monkeypatch.setattr("embedpipe.sentences.encoder._TOKENS_AT_ONCE", 20)
    np.testing.assert_allclose(encoder.encode(texts), expected, atol=1e-6)


def test_no_texts_and_a_bare_string(encoder: SentenceEncoder) -> None:
    assert encoder.encode([]).shape == (0, 8)
    assert encoder.encode([]).dtype == np.float32
    assert encoder.encode_ids([]).shape == (0, 8)
    for method in (encoder.encode, encoder.analyze):
        with pytest.raises(TypeError, match="wrap it in a list"):
            method("w1 w2")


def test_a_long_text_is_the_weighted_mean_of_its_windows(encoder: SentenceEncoder) -> None:
    rng = np.random.default_rng(3)
    ids = rng.integers(4, 34, 2 * WINDOW + 100).astype(np.uint32)
    ids[WINDOW : WINDOW + 200] = 1
    parts = encoder.encode_ids([ids[:WINDOW], ids[WINDOW : 2 * WINDOW], ids[2 * WINDOW :]])
    mean = WINDOW * parts[0] + (WINDOW - 200) * parts[1] + 100 * parts[2]
    np.testing.assert_allclose(encoder.encode_ids([ids])[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert not encoder.encode_ids([np.ones(2 * WINDOW, np.uint32)]).any()


def test_a_text_of_exactly_one_window_is_encoded_whole(encoder: SentenceEncoder) -> None:
    ids = np.random.default_rng(4).integers(4, 34, WINDOW).astype(np.uint32)
    with torch.no_grad():
        whole = encoder.network(torch.from_numpy(ids.astype(np.int64))[None], torch.tensor([WINDOW]))
    np.testing.assert_allclose(encoder.encode_ids([ids]), whole.numpy(), atol=1e-6)


def test_analysis_counts_what_was_known(encoder: SentenceEncoder) -> None:
    texts = ["w1 xyzzy w2 plugh", "", "xyzzy", "w3 " * (WINDOW + 1)]
    analysis = encoder.analyze(texts)
    assert analysis.coverage.tolist() == [0.5, 0.0, 0.0, 1.0]
    assert analysis.n_tokens.tolist() == [4, 0, 1, WINDOW + 1]
    assert analysis.windowed.tolist() == [False, False, False, True]
    assert analysis.empty.tolist() == [False, True, True, False]
    np.testing.assert_array_equal(analysis.vectors, encoder.encode(texts))


def test_a_saved_encoder_gives_the_same_bytes(tmp_path: Path) -> None:
    save_encoder(tmp_path, make_network())
    loaded = load_encoder(tmp_path, 34)
    assert not loaded.training
    (tmp_path / "again").mkdir()
    save_encoder(tmp_path / "again", loaded)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_table_that_stands_with_the_words_is_not_written_twice(tmp_path: Path) -> None:
    network = make_network()
    words = network.embedding.weight.detach().numpy().copy()
    save_encoder(tmp_path, network, words)
    assert "embedding.weight" not in map_tensors(tmp_path / "model.safetensors")
    loaded = load_encoder(tmp_path, 34, lambda: words)
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    with pytest.raises(BundleError, match=r"config\.json: the encoder has no word vectors of its own, and no words"):
        load_encoder(tmp_path, 34)
    words[5, 0] += 1e-6
    with pytest.raises(BundleError, match=r"made over other word vectors than .* words\.safetensors, whose sha256 is "):
        load_encoder(tmp_path, 34, lambda: words)
    edit_config(tmp_path, word_table=None)
    with pytest.raises(BundleError, match="'word_table' is None, expected the sha256"):
        load_encoder(tmp_path, 34, lambda: words)


@pytest.mark.parametrize("named", [True, False])
def test_the_word_table_is_mapped_and_writing_to_it_reaches_no_file(tmp_path: Path, named: bool, monkeypatch) -> None:
    network = make_network()
    save_tensors(tmp_path / "words.safetensors", {"sentence_vectors": network.embedding.weight.detach().numpy()})
    words = map_tensors(tmp_path / "words.safetensors")["sentence_vectors"]
    save_encoder(tmp_path, network, words if named else None)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    mapped = []
    monkeypatch.setattr("embedpipe.sentences.part.private_map", lambda x: mapped.append(private_map(x)) or mapped[-1])
    table = load_encoder(tmp_path, 34, lambda: words).embedding.weight
    assert [type(one) for one in mapped] == [np.memmap]
    assert table.data_ptr() == mapped[0].ctypes.data
    table[5] = 7
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert torch.equal(load_encoder(tmp_path, 34, lambda: words).embedding.weight, network.embedding.weight)


def test_a_table_that_was_trained_or_turned_is_the_encoders_own(tmp_path: Path) -> None:
    network = make_network()
    own = network.embedding.weight.detach().numpy()
    for words in (own + np.float32(1e-6), own[:, ::-1], own[:, :4], None):
        save_encoder(tmp_path, network, words)
        assert json.loads((tmp_path / "config.json").read_text())["format"] == 2
        loaded = load_encoder(tmp_path, 34, lambda: pytest.fail("the words are not asked for"))
        assert torch.equal(loaded.embedding.weight, network.embedding.weight)


def edit_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "os.system"}, "config.json: unknown kind of encoder 'os.system'"),
        ({"format": 4}, "config.json: format 4.*upgrade"),
        ({"format": 3}, "config.json: 'word_table' is None, expected the sha256"),
        ({"format": 1}, "config.json: format 1, but this version reads 2 and 3"),
        ({"kind": "residual-lstm", "format": 1}, "model.safetensors: tensor 'reader.backwards.0.bias_hh_l0' belongs"),
        ({"kind": ["residual-lstm"]}, "unknown kind of encoder"),
        ({"hidden": 6}, "model.safetensors: tensor 'reader.forwards.0.weight_ih_l0'"),
        ({"layers": 2}, "model.safetensors: tensor 'reader.forwards.1.weight_ih_l0' is missing"),
        ({"layers": 65}, "config.json: 'layers' is 65, expected a whole number from 1 to 64"),
        ({"architecture": "os.system"}, "config.json: 'architecture' is 'os.system', expected one of"),
        ({"architecture": ["lstm"]}, "config.json: 'architecture' is"),
        ({"architecture": "transformer", "hidden": 5}, "'hidden' is 5, expected a multiple of 'heads', 4"),
        ({"residual": 1}, "config.json: 'residual' is 1"),
        (
            {"beside": 0.5, "moments": 0.5},
            "config.json: 'moments' is 0.5, expected a share that leaves some beside 0.5",
        ),
        ({"moments": "all"}, "config.json: 'moments' is 'all'"),
        ({"word_dim": 9}, "model.safetensors: tensor 'embedding.weight' is"),
        ({"dim": 9}, "model.safetensors: tensor 'projection.weight' is"),
        ({"hidden": "5"}, "config.json: 'hidden' is '5'"),
        ({"dim": True}, "config.json: 'dim' is True"),
        ({"dim": 10**12}, "config.json: 'dim'"),
        ({"pooling": "median"}, "config.json: 'pooling' is 'median'"),
        ({"n_tokens": 33}, "has 33 tokens but the vocabulary 34"),
    ],
)
def test_an_edited_config_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    save_encoder(tmp_path, make_network())
    edit_config(tmp_path, **changes)
    with pytest.raises(BundleError, match=message):
        load_encoder(tmp_path, 34)


def test_a_tensor_of_another_shape_dtype_or_name_is_refused(tmp_path: Path) -> None:
    save_encoder(tmp_path, make_network())
    path = tmp_path / "model.safetensors"
    good = {name: np.array(tensor) for name, tensor in map_tensors(path).items()}
    bad = {
        "tensor 'known' is float32": {**good, "known": good["known"][:-1]},
        "tensor 'known' is float64": {**good, "known": good["known"].astype(np.float64)},
        "tensor 'known' is missing": {name: t for name, t in good.items() if name != "known"},
        "tensor 'extra' belongs to no": {**good, "extra": good["known"]},
    }
    for message, tensors in bad.items():
        save_tensors(path, tensors)
        with pytest.raises(BundleError, match=f"model.safetensors: {message}"):
            load_encoder(tmp_path, 34)


def test_missing_and_truncated_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"config\.json"):
        load_encoder(tmp_path, 34)
    save_encoder(tmp_path, make_network())
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(BundleError, match=r"model\.safetensors"):
        load_encoder(tmp_path, 34)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(BundleError, match=r"config\.json"):
        load_encoder(tmp_path, 34)

"""The word vectors on disk."""

import numpy as np
import pytest

from embedpipe.bundle.tensors import save_tensors
from embedpipe.errors import BundleError
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.bag import fit_bag
from embedpipe.words.part import WORDS_FILE, load_words, save_words


@pytest.fixture
def made():
    vocabulary = Vocabulary.from_counts({f"w{i}": 50 - i for i in range(20)})
    vectors = np.random.default_rng(1).normal(size=(24, 5)).astype(np.float32)
    vectors[:4] = 0
    return vocabulary, vectors, fit_bag(vectors, vocabulary.probabilities)


def test_what_is_saved_comes_back_mapped_and_to_the_byte(made, tmp_path) -> None:
    vocabulary, vectors, bag = made
    save_words(tmp_path, vectors, bag)
    part = load_words(tmp_path, vocabulary)
    words, again = part.words, part.bag
    assert np.array_equal(words.vectors, vectors)
    assert np.array_equal(again.vectors, bag.vectors)
    assert np.array_equal(again.weights, bag.weights)
    for array in (words.vectors, again.vectors, again.weights):
        assert not array.flags.writeable
        assert isinstance(array.base, np.memmap | np.ndarray)
        assert not array.flags.owndata
    assert [n.word for n in words.similar("w3", k=30)].count("w3") == 0
    rows = [np.array([4, 9], dtype=np.uint32)]
    assert np.array_equal(again.encode_ids(rows), bag.encode_ids(rows))


def test_lengths_are_stored_and_made_where_an_older_bundle_has_none(made, tmp_path) -> None:
    vocabulary, vectors, bag = made
    save_words(tmp_path, vectors, bag)
    stored = load_words(tmp_path, vocabulary).words.inverse_norms
    assert isinstance(stored.base, np.memmap | np.ndarray)
    np.testing.assert_allclose(stored[4:], 1 / np.linalg.norm(vectors[4:], axis=1), rtol=1e-6)
    assert stored[:4].tolist() == [0, 0, 0, 0]
    older = {"vectors": vectors, "sentence_vectors": bag.vectors, "sentence_weights": bag.weights}
    save_tensors(tmp_path / WORDS_FILE, older)
    words = load_words(tmp_path, vocabulary).words
    assert np.array_equal(words.inverse_norms, stored)


def test_same_input_same_bytes(made, tmp_path) -> None:
    _, vectors, bag = made
    contents = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save_words(tmp_path / name, vectors, bag)
        contents.append((tmp_path / name / WORDS_FILE).read_bytes())
    assert contents[0] == contents[1]


def test_tables_of_two_shapes_are_refused(made, tmp_path) -> None:
    _, vectors, bag = made
    with pytest.raises(ValueError, match="published vectors"):
        save_words(tmp_path, vectors[:-1], bag)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors": np.zeros((23, 5), np.float32)}, "tensor 'vectors' is float32 of shape"),
        ({"vectors": np.zeros((24, 5), np.float64)}, "tensor 'vectors' is float64"),
        ({"vectors": np.zeros(24, np.float32)}, "tensor 'vectors'"),
        ({"sentence_vectors": np.zeros((24, 6), np.float32)}, "tensor 'sentence_vectors'"),
        ({"sentence_weights": np.zeros((24, 1), np.float32)}, "tensor 'sentence_weights'"),
        ({"sentence_weights": None}, "tensor 'sentence_weights' is missing"),
        ({"inverse_norms": np.zeros(23, np.float32)}, "tensor 'inverse_norms'"),
        ({"ngrams": np.zeros((3, 5), np.float16)}, "'ngrams' is float16 of shape .* but 0 n-grams of 5 dimensions"),
        (
            {"ngrams": np.zeros((3, 5), np.float32), "ngram_hashes": np.arange(2, dtype=np.uint32)},
            "tensor 'ngrams' is float32",
        ),
        (
            {"ngrams": np.zeros((3, 5), np.float16), "ngram_hashes": np.zeros((2, 1), np.uint32)},
            r"tensor 'ngram_hashes' of shape \(2, 1\) is no rising list",
        ),
        (
            {"ngrams": np.zeros((4, 5), np.float16), "ngram_hashes": np.array([1, 3, 3], np.uint32)},
            "tensor 'ngram_hashes' of shape .* is no rising list of different n-grams; make the words again",
        ),
        (
            {"ngrams": np.zeros((3, 5), np.float16), "ngram_hashes": np.array([3, 1], np.uint32)},
            "tensor 'ngram_hashes' of shape .* is no rising list",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(made, tmp_path, change, message) -> None:
    vocabulary, vectors, bag = made
    tensors = {"vectors": vectors, "sentence_vectors": bag.vectors, "sentence_weights": bag.weights, **change}
    save_tensors(tmp_path / WORDS_FILE, {name: t for name, t in tensors.items() if t is not None})
    with pytest.raises(BundleError, match=message) as caught:
        load_words(tmp_path, vocabulary)
    assert str(tmp_path / WORDS_FILE) in str(caught.value)


def test_a_missing_or_truncated_file_is_named(made, tmp_path) -> None:
    vocabulary, vectors, bag = made
    with pytest.raises(BundleError, match=WORDS_FILE):
        load_words(tmp_path, vocabulary)
    save_words(tmp_path, vectors, bag)
    path = tmp_path / WORDS_FILE
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(BundleError, match="truncated or edited"):
        load_words(tmp_path, vocabulary)

"""Foreign formats, read and written beside gensim's own code."""

import re
import warnings

import numpy as np
import pytest
from gensim.models import KeyedVectors

from embedpipe.errors import InputError, OutputError
from embedpipe.integrations.gensim import to_keyed_vectors
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.formats import (
    read_glove,
    read_word2vec_binary,
    read_word2vec_text,
    write_glove,
    write_word2vec_binary,
    write_word2vec_text,
)
from embedpipe.words.table import WordVectors

TOKENS = ["the", "naïve", "中文", "3.14", "don't", "<b>", "a_b"]


@pytest.fixture
def words() -> WordVectors:
    vocabulary = Vocabulary(["<pad>", "<unk>", "<bos>", "<eos>", *TOKENS], [0, 3, 0, 0, *range(70, 0, -10)])
    vectors = np.random.default_rng(0).normal(size=(11, 6)).astype(np.float32)
    vectors[:4] = 0
    vectors[5, :3] = [1e-30, -3.4e38, 0.1]
    return WordVectors(vocabulary, vectors)


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_reads_what_is_written(words, tmp_path, binary) -> None:
    (write_word2vec_binary if binary else write_word2vec_text)(tmp_path / "v", words)
    keyed = KeyedVectors.load_word2vec_format(tmp_path / "v", binary=binary)
    assert keyed.index_to_key == TOKENS
    assert np.array_equal(keyed.vectors, words.vectors[4:])
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


@pytest.mark.parametrize("binary", [False, True])
def test_what_gensim_writes_is_read(words, tmp_path, binary) -> None:
    to_keyed_vectors(words).save_word2vec_format(tmp_path / "v", binary=binary)
    tokens, vectors = (read_word2vec_binary if binary else read_word2vec_text)(tmp_path / "v")
    assert tokens == TOKENS
    assert np.array_equal(vectors, words.vectors[4:])
    assert vectors.dtype == np.float32


def test_glove_has_no_header(words, tmp_path) -> None:
    write_glove(tmp_path / "v", words)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keyed = KeyedVectors.load_word2vec_format(tmp_path / "v", no_header=True)
    tokens, vectors = read_glove(tmp_path / "v")
    assert keyed.index_to_key == tokens == TOKENS
    assert np.array_equal(keyed.vectors, vectors)
    assert np.array_equal(vectors, words.vectors[4:])


def test_binary_is_read_with_and_without_line_ends(tmp_path) -> None:
    numbers = np.array([1, 2], dtype="<f4").tobytes()
    for gap in (b"", b"\n"):
        (tmp_path / "v").write_bytes(b"2 2\na " + numbers + gap + b"b " + numbers + gap)
        tokens, vectors = read_word2vec_binary(tmp_path / "v")
        assert tokens == ["a", "b"]
        assert vectors.tolist() == [[1, 2], [1, 2]]


def test_keyed_vectors_carry_counts_and_take_a_bundle(words) -> None:
    class Opened:
        pass

    opened = Opened()
    opened.words = words
    keyed = to_keyed_vectors(opened)
    assert keyed.get_vecattr("naïve", "count") == 60
    assert keyed.index_to_key == TOKENS
    assert not np.shares_memory(keyed.vectors, words.vectors)


@pytest.mark.parametrize("token", ["new york", "a\u00a0b", "a\nb", "tab\t"])
def test_white_space_in_a_token_is_refused_and_nothing_is_written(tmp_path, token) -> None:
    vocabulary = Vocabulary(["<pad>", "<unk>", "<bos>", "<eos>", "fine", token], [0, 0, 0, 0, 2, 1])
    vectors = WordVectors(vocabulary, np.ones((6, 2), dtype=np.float32))
    for write in (write_word2vec_text, write_glove, write_word2vec_binary):
        with pytest.raises(OutputError, match=re.escape(repr(token))):
            write(tmp_path / "v", vectors)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_an_output_error(words, tmp_path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_glove(tmp_path / "no folder" / "v", words)


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"", 1, "expected a word2vec header"),
        (b"the 0.1 0.2\n", 1, "expected a word2vec header"),
        (b"2 2\na 1 2\nb 1\n", 3, "expected a token and 2 numbers, found 1"),
        (b"2 2\na 1 2 3\nb 1 2\n", 2, "found 3"),
        (b"2 2\na 1 x\nb 1 2\n", 2, "could not convert string to float: b'x'"),
        (b"2 2\na 1 2\nb nan 2\n", 3, "not finite"),
        (b"2 2\na 1 2\nb 1 1e60\n", 3, "not finite"),
        (b"2 2\na 1 2\na 3 4\n", 3, "'a' stands twice"),
        (b"2 2\na 1 2\n\xff 3 4\n", 3, "not UTF-8"),
        (b"3 2\na 1 2\nb 3 4\n", 3, "the header says 3 words, the file holds 2"),
        (b"1 2\na 1 2\nb 3 4\n", 3, "the header says 1 words, the file holds 2"),
    ],
)
def test_bad_text_names_the_line(tmp_path, content, line, message) -> None:
    path = tmp_path / "v.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_word2vec_text(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"2 2\na 1 2\nb 3 4\n", 1, "header"),
        (b"a 1 2\nb 3\n", 2, "found 1"),
        (b"a 1 inf\n", 1, "not finite"),
        (b"word\n", 1, "expected a token and its numbers"),
        (b"a 1 2\n\n", 2, "found 0"),
    ],
)
def test_bad_glove_names_the_line(tmp_path, content, line, message) -> None:
    path = tmp_path / "v.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_glove(path)
    assert caught.value.line == line


GOOD = np.array([1, 2], dtype="<f4").tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a" + GOOD, "expected a word2vec header"),
        (b"2 2\na " + GOOD, "truncated"),
        (b"99999999999 300\na " + GOOD, "truncated"),
        (b"2 2\na " + GOOD + b"bbbbb" + GOOD, "entry 2 of 2: truncated or damaged"),
        (b"2 2\na " + GOOD + b"a " + GOOD, "entry 2: token 'a' stands twice"),
        (b"1 2\na " + np.array([1, np.nan], dtype="<f4").tobytes(), "entry 1 ('a'): a number is not finite"),
        (b"1 2\n\xff " + GOOD, "entry 1: token"),
    ],
)
def test_bad_binary_names_the_entry(tmp_path, content, message) -> None:
    path = tmp_path / "v.bin"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_word2vec_binary(path)
    assert str(path) in str(caught.value)

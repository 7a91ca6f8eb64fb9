"""Foreign formats, written and read beside gensim's own code; what is damaged names its line."""

import bz2
import gzip
import re
import warnings

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.errors import InputError, OutputError
from embedpipe.integrations.gensim import to_keyed_vectors
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.formats import write_glove, write_vectors, write_word2vec_binary, write_word2vec_text
from embedpipe.words.read_binary import read_word2vec_binary
from embedpipe.words.read_text import read_glove, read_word2vec_text
from embedpipe.words.read_vectors import find_format, read_vectors
from embedpipe.words.table import WordVectors

TOKENS = ["the", "naïve", "中文", "3.14", "don't", "<b>", "a_b"]
FORMATS = ["word2vec", "word2vec-binary", "glove", "fasttext-vec"]


@pytest.fixture
def words() -> WordVectors:
    vocabulary = Vocabulary([*SPECIALS, *TOKENS], [0, 3, 0, 0, *range(70, 0, -10)])
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


@pytest.mark.parametrize(("header", "named"), [(b"2 2\n", "word2vec"), (b"", "glove")])
def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path, header, named) -> None:
    (tmp_path / "v").write_bytes(b"\xef\xbb\xbf" + header + b"cat 1 0\ndog 0 1\n")
    assert find_format(tmp_path / "v") == (named, 2)
    found = read_vectors(tmp_path / "v")
    assert (found.tokens, found.vectors.tolist(), found.format) == (["cat", "dog"], [[1, 0], [0, 1]], named)


@pytest.mark.parametrize("binary", [False, True])
def test_what_gensim_writes_is_read(words, tmp_path, binary) -> None:
    to_keyed_vectors(words).save_word2vec_format(tmp_path / "v", binary=binary)
    found = (read_word2vec_binary if binary else read_word2vec_text)(tmp_path / "v")
    assert found.tokens == TOKENS
    assert np.array_equal(found.vectors, words.vectors[4:])
    assert (found.vectors.dtype, found.dim, found.counts) == (np.float32, 6, None)
    assert found.format == ("word2vec-binary" if binary else "word2vec")


def test_glove_has_no_header(words, tmp_path) -> None:
    write_glove(tmp_path / "v", words)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keyed = KeyedVectors.load_word2vec_format(tmp_path / "v", no_header=True)
    found = read_glove(tmp_path / "v")
    assert keyed.index_to_key == found.tokens == TOKENS
    assert np.array_equal(keyed.vectors, found.vectors)
    assert np.array_equal(found.vectors, words.vectors[4:])


@pytest.mark.parametrize("format_", FORMATS)
def test_content_says_what_it_is_compressed_or_not(words, tmp_path, format_) -> None:
    write_vectors(tmp_path / "v.gz", words, format_)
    packed = (tmp_path / "v.gz").read_bytes()
    assert packed[:2] == b"\x1f\x8b"
    (tmp_path / "hidden").write_bytes(packed)
    (tmp_path / "plain").write_bytes(gzip.decompress(packed))
    (tmp_path / "other").write_bytes(bz2.compress(gzip.decompress(packed)))
    named = "word2vec" if format_ == "fasttext-vec" else format_
    for name in ("v.gz", "hidden", "plain", "other"):
        found = read_vectors(tmp_path / name)
        assert find_format(tmp_path / name) == (named, 6)
        assert (found.tokens, found.format) == (TOKENS, named)
        assert np.array_equal(found.vectors, words.vectors[4:])


def test_the_same_vectors_give_the_same_compressed_bytes(words, tmp_path) -> None:
    for name in ("a.gz", "b.gz"):
        write_vectors(tmp_path / name, words)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_a_file_that_stands_there_is_kept_unless_forced(words, tmp_path) -> None:
    (tmp_path / "v").write_text("mine")
    with pytest.raises(OutputError, match="--force replaces it"):
        write_vectors(tmp_path / "v", words)
    assert (tmp_path / "v").read_text() == "mine"
    write_vectors(tmp_path / "v", words, force=True)
    assert read_vectors(tmp_path / "v").tokens == TOKENS
    with pytest.raises(OutputError, match="is a folder"):
        write_vectors(tmp_path, words, force=True)


def test_binary_is_read_with_and_without_line_ends(tmp_path) -> None:
    numbers = np.array([1, 2], dtype="<f4").tobytes()
    for gap in (b"", b"\n"):
        (tmp_path / "v").write_bytes(b"2 2\na " + numbers + gap + b"b " + numbers + gap)
        found = read_word2vec_binary(tmp_path / "v")
        assert found.tokens == ["a", "b"]
        assert found.vectors.tolist() == [[1, 2], [1, 2]]


def test_tokens_with_spaces_inside(tmp_path) -> None:
    (tmp_path / "v").write_bytes(b". 1 2\n. . . 3 4\nat name@domain.com 5 6\r\n1 7 8 \n\xc2\xa0 9 10")
    found = read_vectors(tmp_path / "v")
    assert found.format == "glove"
    assert found.tokens == [".", ". . .", "at name@domain.com", "1", "\xa0"]
    assert found.vectors.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]


def test_files_of_many_blocks(tmp_path, monkeypatch) -> None:
    for module in ("read_text._BLOCK", "byte_reader._BLOCK"):
        monkeypatch.setattr(f"embedpipe.words.{module}", 7)
    monkeypatch.setattr("embedpipe.words.read_binary._ROWS", 3)
    rows = np.random.default_rng(2).normal(size=(50, 3)).astype(np.float32)
    keyed = KeyedVectors(3)
    keyed.add_vectors([f"w{i}" for i in range(50)], rows)
    for binary in (False, True):
        keyed.save_word2vec_format(tmp_path / "v", binary=binary)
        found = read_vectors(tmp_path / "v")
        assert found.tokens == keyed.index_to_key
        assert np.array_equal(found.vectors, rows)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=60), st.sampled_from([b"", b"2 2\n", b"cat 1 2\n", b"\x1f\x8b", b"\xba\x16\x4f\x2f\x0c\0\0\0"])
)
def test_any_bytes_are_read_or_refused_with_the_path(tmp_path_factory, content, begins) -> None:
    path = tmp_path_factory.mktemp("any") / "v"
    path.write_bytes(begins + content)
    problem = ""
    try:
        found = read_vectors(path)
    except InputError as error:
        problem = str(error)
    if problem:
        assert problem.startswith(str(path))
    else:
        assert found.vectors.shape == (len(set(found.tokens)), found.dim)


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


@pytest.mark.parametrize("name", ["v.xz", "v.bz2", "v.zst"])
def test_a_compression_that_is_not_written_is_refused(words, tmp_path, name) -> None:
    with pytest.raises(OutputError, match="only gzip is written"):
        write_glove(tmp_path / name, words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"", 1, "expected a word2vec header"),
        (b"the 0.1 0.2\n", 1, "expected a word2vec header"),
        (b"2 2\na 1 2\nb 1\n", 3, "expected a token and 2 numbers, found 1"),
        (b"2 2\na 1 2 3\nb 1 2\n", 2, "found 3"),
        (b"2 2\na 1 x\nb 1 2\n", 2, "not a number: b'x'"),
        (b"2 2\na 1  2\nb 1 2\n", 2, "expected a token and 2 numbers, found 3"),
        (b"2 2\na\t1\t2\nb 1 2\n", 2, "expected a token and 2 numbers, separated by tabs: replace them by single"),
        (b"2 2\na\t1 2\nb 1 2\n", 2, "separated by tabs"),
        (b"2 2\na 1 2\nb nan 2\n", 3, "token 'b': a number is not finite"),
        (b"2 2\na 1 2\nb 1 1e60\n", 3, "not finite"),
        (b"2 2\na 1 2\na 3 4\n", 3, "'a' stands twice, first in line 2"),
        (b"2 2\na 1 2\n 3 4\n", 3, "a token is empty"),
        (b"2 2\na  1 2\nb 3 4\n", 2, "a token begins or ends with a space"),
        (b"9" * 5_000 + b" 2\na 1 2\n", 1, "expected a word2vec header"),
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
        (b"a 1 2\nb c 3 4 5\n", 2, "found 4"),
        (b"a 1 inf\n", 1, "not finite"),
        (b"word\n", 1, "expected a token and its numbers"),
        (b"a\t1\t2\nb\t1\t2\n", 1, "separated by tabs: replace them by single spaces"),
        (b"a\t1 2\nb\t1 2\n", 1, "separated by tabs"),
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
        (b"2 2\na " + GOOD, "entry 2 of 2: the file is cut short"),
        (b"2 99999999999\na " + GOOD, "entry 1 of 2: the file is cut short"),
        (b"99999999999 300\na " + GOOD, "entry 1 of 99,999,999,999: the file is cut short"),
        (b"2 2\na " + GOOD + b"bbbbb" + GOOD, "entry 2 of 2: the file is cut short or damaged"),
        (b"2 2\na " + GOOD + b"a " + GOOD, "entry 2 of 2: token 'a' stands twice, first in entry 1 of 2"),
        (b"1 2\na " + np.array([1, np.nan], dtype="<f4").tobytes(), "entry 1 of 1: token 'a': a number is not finite"),
        (b"1 2\n\xff " + GOOD, "entry 1 of 1: token"),
        (b"1 2\na " + GOOD + b"b " + GOOD, "more follows after the 1 entries"),
    ],
)
def test_bad_binary_names_the_entry(tmp_path, content, message) -> None:
    path = tmp_path / "v.bin"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_word2vec_binary(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x80\x04\x95pickle", "call save_word2vec_format"),
        (b"PK\x03\x04more", "unpack it"),
        (b"\x93NUMPY\x01\0", "is a NumPy array"),
        (b"\0\1\2\3 1 2\n", "is in none of the formats"),
        (gzip.compress(b"a 1 2\n", mtime=0)[:-9], "damaged or cut short"),
    ],
)
def test_what_is_no_file_of_vectors_says_what_to_do(tmp_path, content, message) -> None:
    path = tmp_path / "v.bin"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_vectors(path)
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="name a file of word vectors"):
            find_format(missing)

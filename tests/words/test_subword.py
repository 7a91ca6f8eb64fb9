"""Vectors of unseen strings, against gensim's FastText and numbers worked by hand."""

import numpy as np
import pytest
from gensim.models import FastText
from gensim.models.fasttext import ft_hash_bytes, ft_ngram_hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.published_subwords import publish_subwords
from embedpipe.words.steps import post_process
from embedpipe.words.subword import NgramRows, Subwords, mean_rows, ngram_rows, ngram_strings

SENTENCES = [["the", "cat", "sat", "on", "the", "mat"], ["the", "naïve", "cats", "滑稽", "sat", "here"]] * 5


@pytest.fixture(scope="module")
def fasttext():
    return FastText(SENTENCES, vector_size=8, min_count=1, min_n=2, max_n=5, bucket=500, epochs=2, seed=3, workers=1)


@settings(max_examples=200, deadline=None)
@given(
    words=st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12), max_size=5),
    shortest=st.integers(1, 5),
    more=st.integers(0, 4),
    buckets=st.integers(1, 300_000),
)
def test_rows_are_those_of_gensim_in_its_order(words, shortest, more, buckets) -> None:
    ngrams = ngram_rows(words, shortest, shortest + more, buckets)
    expected = [ft_ngram_hashes(word, shortest, shortest + more, buckets) for word in words]
    assert ngrams.rows.tolist() == [row for rows in expected for row in rows]
    assert ngrams.offsets.tolist() == [0, *np.cumsum([len(rows) for rows in expected]).tolist()]
    strings = [ngram_strings(word, shortest, shortest + more) for word in words]
    assert list(map(len, strings)) == np.diff(ngrams.offsets).tolist()
    hashed = [ft_hash_bytes(gram.encode()) % buckets for of_word in strings for gram in of_word]
    assert ngrams.rows.tolist() == hashed
    assert ngrams.words.tolist() == [i for i, rows in enumerate(expected) for _ in rows]


def test_a_byte_above_127_is_negative_in_the_hash() -> None:
    # FNV-1a of "é" (C3 A9) alone, each byte sign-extended to 32 bits before the exclusive or.
    h = 2166136261
    for byte in (0xFFFFFFC3, 0xFFFFFFA9):
        h = (h ^ byte) * 16777619 % 2**32
    assert ngram_rows(["é"], 1, 1, 2**31 - 1).rows.tolist() == [h % (2**31 - 1)]


def test_vectors_of_unknown_words_are_those_of_gensim(fasttext) -> None:
    subwords = Subwords(fasttext.wv.vectors_ngrams, 2, 5)
    words = ["catnip", "滑滑", "naïveté", "q", "a longer string"]
    expected = np.array([fasttext.wv.get_vector(word) for word in words])
    np.testing.assert_allclose(subwords.compose(words), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(subwords.vector("catnip"), expected[0], rtol=1e-5, atol=1e-7)


def test_a_published_table_gives_the_published_mean_and_no_random_rows(fasttext) -> None:
    words = list(fasttext.wv.key_to_index)
    vocabulary = Vocabulary([*SPECIALS, *words], [0] * 4 + [1] * len(words))
    rows = np.zeros((len(vocabulary), 8), dtype=np.float32)
    rows[4:] = fasttext.wv.vectors
    transform = post_process([(rows, None)], vocabulary.probabilities, ["whiten:0.5", "unit"]).transform
    subwords = publish_subwords(fasttext.wv.vectors_ngrams, vocabulary, 2, 5, transform)
    trained = {row for word in words for row in ft_ngram_hashes(word, 2, 5, 500)}
    assert set(np.flatnonzero(subwords.vectors.any(axis=1)).tolist()) == trained

    of_word = ft_ngram_hashes("cathat", 2, 5, 500)
    known = [row for row in of_word if row in trained]
    assert 0 < len(known) < len(of_word)
    mean = fasttext.wv.vectors_ngrams[known].mean(axis=0, keepdims=True)
    np.testing.assert_allclose(subwords.vector("cathat"), transform.apply(mean)[0], atol=1e-5)
    assert subwords.known(subwords.ngrams(["cathat"])).sum() == len(known)


def test_a_string_without_a_trained_ngram_has_no_vector() -> None:
    table = np.zeros((10, 2), dtype=np.float32)
    table[ngram_rows(["a"], 3, 3, 10).rows] = [3, 4]
    subwords = Subwords(table, 3, 3, unit=True)
    assert subwords.vector("") is None
    np.testing.assert_allclose(subwords.vector("a"), [0.6, 0.8], rtol=1e-6)
    assert not subwords.compose([""]).any()
    assert subwords.compose([]).shape == (0, 2)


def test_means_by_hand_over_more_words_than_one_block() -> None:
    table = np.array([[2.0], [4.0], [0.0]], dtype=np.float32)
    rows = np.tile([0, 1, 2], 2500)
    means = mean_rows(table, NgramRows(rows, np.arange(0, len(rows) + 1, 3)))
    assert means.tolist() == [[3.0]] * 2500
    kept = NgramRows(rows, np.arange(0, len(rows) + 1, 3)).keep(rows == 1)
    assert mean_rows(table, kept).tolist() == [[4.0]] * 2500


@pytest.mark.parametrize("table", [np.zeros((2, 2)), np.zeros(2, dtype=np.float32), np.zeros((0, 2), np.float32)])
def test_a_table_of_another_kind_is_refused(table) -> None:
    with pytest.raises(ValueError, match="expected float32 n-gram vectors"):
        Subwords(table, 3, 6)
    with pytest.raises(ValueError, match="do not exist"):
        Subwords(np.ones((2, 2), dtype=np.float32), 4, 3)

"""Vectors of n-grams fitted to vectors of words: by hand, against scikit-learn, and on words that are made of parts."""

import tracemalloc

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.calibration import calibrate_fitted
from embedpipe.words.lookup import Lookup
from embedpipe.words.ngram_fit import SharedNgrams, shared_ngrams
from embedpipe.words.postprocess import unit_rows
from embedpipe.words.steps import post_process
from embedpipe.words.subword import HASHES, Subwords, ngram_rows
from embedpipe.words.table import WordVectors
from embedpipe.words.unseen import fit_unseen

ENDINGS = ("ing", "ness", "able", "ment")


def stems(n: int) -> list[str]:
    """Strings of eight random letters."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    return ["".join(stem) for stem in np.random.default_rng(0).choice(letters, (n, 8))]


def made_of_parts(n_stems: int, *, noise: bool = False) -> WordVectors:
    """Every stem in every ending, its vector the sum of theirs, or, as `noise`, one of its own."""
    rng = np.random.default_rng(1)
    words = [stem + ending for stem in stems(n_stems) for ending in ENDINGS]
    of_stem, of_ending = rng.normal(size=(n_stems, 1, 32)), 0.5 * rng.normal(size=(1, len(ENDINGS), 32))
    rows = (of_stem + of_ending).reshape(-1, 32)
    rows = rng.normal(size=rows.shape) if noise else rows
    vocabulary = Vocabulary([*SPECIALS, *words], [0] * 4 + [3] * len(words))
    return WordVectors(vocabulary, np.vstack([np.zeros((4, 32)), rows]).astype(np.float32))


def ngrams_of(words: WordVectors) -> SharedNgrams:
    return shared_ngrams(words.vocabulary.tokens, (3, 6))


def test_what_few_words_share_weighs_more() -> None:
    # Of three letters, <ab is shared by three words and abc by two of them.
    found = shared_ngrams([*SPECIALS, "abc", "abcd", "abx"], (3, 3))
    hashes = ngram_rows(["ab"], 3, 3, HASHES).rows[0], *ngram_rows(["abcd"], 3, 3, HASHES).rows[1:2]
    assert found.hashes.tolist() == sorted(hashes)
    weights = dict(zip(found.hashes.tolist(), found.weights.tolist(), strict=True))
    assert [weights[h] for h in hashes] == pytest.approx([3**-0.25, 2**-0.25])
    dense = found.mixtures.toarray()
    norm = np.hypot(3**-0.25, 2**-0.25)
    assert sorted(dense[4].tolist()) == pytest.approx([3**-0.25 / norm, 2**-0.25 / norm])
    assert sorted(dense[6].tolist()) == [0, 1]
    assert not dense[:4].any()


def test_the_fit_is_the_ridge_regression_of_scikit_learn() -> None:
    words = made_of_parts(40)
    ngrams = ngrams_of(words)
    rows = np.arange(len(words)) % 3 > 0
    dense = ngrams.mixtures.toarray()
    other = Ridge(alpha=1.0, fit_intercept=False).fit(dense[rows], words.vectors[rows]).coef_.T
    fitted = ngrams.fit(words.vectors, rows)
    assert fitted.dtype == np.float32
    assert np.linalg.norm(fitted - other) < 0.05 * np.linalg.norm(other)
    every = Ridge(alpha=1.0, fit_intercept=False).fit(dense, words.vectors).coef_.T
    assert np.linalg.norm(ngrams.fit(words.vectors) - every) < 0.05 * np.linalg.norm(every)


def test_an_unseen_word_is_found_where_its_parts_put_it_and_the_confidence_says_how_often() -> None:
    whole = made_of_parts(120)
    gone = np.arange(4, len(whole), 37)
    kept = np.setdiff1d(np.arange(len(whole)), gone)
    tokens = [whole.vocabulary.tokens[i] for i in kept]
    words = WordVectors(Vocabulary(tokens, [0] * 4 + [3] * (len(tokens) - 4)), whole.vectors[kept])
    lookup = Lookup(words, *fit_unseen(words, ngrams_of(words), seed=1))
    found = [lookup.look_up(whole.vocabulary.tokens[i]) for i in gone]
    assert {one.source for one in found} == {"subwords"}
    made = np.array([one.vector for one in found])
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, rtol=1e-5)
    nearest, _ = whole.most_similar_ids(made, 10)
    assert (nearest == gone[:, None]).any(axis=1).mean() > 0.9
    assert min(one.confidence for one in found) > 0.8


def test_where_spelling_says_nothing_no_vector_is_trusted() -> None:
    words = made_of_parts(120, noise=True)
    lookup = Lookup(words, *fit_unseen(words, ngrams_of(words), seed=1))
    assert lookup.look_up(stems(120)[3] + "ful").confidence < 0.2


def test_what_the_step_puts_into_vectors_is_not_found_again_and_trusted() -> None:
    trained = made_of_parts(120, noise=True)
    ngrams, p = ngrams_of(trained), trained.vocabulary.probabilities
    published = post_process([(trained.vectors, None)], p, ["ngrams:0.6"], ngrams=ngrams).vectors
    words = WordVectors(trained.vocabulary, published)
    subwords, calibration = fit_unseen(words, ngrams, seed=1, trained=trained)
    assert Lookup(words, subwords, calibration).look_up(stems(120)[3] + "ful").confidence < 0.1
    assert calibration == fit_unseen(trained, ngrams, seed=1)[1]
    every = ngrams.subwords(ngrams.fit(unit_rows(published)))
    np.testing.assert_array_equal(subwords.vectors, every.vectors)


@pytest.mark.parametrize("scale", [1e6, 1e-7])
def test_the_length_of_vectors_plays_no_part(scale) -> None:
    words = made_of_parts(40)
    scaled = WordVectors(words.vocabulary, words.vectors * np.float32(scale))
    (one, of_one), (two, of_two) = (fit_unseen(w, ngrams_of(w), seed=1) for w in (words, scaled))
    np.testing.assert_allclose(two.vectors, one.vectors, atol=1e-3)
    for guess, weights in of_one.weights.items():
        np.testing.assert_allclose(of_two.weights[guess], weights, rtol=1e-2)


def test_columns_are_fitted_in_blocks_to_the_same_numbers(monkeypatch) -> None:
    words = made_of_parts(40)
    ngrams, rows = ngrams_of(words), np.arange(len(words)) % 3 > 0
    whole = ngrams.fit(words.vectors, rows), ngrams.fit(words.vectors)
    monkeypatch.setattr("embedpipe.words.ngram_fit._COLUMNS", 5)
    np.testing.assert_allclose(ngrams.fit(words.vectors, rows), whole[0], atol=1e-5)
    np.testing.assert_allclose(ngrams.fit(words.vectors), whole[1], atol=1e-5)


def test_a_fit_holds_little_beside_its_result() -> None:
    words = made_of_parts(40)
    ngrams = ngrams_of(words)
    wide = np.random.default_rng(0).normal(size=(len(words), 2_000)).astype(np.float32)
    ngrams.fit(wide[:, :2])
    tracemalloc.start()
    try:
        fitted = ngrams.fit(wide)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - fitted.nbytes < wide.nbytes


def test_chinese_words_share_characters() -> None:
    chinese = shared_ngrams([*SPECIALS, "中国", "国家", "人民", "the"], (3, 6))
    assert chinese.lengths == (1, 6)
    # 国 is shared, nothing longer is.
    assert chinese.hashes.tolist() == ngram_rows(["国"], 1, 1, HASHES).rows.tolist()
    assert chinese.mixtures.toarray()[4:, 0].tolist() == [1, 1, 0, 0]
    assert chinese.subwords(np.ones((1, 2), dtype=np.float32)).vector("国王") is not None
    assert shared_ngrams([*SPECIALS, "中国", "the", "cat"], (3, 6)).lengths == (3, 6)


def test_words_without_ngrams_and_pieces_are_not_counted() -> None:
    rng = np.random.default_rng(0)
    alone = [chr(0x0400 + i) + chr(0x0410 + i) for i in range(200)]
    whole = made_of_parts(60)
    tokens = [*whole.vocabulary.tokens, *alone]
    rows = np.vstack([whole.vectors, rng.normal(size=(200, 32))]).astype(np.float32)
    words = WordVectors(Vocabulary(tokens, [0] * 4 + [30] * 240 + [1] * 200), rows)
    ngrams = shared_ngrams(tokens, (3, 6))
    made_of_two = np.arange(244, 444)
    subwords = ngrams.subwords(ngrams.fit(unit_rows(rows)))
    assert "subwords" not in calibrate_fitted(words, subwords, made_of_two).weights
    both = calibrate_fitted(words, subwords, np.arange(4, 244, 3)).weights
    assert both == calibrate_fitted(words, subwords, np.concatenate([np.arange(4, 244, 3), made_of_two])).weights
    assert set(both) == {"subwords", "spelling"}


def test_a_string_of_no_shared_ngram_has_no_vector() -> None:
    words = made_of_parts(40)
    subwords, _ = fit_unseen(words, ngrams_of(words), seed=1)
    assert subwords.vector("滑稽") is None
    alone, longer = subwords.vector("ing"), subwords.vector("ing滑稽滑稽")
    assert alone is not None
    assert longer is not None
    # Of the longer one, ing alone is an n-gram that words of the vocabulary have.
    (row,) = subwords.vectors[np.searchsorted(subwords.hashes, ngram_rows(["xingx"], 3, 3, HASHES).rows[2:3])]
    np.testing.assert_allclose(longer, unit_rows(row[None].astype(np.float32))[0], atol=1e-6)


def test_words_that_share_nothing_leave_nothing_to_fit() -> None:
    words = WordVectors(Vocabulary([*SPECIALS, "cat", "dog"], [0] * 4 + [2, 1]), np.eye(6, 2, -4, dtype=np.float32))
    ngrams = ngrams_of(words)
    assert ngrams.mixtures.shape == (6, 0)
    subwords, calibration = fit_unseen(words, ngrams, seed=1)
    assert subwords.vector("cats") is None
    assert calibration.weights == {}
    published = post_process([(words.vectors, None)], words.vocabulary.probabilities, ["ngrams:1"], ngrams=ngrams)
    np.testing.assert_array_equal(published.vectors, words.vectors)


def test_the_step_adds_what_is_fitted_to_vectors_of_length_1() -> None:
    words = made_of_parts(40)
    ngrams, p = ngrams_of(words), words.vocabulary.probabilities
    published = post_process([(words.vectors, None)], p, ["ngrams:0.6"], ngrams=ngrams)
    units = unit_rows(words.vectors)
    said = unit_rows(ngrams.mixtures @ ngrams.fit(units))
    np.testing.assert_allclose(published.vectors, units + 0.6 * said, atol=1e-6)
    assert published.transform is None
    with pytest.raises(ValueError, match=r"'ngrams:0\.6' asks for the n-grams"):
        post_process([(words.vectors, None)], p, ["ngrams:0.6"])


def test_the_step_makes_an_analogy_of_endings_that_training_saw_too_little_of() -> None:
    """Noise on every vector stands for a small corpus: what words spelt alike have in common is the signal."""
    words = made_of_parts(60)
    noisy = words.vectors + np.random.default_rng(2).normal(size=words.vectors.shape).astype(np.float32)
    noisy[:4] = 0

    def right(vectors: np.ndarray) -> float:
        table, n = WordVectors(words.vocabulary, vectors), len(ENDINGS)
        a, c = np.arange(4, 120, n), np.arange(124, 240, n)[:29]
        query = unit_rows(vectors[a + 1]) - unit_rows(vectors[a]) + unit_rows(vectors[c])
        nearest, _ = table.most_similar_ids(query, 1, np.column_stack([a, a + 1, c]))
        return float((nearest[:, 0] == c + 1).mean())

    smooth = post_process([(noisy, None)], words.vocabulary.probabilities, ["ngrams:1"], ngrams=ngrams_of(words))
    assert right(smooth.vectors) > right(noisy) + 0.2


def test_a_table_that_does_not_fit_its_hashes_is_refused() -> None:
    hashes = np.arange(3, dtype=np.uint32)
    with pytest.raises(ValueError, match=r"float16 n-gram vectors of shape \(4, dim\)"):
        Subwords(np.zeros((3, 2), dtype=np.float16), 3, 6, hashes=hashes)
    with pytest.raises(ValueError, match="expected float16"):
        Subwords(np.zeros((4, 2), dtype=np.float32), 3, 6, hashes=hashes)

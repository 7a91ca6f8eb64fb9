"""Word similarity on vectors whose order is planted, and beside gensim and scipy on the same pairs."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from embedpipe.probes.words.word_lookup import find_words, spelling_similarity
from embedpipe.probes.words.word_similarity import word_similarity_rows
from embedpipe.tasks.shapes import WordSimilarity
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.table import WordVectors


@pytest.fixture
def angles(word_table):
    """Words w0, w1, … whose cosine with w0 falls with their number."""
    return lambda n: word_table({f"w{i}": (math.cos(i / n), math.sin(i / n)) for i in range(n)})


@pytest.fixture(scope="module")
def noise(word_table):
    rng = np.random.default_rng(3)
    return word_table({f"w{i}": row for i, row in enumerate(rng.normal(size=(60, 8)))})


def pairs(n, scores, extra=()):
    return WordSimilarity("planted", [*[("w0", f"w{i}") for i in range(1, n)], *extra], np.array(scores, dtype=float))


def test_a_planted_order_is_found_and_its_reverse_too(angles):
    for sign in (1, -1):
        rows = word_similarity_rows(pairs(12, [sign * -i for i in range(1, 12)]), angles(12), bootstrap=200, seed=1)
        assert {row.baseline for row in rows} == {"spelling", "random vectors"}
        assert rows[0].value == pytest.approx(sign)
        assert (rows[0].n, rows[0].coverage) == (11, 1.0)
        assert rows[0].low <= rows[0].value <= rows[0].high
        assert "unknown" not in rows[0].note


def test_unknown_words_are_left_out_and_counted_and_case_is_folded(angles):
    task = pairs(4, [3, 2, 1, 9, 0], extra=[("w0", "zebra"), ("W1", "W2")])
    rows = word_similarity_rows(task, angles(4), bootstrap=100, seed=1)
    row = rows[0]
    assert (row.metric, row.n, row.coverage) == ("spearman", 4, 0.8)
    assert row.note == "4 pairs, too few for an interval; left out for an unknown word: 1 of 5 pairs"
    assert math.isnan(row.low)
    assert math.isnan(row.high)


def test_over_all_pairs_an_unknown_word_is_a_guess_that_ranks_nowhere(noise):
    rng = np.random.default_rng(4)
    known = [(f"w{i}", f"w{j}") for i, j in rng.integers(0, 60, size=(40, 2))]
    task = WordSimilarity("t", [*known, *[("w1", "zebra")] * 10], rng.normal(size=50))
    beside = {
        row.baseline: row for row in word_similarity_rows(task, noise, bootstrap=100, seed=1) if "(" in row.metric
    }
    unit = noise.vectors / np.maximum(np.linalg.norm(noise.vectors, axis=1, keepdims=True), 1e-12)
    cosines = [float(unit[noise.id(a)] @ unit[noise.id(b)]) for a, b in known]
    guess = [np.mean(cosines)] * 10
    row = beside["spelling"]
    assert (row.metric, row.n, row.coverage) == ("spearman (all)", 50, 0.8)
    assert row.note == "a guess, the mean of the other cosines, for 10 of 50 pairs"
    assert row.value == pytest.approx(spearmanr([*cosines, *guess], task.scores).statistic, abs=1e-6)
    spelt = [spelling_similarity(a, b) for a, b in task.pairs]
    assert row.baseline_value == pytest.approx(spearmanr(spelt, task.scores).statistic)


def test_the_figures_are_those_of_gensim(noise, tmp_path):
    from gensim.models import KeyedVectors

    rng = np.random.default_rng(5)
    asked = [(f"w{i}", f"w{j}") for i, j in rng.integers(0, 60, size=(80, 2))]
    task = WordSimilarity("t", [*asked, ("w1", "zebra")], rng.normal(size=81))
    file = tmp_path / "pairs.tsv"
    file.write_text("".join(f"{a}\t{b}\t{s!r}\n" for (a, b), s in zip(task.pairs, task.scores.tolist(), strict=True)))
    theirs = KeyedVectors(8)
    theirs.add_vectors(noise.vocabulary.tokens[4:], noise.vectors[4:])
    _, spearman, oov = theirs.evaluate_word_pairs(str(file))
    row = word_similarity_rows(task, noise, bootstrap=100, seed=1)[0]
    assert row.value == pytest.approx(float(spearman[0]), abs=1e-9)
    assert 100 * (1 - row.coverage) == pytest.approx(oov)


def test_unrelated_scores_give_an_interval_around_zero(word_table):
    rng = np.random.default_rng(3)
    words = word_table({f"w{i}": row for i, row in enumerate(rng.normal(size=(200, 20)))})
    row = word_similarity_rows(pairs(200, rng.normal(size=199)), words, bootstrap=300, seed=1)[0]
    assert row.low < 0 < row.high
    assert row.p_value > 0.05


def test_too_few_pairs_and_constant_scores_are_said(angles):
    (row,) = word_similarity_rows(pairs(3, [1, 2]), angles(3), bootstrap=100, seed=1)
    assert math.isnan(row.value)
    assert row.note == "skipped: 2 of 2 pairs are in the vocabulary, 3 are needed"
    row = word_similarity_rows(pairs(9, [5] * 8), angles(9), bootstrap=100, seed=1)[0]
    assert math.isnan(row.value)
    assert row.note.startswith("not defined")
    assert row.as_dict()["value"] is None


def test_a_part_is_of_its_own_pairs_though_others_are_left_out(angles):
    task = pairs(22, [*[-i for i in range(1, 11)], *range(11, 22), 0], extra=[("w0", "zebra")])
    first = np.arange(22) < 10
    rows = word_similarity_rows(task, angles(22), bootstrap=100, seed=1, parts={"falling": first, "rising": ~first})
    of = {row.metric: row for row in rows}
    assert (of["spearman (falling)"].value, of["spearman (falling)"].n) == (pytest.approx(1), 10)
    assert (of["spearman (rising)"].value, of["spearman (rising)"].n) == (pytest.approx(-1), 11)


def test_with_ngrams_unknown_words_have_vectors(angles):
    class Composed:
        """Every w is a known one: w15x has the vector of w15; a zebra has none."""

        def vectors(self, words, *, oov):
            assert oov == "zero"
            return np.array([table.vectors[table.id(word)] if word in table else [0, 0] for word in words], np.float32)

        def composed(self, words):
            assert words == ["w15x", "w16x", "zebra"]
            rows = [table.vectors[table.id(word.removesuffix("x"))] if word[0] == "w" else [0, 0] for word in words]
            return np.array(rows, dtype=np.float32)

    table = angles(20)
    task = pairs(12, -np.arange(1.0, 15), extra=[("w0", "w15x"), ("w0", "w16x"), ("w0", "zebra")])
    rows = word_similarity_rows(task, table, bootstrap=100, seed=1, lookup=Composed())
    of = {(row.metric, row.baseline): row for row in rows}
    row = of["spearman (subwords)", "guesses"]
    assert row.note == "2 of 3 pairs with an unknown word have vectors of n-grams, the others a guess"
    assert row.baseline_value == of["spearman (all)", "spelling"].value
    # all in order, but for the zebra, which is guessed to lie in the middle instead of last
    assert row.value > row.baseline_value
    cosines = [math.cos(i / 20) for i in (*range(1, 12), 15, 16)]
    known = [math.cos(i / 20) for i in range(1, 12)]
    assert row.value == pytest.approx(spearmanr([*cosines, np.mean(known)], task.scores).statistic)


def test_a_word_without_a_vector_is_unknown():
    vocabulary = Vocabulary.from_counts({"a": 2, "b": 1})
    words = WordVectors(vocabulary, np.array([[0]] * 5 + [[1]], dtype=np.float32))
    assert find_words(words, ["a", "b", "B", "c"]).tolist() == [-1, 5, 5, -1]


def test_spelling_baseline():
    assert spelling_similarity("cat", "cat") == 1.0
    assert spelling_similarity("cat", "dog") == 0.0
    assert spelling_similarity("李白", "李") == pytest.approx(2 * 1 / (3 + 2))

"""Word probes on vectors whose answers are planted."""

import math

import numpy as np
import pytest

from embedpipe.probes.intrinsic import analogy_rows, answer_analogies, spelling_similarity, word_similarity_rows
from embedpipe.tasks.shapes import Analogies, WordSimilarity
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.table import WordVectors


def table(rows):
    vocabulary = Vocabulary.from_counts({word: 1_000 - i for i, word in enumerate(rows)})
    vectors = np.zeros((len(vocabulary), len(next(iter(rows.values())))), dtype=np.float32)
    for word, row in rows.items():
        vectors[vocabulary.index[word]] = row
    return WordVectors(vocabulary, vectors)


def angles(n):
    """Words w0, w1, … whose cosine with w0 falls with their number."""
    return table({f"w{i}": (math.cos(i / n), math.sin(i / n)) for i in range(n)})


def pairs(n, scores, extra=()):
    return WordSimilarity("planted", [*[("w0", f"w{i}") for i in range(1, n)], *extra], np.array(scores, dtype=float))


def test_a_planted_order_is_found_and_its_reverse_too():
    words = angles(12)
    for sign in (1, -1):
        rows = word_similarity_rows(pairs(12, [sign * -i for i in range(1, 12)]), words, bootstrap=200, seed=1)
        assert {row.baseline for row in rows} == {"spelling", "random vectors"}
        assert rows[0].value == pytest.approx(sign)
        assert (rows[0].n, rows[0].coverage) == (11, 1.0)
        assert rows[0].low <= rows[0].value <= rows[0].high
        assert "unknown" not in rows[0].note


def test_unknown_words_are_left_out_and_counted_and_case_is_folded():
    task = pairs(4, [3, 2, 1, 9, 0], extra=[("w0", "zebra"), ("W1", "W2")])
    (row, _) = word_similarity_rows(task, angles(4), bootstrap=100, seed=1)
    assert (row.n, row.coverage) == (4, 0.8)
    assert row.note == "4 pairs, too few for an interval; left out for an unknown word: 1 of 5 pairs"
    assert math.isnan(row.low)
    assert math.isnan(row.high)


def test_unrelated_scores_give_an_interval_around_zero():
    rng = np.random.default_rng(3)
    words = table({f"w{i}": row for i, row in enumerate(rng.normal(size=(200, 20)))})
    (row, _) = word_similarity_rows(pairs(200, rng.normal(size=199)), words, bootstrap=300, seed=1)
    assert row.low < 0 < row.high
    assert row.p_value > 0.05


def test_too_few_pairs_and_constant_scores_are_said():
    (row,) = word_similarity_rows(pairs(3, [1, 2]), angles(3), bootstrap=100, seed=1)
    assert math.isnan(row.value)
    assert row.note == "skipped: 2 of 2 pairs are in the vocabulary, 3 are needed"
    row = word_similarity_rows(pairs(9, [5] * 8), angles(9), bootstrap=100, seed=1)[0]
    assert math.isnan(row.value)
    assert row.note.startswith("not defined")
    assert row.as_dict()["value"] is None


def test_spelling_baseline():
    assert spelling_similarity("cat", "cat") == 1.0
    assert spelling_similarity("cat", "dog") == 0.0
    assert spelling_similarity("李白", "李") == pytest.approx(2 * 1 / (3 + 2))


def grid(n=6):
    """a_i + offset = b_i exactly, for orthogonal a_i, beside a crowd of words that are near neither."""
    eye = np.eye(n + 1, dtype=np.float32)
    rows = {f"a{i}": eye[i] for i in range(n)}
    rows |= {f"b{i}": eye[i] + eye[n] for i in range(n)}
    return table(rows)


QUESTIONS = [(f"a{i}", f"b{i}", f"a{j}", f"b{j}") for i in range(6) for j in range(6) if i != j]


def test_exact_analogies_are_all_answered():
    words = grid()
    task = Analogies("exact", {"pairs": QUESTIONS, "unseen": [("a0", "b0", "x", "y")]})
    rows = analogy_rows(task, words, restrict=1_000, seed=1)
    assert {row.baseline for row in rows} == {"nearest to c", "nearest to b", "random word"}
    assert all(row.metric == "accuracy" and row.value == 1.0 and row.n == 30 for row in rows)
    assert rows[0].coverage == pytest.approx(30 / 31)
    beside = {row.baseline: row for row in rows}
    # a_j is nearest to its own b_j; b_i is nearest to the other b's
    assert beside["nearest to c"].baseline_value == 1.0
    assert beside["nearest to c"].p_value == 1.0
    assert beside["nearest to b"].p_value < 0.001
    assert "30 of 31 questions seen" in rows[0].note
    assert "(counted as wrong: 0.968)" in rows[0].note


def test_answers_agree_with_the_table_of_word_vectors():
    rng = np.random.default_rng(0)
    words = table({f"w{i:02d}": row for i, row in enumerate(rng.normal(size=(60, 8)))})
    ids = rng.permuted(np.tile(np.arange(4, 64), (50, 1)), axis=1)[:, :3]
    answers = answer_analogies(words.vectors, ids, seed=1)
    names = np.array(words.vocabulary.tokens)
    for question, answer, near_c in zip(ids, answers["3CosAdd"], answers["nearest to c"], strict=True):
        a, b, c = names[question]
        assert names[answer] == words.analogy(a, b, c, k=1)[0].word
        assert names[near_c] == next(n.word for n in words.similar([c], k=4) if n.word not in (a, b))
    assert (np.concatenate([answers["nearest to b"], answers["random word"]]) >= 4).all()


def test_the_search_is_restricted_to_the_most_frequent_words():
    rows = analogy_rows(Analogies("exact", {"all": QUESTIONS}), grid(), restrict=9, seed=1)
    assert rows[0].n == 6  # a0…a5 and b0 b1 b2: i, j below 3
    assert rows[0].note.startswith(
        "3CosAdd over the 9 most frequent words; 6 of 30 questions seen, the others left out"
    )
    assert analogy_rows(Analogies("exact", {"all": QUESTIONS}), grid(), restrict=1_000, seed=1)[0].note == (
        f"3CosAdd over the {len(grid().vocabulary) - 4} most frequent words"
    )
    (row,) = analogy_rows(Analogies("exact", {"all": QUESTIONS}), grid(), restrict=6, seed=1)
    assert row.note == "skipped: no question has all four words among the 6 most frequent"


def test_semantic_and_syntactic_sections_have_rows_of_their_own():
    rows = analogy_rows(
        Analogies("both", {"capitals": QUESTIONS[:4], "gram1": QUESTIONS[4:6]}), grid(), restrict=99, seed=1
    )
    assert {(row.metric, row.n) for row in rows} == {
        ("accuracy", 6),
        ("accuracy (semantic)", 4),
        ("accuracy (syntactic)", 2),
    }

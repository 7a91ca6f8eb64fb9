"""Analogies on vectors whose answers are planted, and beside gensim and our own query on the same questions."""

import numpy as np
import pytest

from embedpipe.probes.rows import pivot
from embedpipe.probes.words import analogy_answers
from embedpipe.probes.words.analogies import analogy_accuracy, analogy_rows
from embedpipe.probes.words.analogy_answers import answer_analogies, answer_by_neighbours
from embedpipe.tasks.shapes import Analogies
from embedpipe.words.analogy import solve_analogy
from embedpipe.words.lookup import Lookup

QUESTIONS = [(f"a{i}", f"b{i}", f"a{j}", f"b{j}") for i in range(6) for j in range(6) if i != j]


@pytest.fixture(scope="module")
def grid(word_table):
    """a_i + offset = b_i exactly, for orthogonal a_i."""
    eye = np.eye(7, dtype=np.float32)
    rows = {f"a{i}": eye[i] for i in range(6)} | {f"b{i}": eye[i] + eye[6] for i in range(6)}
    return word_table(rows)


@pytest.fixture(scope="module")
def noise(word_table):
    rng = np.random.default_rng(0)
    return word_table({f"w{i:02d}": row for i, row in enumerate(rng.normal(size=(60, 8)))})


def of_metric(rows, metric):
    return {row.baseline: row for row in rows if row.metric == metric}


def test_exact_analogies_are_all_answered(grid):
    task = Analogies("exact", {"pairs": QUESTIONS, "unseen": [("a0", "b0", "x", "y")]})
    rows = analogy_rows(task, grid, restrict=1_000, seed=1)
    beside = of_metric(rows, "accuracy")
    assert list(beside) == ["nearest to c", "nearest to b", "random word"]
    assert all(row.value == 1.0 and row.n == 30 for row in beside.values())
    assert rows[0].coverage == pytest.approx(30 / 31)
    # a_j is nearest to its own b_j; b_i is nearest to the other b's
    assert beside["nearest to c"].baseline_value == 1.0
    assert beside["nearest to c"].p_value == 1.0
    assert beside["nearest to b"].p_value < 0.001
    assert rows[0].note == (
        "3CosAdd over the 12 most frequent words; a, b and c are no answers; "
        "30 of 31 questions seen, the others left out"
    )


def test_over_all_questions_those_that_are_not_seen_count_as_wrong(grid):
    task = Analogies("exact", {"pairs": [*QUESTIONS, ("a0", "b0", "x", "y"), ("a0", "b0", "a1", "y")]})
    beside = of_metric(analogy_rows(task, grid, restrict=1_000, seed=1), "accuracy (all)")
    row = beside["nearest to c"]
    assert (row.value, row.n, row.baseline_value) == (pytest.approx(30 / 32), 32, pytest.approx(30 / 32))
    assert row.note.endswith("all 32 questions, the 2 unseen ones counted as wrong")
    seen = Analogies("exact", {"pairs": QUESTIONS})
    assert not of_metric(analogy_rows(seen, grid, restrict=1_000, seed=1), "accuracy (all)")


def test_both_methods_have_rows_with_the_same_baselines(grid):
    rows = analogy_rows(Analogies("exact", {"pairs": QUESTIONS}), grid, restrict=1_000, seed=1)
    beside = of_metric(rows, "accuracy (3CosMul)")
    assert list(beside) == ["3CosAdd", "nearest to c", "nearest to b", "random word"]
    assert beside["3CosAdd"].baseline_value == 1.0
    assert beside["3CosAdd"].note.startswith(
        "3CosMul over the 12 most frequent words; a, b and c are no answers; 30 of 30"
    )
    assert analogy_accuracy(Analogies("exact", {"pairs": QUESTIONS}), grid, restrict=1_000) == 1.0


@pytest.mark.parametrize("small_blocks", [False, True])
def test_answers_agree_with_the_query_for_one_analogy(noise, small_blocks, monkeypatch):
    if small_blocks:
        monkeypatch.setattr(analogy_answers, "_CANDIDATES", 7)
        monkeypatch.setattr(analogy_answers, "_QUESTIONS", 3)
    ids = np.random.default_rng(0).permuted(np.tile(np.arange(4, 64), (50, 1)), axis=1)[:, :3]
    answers = answer_analogies(noise.vectors, ids)
    beside = answer_by_neighbours(noise.vectors, ids, seed=1)
    names = np.array(noise.vocabulary.tokens)
    differ = 0
    for i, question in enumerate(ids):
        one = solve_analogy(noise, *map(Lookup(noise).look_up, names[question]), k=1)
        assert names[answers["3CosAdd"][i]] == one.cos_add[0].word
        assert names[answers["3CosMul"][i]] == one.cos_mul[0].word
        assert names[beside["nearest to c"][i]] == one.nearest_c[0].word
        assert names[beside["nearest to b"][i]] == one.nearest_b[0].word
        differ += one.cos_add[0].word != one.cos_mul[0].word
    assert differ > 5, "the two methods are told apart"
    assert (beside["random word"] >= 4).all()


def test_words_without_a_vector_and_specials_are_no_answers():
    vectors = np.array([[1, 1]] * 4 + [[1, 0], [0.9, 0.1], [-1, 0.2], [0, 0], [-1, 0]], dtype=np.float32)
    answers = answer_analogies(vectors, np.array([[4, 6, 5]])) | answer_by_neighbours(
        vectors, np.array([[4, 6, 5]]), seed=1
    )
    assert {answers[name].item() for name in ("3CosAdd", "3CosMul", "nearest to b", "nearest to c")} == {8}


@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`:DeprecationWarning")
def test_the_figures_are_those_of_gensim(word_table, tmp_path):
    from gensim.models import KeyedVectors

    rng = np.random.default_rng(2)
    base, offset = rng.normal(size=(12, 10)), rng.normal(size=10)
    rows = {f"a{i}": base[i] for i in range(12)}
    rows |= {f"b{i}": base[i] + offset + 0.9 * rng.normal(size=10) for i in range(12)}
    words = word_table(rows | {f"x{i}": row for i, row in enumerate(rng.normal(size=(100, 10)))})
    questions = [(f"a{i}", f"b{i}", f"a{j}", f"b{j}") for i in range(12) for j in range(12) if i != j]
    file = tmp_path / "questions.txt"
    file.write_text(": all\n" + "".join(" ".join(question) + "\n" for question in questions))
    theirs = KeyedVectors(10)
    theirs.add_vectors(words.vocabulary.tokens[4:94], words.vectors[4:94])
    accuracy, _ = theirs.evaluate_word_analogies(str(file), case_insensitive=False)
    multiplied = [theirs.most_similar_cosmul([b, c], [a], topn=1)[0][0] == d for a, b, c, d in questions]
    assert 0.2 < np.mean(multiplied) < accuracy < 0.9
    found = analogy_rows(Analogies("t", {"all": questions}), words, restrict=90, seed=1)
    assert of_metric(found, "accuracy")["random word"].value == pytest.approx(accuracy)
    assert of_metric(found, "accuracy (3CosMul)")["3CosAdd"].value == pytest.approx(np.mean(multiplied))


def test_the_search_is_restricted_to_the_most_frequent_words(grid):
    task = Analogies("exact", {"all": QUESTIONS})
    row = analogy_rows(task, grid, restrict=9, seed=1)[0]
    assert row.n == 6  # a0…a5 and b0 b1 b2: i, j below 3
    assert row.note.startswith(
        "3CosAdd over the 9 most frequent words; a, b and c are no answers; 6 of 30 questions seen"
    )
    (row,) = analogy_rows(task, grid, restrict=6, seed=1)
    assert row.note == "skipped: no question has all four words among the 6 most frequent"
    assert np.isnan(analogy_accuracy(task, grid, restrict=6))


def test_kinds_and_sections_have_rows_of_their_own_and_sections_stay_out_of_tables(grid):
    sections = {"capitals": QUESTIONS[:4], "gram1": QUESTIONS[4:6], "gram2": [("x", "y", "z", "x")]}
    rows = analogy_rows(Analogies("both", sections), grid, restrict=99, seed=1)
    seen = {row.metric: (row.n, row.coverage) for row in rows}
    assert seen["accuracy (semantic)"] == (4, 1.0)
    assert seen["accuracy (syntactic)"] == (2, pytest.approx(2 / 3))
    assert seen["accuracy (section: gram1)"] == (2, 1.0)
    assert seen["accuracy (section: gram2)"][0] == 0
    assert {row["metric"] for row in pivot(rows)} == {
        "accuracy",
        "accuracy (3CosMul)",
        "accuracy (all)",
        "accuracy (semantic)",
        "accuracy (syntactic)",
    }


def test_parts_are_given_in_the_order_of_the_sections(grid):
    task = Analogies("both", {"one": [*QUESTIONS[:4], ("x", "y", "z", "x")], "two": QUESTIONS[4:6]})
    part = np.array([False] * 4 + [True, True, True])
    row = of_metric(analogy_rows(task, grid, restrict=99, seed=1, parts={"clean": part}), "accuracy (clean)")[
        "random word"
    ]
    assert (row.n, row.coverage) == (2, pytest.approx(2 / 3))

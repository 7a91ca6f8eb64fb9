"""Queries over word vectors, against numbers worked by hand, a brute-force search and gensim."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedpipe.errors import ConfigError, EmbedpipeError, UnknownWordError
from embedpipe.integrations.gensim import to_keyed_vectors
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.table import Neighbour, WordVectors, best


def table(rows: dict[str, list[float]]) -> WordVectors:
    """Word vectors in the order of `rows`, which is made the order of frequency."""
    vocabulary = Vocabulary([*SPECIALS, *rows], [0, 0, 0, 0, *range(len(rows) * 10, 0, -10)])
    dim = len(next(iter(rows.values())))
    return WordVectors(vocabulary, np.array([[0.0] * dim] * 4 + list(rows.values()), dtype=np.float32))


def random_table(n: int, dim: int, seed: int = 0) -> WordVectors:
    rng = np.random.default_rng(seed)
    return table({f"w{i}": (rng.normal(size=dim) * rng.uniform(0.1, 9)).tolist() for i in range(n)})


@pytest.fixture
def compass() -> WordVectors:
    return table({"east": [2, 0], "northeast": [5, 5], "north": [0, 1], "west": [-3, 0], "nowhere": [0, 0]})


def test_neighbours_by_hand(compass) -> None:
    found = compass.similar("east", k=9)
    assert [n.word for n in found] == ["northeast", "north", "west"]
    np.testing.assert_allclose([n.similarity for n in found], [np.sqrt(0.5), 0, -1], atol=1e-6)
    assert [n.count for n in found] == [40, 30, 20]
    assert isinstance(found[0], Neighbour)


def test_a_query_is_the_mean_of_unit_vectors_whatever_their_lengths(compass) -> None:
    # Raw sum of east (2, 0) and north (0, 1) leans east; of unit vectors it points north-east exactly.
    (best,) = compass.similar(["east", "north"], k=1)
    assert best.word == "northeast"
    assert best.similarity == pytest.approx(1, abs=1e-6)
    (least,) = compass.similar("north", ["northeast", "east"], k=1)
    assert least.word == "west"
    query = (np.array([0, 1]) - np.array([1, 1]) / np.sqrt(2) - np.array([1, 0])) / 3
    assert least.similarity == pytest.approx(-query[0] / np.linalg.norm(query), abs=1e-6)


def test_analogy_finds_planted_parallelogram_and_leaves_the_question_out() -> None:
    words = table(
        {"man": [1, 0, 0.2], "king": [1, 1, 0.2], "woman": [1, 0, -0.2], "queen": [1, 1, -0.2], "salt": [0, 0, 1]}
    )
    assert words.analogy("man", "king", "woman", k=1)[0].word == "queen"
    assert {n.word for n in words.analogy("man", "king", "woman")} == {"queen", "salt"}


def test_analogy_and_neighbours_agree_with_gensim() -> None:
    words = random_table(200, 12)
    keyed = to_keyed_vectors(words)
    for positive, negative in ((["w3"], []), (["w1", "w7"], ["w2"]), (["w9"], ["w4", "w5"])):
        ours = words.similar(positive, negative, k=25)
        theirs = keyed.most_similar(positive, negative, topn=25)
        assert [n.word for n in ours] == [word for word, _ in theirs]
        np.testing.assert_allclose([n.similarity for n in ours], [s for _, s in theirs], atol=1e-6)
    ours = [n.word for n in words.analogy("w1", "w2", "w3", k=5)]
    assert ours == [word for word, _ in keyed.most_similar(["w2", "w3"], ["w1"], topn=5)]
    assert words.similarity("w5", "w6") == pytest.approx(keyed.similarity("w5", "w6"), abs=1e-6)


def test_ties_come_in_id_order_also_at_the_cut() -> None:
    words = table({"q": [1, 0], **{f"t{i}": [1, 1] for i in range(9)}, "best": [3, 0.1]})
    assert [n.word for n in words.similar("q", k=4)] == ["best", "t0", "t1", "t2"]
    assert [n.word for n in words.similar("q", k=1)] == ["best"]
    assert words.similar("best", k=2)[1].word == "t0"


@pytest.mark.parametrize("k", [1, 2, 10, 300, 3_000])
def test_the_best_of_many_columns_are_those_of_a_full_sort(k) -> None:
    scores = np.random.default_rng(k).integers(-40, 40, size=(5, 3_001)).astype(np.float32)
    scores[0] = 7
    scores[1, 5:] = -np.inf
    ids, found = best(scores, k)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert np.array_equal(ids, expected)
    assert np.array_equal(found, np.take_along_axis(scores, expected, axis=1))


def test_k_above_the_vocabulary_is_fine_and_below_one_is_not(compass) -> None:
    assert len(compass.similar("north", k=10_000)) == 3
    with pytest.raises(ConfigError, match="from 1"):
        compass.similar("north", k=0)


def test_words_are_looked_up_as_given_then_lower_cased() -> None:
    words = table({"us": [1, 0], "US": [0, 1], "paris": [1, 1], "café": [1, 2], "don't": [1, 3]})
    assert words.vector("US").tolist() == [0, 1]
    assert words.vector("Paris").tolist() == [1, 1]
    assert words.vector("cafe\u0301").tolist() == [1, 2]
    assert "PARIS" in words
    assert words.vector("Don’t").tolist() == [1, 3]
    assert "rome" not in words
    assert "<unk>" not in words


def test_unknown_word_names_near_spellings() -> None:
    words = table({"physics": [1, 0], "physical": [0, 1]})
    with pytest.raises(UnknownWordError, match="'Phisics' is not in the vocabulary; near spellings: physics") as caught:
        words.similar("Phisics")
    assert caught.value.near[0] == "physics"
    with pytest.raises(UnknownWordError, match="'<pad>'"):
        words.vector("<pad>")


def test_pieces_of_words_are_asked_for_and_shown_as_words() -> None:
    words = table({"▁government": [1, 0], "日本": [0, 1], "ment": [1, 1], "▁日本": [0, 2], "government": [2, 1]})
    assert words.vector("Government").tolist() == [1, 0]
    assert words.vector("日本").tolist() == [0, 1]
    assert words.vector("▁日本").tolist() == [0, 2]
    assert [n.word for n in words.similar("ment", k=2)] == ["government", "government"]
    with pytest.raises(UnknownWordError, match=r"'governments' is no single token.*near spellings: government$"):
        words.id("governments")


def test_a_query_that_cancels_is_an_error(compass) -> None:
    for positive, negative in ((["east", "west"], []), ("north", "north"), ("nowhere", [])):
        with pytest.raises(EmbedpipeError, match="zero vector"):
            compass.similar(positive, negative)
    with pytest.raises(ValueError, match="at least one word"):
        compass.similar([])


def test_vector_is_a_copy(compass) -> None:
    compass.vector("east")[:] = 7
    assert compass.vector("east").tolist() == [2, 0]


@pytest.mark.parametrize("shape", [(3, 2), (9, 2), (9,)])
def test_wrong_shape_or_type_is_refused(compass, shape) -> None:
    with pytest.raises(ValueError, match="expected float32"):
        WordVectors(compass.vocabulary, np.zeros(shape, dtype=np.float32 if shape != (9, 2) else np.float64))


def brute_force(words: WordVectors, queries, k: int, exclude, stop: int) -> list[list[int]]:
    answers = []
    for query, left_out in zip(queries.astype(np.float64), exclude, strict=True):
        scored = []
        for i in range(4, stop):
            row = words.vectors[i].astype(np.float64)
            if i not in left_out and row.any():
                scored.append((-row @ query / np.linalg.norm(row), i))
        answers.append([i for _, i in sorted(scored)[:k]])
    return answers


def test_many_queries_equal_brute_force(monkeypatch) -> None:
    monkeypatch.setattr("embedpipe.words.table._BLOCK", 500)  # several blocks
    words = random_table(120, 8)
    words.vectors[20] = 0
    rng = np.random.default_rng(5)
    queries = rng.normal(size=(33, 8)).astype(np.float32)
    exclude = rng.integers(4, 124, size=(33, 3))
    for k, restrict in ((1, None), (7, None), (7, 50), (1, 50)):
        ids, similarities = words.most_similar_ids(queries, k, exclude, restrict)
        stop = 124 if restrict is None else 54
        assert ids.tolist() == brute_force(words, queries, k, exclude, stop)
        units = words.vectors[ids] / np.linalg.norm(words.vectors[ids], axis=2, keepdims=True)
        expected = np.einsum("nkd,nd->nk", units, queries) / np.linalg.norm(queries, axis=1)[:, None]
        np.testing.assert_allclose(similarities, expected, atol=1e-6)
        assert ids.dtype == np.int64
        assert similarities.dtype == np.float32


def test_rows_with_fewer_answers_are_filled_with_the_pad_id(compass) -> None:
    east = compass.vocabulary.index["east"]
    ids, similarities = compass.most_similar_ids(compass.vectors[[east]], 5, [[east]])
    assert ids[0, 3:].tolist() == [0, 0]
    assert np.isneginf(similarities[0, 3:]).all()
    assert np.isfinite(similarities[0, :3]).all()


def test_no_queries_and_wrong_width(compass) -> None:
    ids, similarities = compass.most_similar_ids(np.empty((0, 2), dtype=np.float32), 3)
    assert ids.shape == similarities.shape == (0, 3)
    with pytest.raises(ValueError, match="shape"):
        compass.most_similar_ids(np.zeros((1, 3), dtype=np.float32))


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float32, (9, 3), elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0])),
    st.integers(0, 8),
    st.integers(1, 9),
)
def test_order_and_exclusion_hold_for_any_table(rows, query, k) -> None:
    words = table({f"w{i}": row.tolist() for i, row in enumerate(rows)})
    ids, similarities = words.most_similar_ids(rows[[query]], k, [[query + 4]])
    found = ids[0][ids[0] > 0]
    assert query + 4 not in found
    assert all(words.vectors[i].any() for i in found)
    assert len(found) == min(k, sum(bool(words.vectors[i].any()) for i in range(4, 13) if i != query + 4))
    keys = [(-s, i) for s, i in zip(similarities[0].tolist(), found.tolist(), strict=False)]
    assert keys == sorted(keys)
    assert (np.abs(similarities[0][: len(found)]) <= 1).all()

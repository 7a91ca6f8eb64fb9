"""Analogies by two methods, what is left out, and the baselines, against formulas worked word by word and gensim."""

from dataclasses import replace

import numpy as np
import pytest

from embedpipe.errors import EmbedpipeError
from embedpipe.integrations.gensim import to_keyed_vectors
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.analogy import Analogy, Place, solve_analogy
from embedpipe.words.lookup import Lookup
from embedpipe.words.table import WordVectors


def random_words(n: int = 60, dim: int = 5, seed: int = 1) -> WordVectors:
    rng = np.random.default_rng(seed)
    vocabulary = Vocabulary([*SPECIALS, *(f"w{i}" for i in range(n))], [0, 0, 0, 0, *range(n, 0, -1)])
    return WordVectors(vocabulary, rng.normal(size=(n + 4, dim)).astype(np.float32))


METHODS = ("cos_add", "cos_mul", "nearest_b", "nearest_c")


def solved(words: WordVectors, *question: str, k: int = 10) -> Analogy:
    return solve_analogy(words, *map(Lookup(words).look_up, question), k=k)


def scores_by_hand(words: WordVectors, a: str, b: str, c: str) -> dict[str, dict[str, float]]:
    def cosine(x: str, y: str) -> float:
        u, v = (words.vector(w).astype(np.float64) for w in (x, y))
        return float(u @ v / np.linalg.norm(u) / np.linalg.norm(v))

    unit = {w: words.vector(w).astype(np.float64) / np.linalg.norm(words.vector(w)) for w in (a, b, c)}
    length = np.linalg.norm(unit[b] - unit[a] + unit[c])
    table: dict[str, dict[str, float]] = {method: {} for method in METHODS}
    for x in words.vocabulary.tokens[4:]:
        to_a, to_b, to_c = cosine(x, a), cosine(x, b), cosine(x, c)
        table["cos_add"][x] = (to_b - to_a + to_c) / length
        table["cos_mul"][x] = (1 + to_b) / 2 * (1 + to_c) / 2 / ((1 + to_a) / 2 + 1e-3)
        table["nearest_b"][x], table["nearest_c"][x] = to_b, to_c
    return table


def test_every_method_equals_its_formula() -> None:
    words = random_words()
    question = ("w3", "w10", "w40")
    found = solved(words, *question, k=57)
    for method, expected in scores_by_hand(words, *question).items():
        ranking = sorted(expected, key=lambda word: -expected[word])
        answers = getattr(found, method)
        assert [n.word for n in answers] == [word for word in ranking if word not in question]
        np.testing.assert_allclose([n.similarity for n in answers], [expected[n.word] for n in answers], rtol=1e-4)
        for word in found.left_out if method.startswith("cos") else ():
            place = getattr(word, method)
            assert place.score == pytest.approx(expected[word.word], rel=1e-4, abs=1e-5)
            assert place.rank == 1 + ranking.index(word.word)


@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`:DeprecationWarning")
def test_answers_agree_with_the_table_and_with_gensim() -> None:
    words = random_words(dim=20, seed=2)
    keyed = to_keyed_vectors(words)
    found = solved(words, "w1", "w2", "w3", k=8)
    assert [n.word for n in found.cos_add] == [n.word for n in words.analogy("w1", "w2", "w3", k=8)]
    theirs = keyed.most_similar_cosmul(positive=["w2", "w3"], negative=["w1"], topn=8)
    ours = found.cos_mul
    assert [n.word for n in ours] == [word for word, _ in theirs]
    # gensim adds 1e-6 where Levy and Goldberg add 1e-3.
    np.testing.assert_allclose([n.similarity for n in ours], [score for _, score in theirs], rtol=5e-3)


def test_words_without_a_vector_are_no_answer_and_have_no_score() -> None:
    words = random_words(6)
    words.vectors[[7, 9]] = 0
    found = solved(words, "w0", "w1", "w3", k=99)
    assert {n.word for n in found.cos_mul} == {"w2", "w4"}
    assert (found.left_out[2].cos_add, found.left_out[2].cos_mul) == (None, None)
    assert isinstance(found.left_out[0].cos_add, Place)


def test_a_made_vector_answers_like_that_of_a_word_and_leaves_nothing_out() -> None:
    words = random_words()
    w3, w10, w40 = map(Lookup(words).look_up, ("w3", "w10", "w40"))
    made = replace(w10, word="w10s", id=None, source="subwords", confidence=0.5)
    found, known = solve_analogy(words, w3, made, w40, k=57), solve_analogy(words, w3, w10, w40, k=57)
    assert found.question == ("w3", "w10s", "w40")
    assert [word.word for word in found.left_out] == ["w3", "w40"]
    assert found.nearest_b[0].word == "w10", "the word whose vector it has is an answer now"
    for method in METHODS:
        assert [one for one in getattr(found, method) if one.word != "w10"] == getattr(known, method)[:56]


def test_a_zero_vector_has_no_neighbours() -> None:
    words = random_words(6)
    words.vectors[4:7] = 0
    with pytest.raises(EmbedpipeError, match="zero vector"):
        solved(words, "w0", "w1", "w2")

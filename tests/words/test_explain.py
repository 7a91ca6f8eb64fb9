"""What is said of two words, on planted contexts, and against brute force."""

import numpy as np
import pytest

from embedpipe.errors import EmbedpipeError, UnknownWordError
from embedpipe.text.vocabulary import EOS, SPECIALS, Vocabulary
from embedpipe.words.contexts import count_contexts
from embedpipe.words.explain import compare, ngrams, own_contexts, place_of, shared_contexts, shared_ngrams
from embedpipe.words.hubness import hubness
from embedpipe.words.lookup import Lookup
from embedpipe.words.subword import Subwords, ngram_rows
from embedpipe.words.table import WordVectors


def random_words(n: int, dim: int = 6, seed: int = 0) -> WordVectors:
    rng = np.random.default_rng(seed)
    vocabulary = Vocabulary([*SPECIALS, *(f"w{i}" for i in range(n))], [0, 0, 0, 0, *range(n, 0, -1)])
    # An offset in common makes hubs.
    rows = rng.normal(size=(n + 4, dim)) + 0.5
    return WordVectors(vocabulary, rows.astype(np.float32))


def neighbours(words: WordVectors, i: int, k: int) -> list[int]:
    return [n.id for n in words.similar(words.vocabulary.tokens[i], k=k)]


def test_hubness_equals_brute_force(monkeypatch) -> None:
    monkeypatch.setattr("embedpipe.words.hubness._FIRST_BLOCK", 7)  # several blocks
    words = random_words(150)
    words.vectors[50] = 0
    everyone = [i for i in range(4, 154) if i != 50]
    lists = [neighbours(words, i, 10) for i in everyone]
    ids = [4, 20, 50, 99, 153]
    found = hubness(words, ids)
    assert found.counts == tuple(sum(i in near for near in lists) for i in ids)
    assert max(found.counts) > 10
    assert (found.expected, found.k, found.sample) == (10.0, 10, 149)


def test_hubness_of_a_sample_is_seeded_and_its_mean_is_the_expected_one() -> None:
    words = random_words(120)
    found = hubness(words, list(range(4, 124)), sample=30, seed=5)
    assert found == hubness(words, list(range(4, 124)), sample=30, seed=5)
    assert np.mean(found.counts) == pytest.approx(found.expected) == 10 * 30 / 120


def test_place_among_the_neighbours() -> None:
    words = random_words(40)
    for other in (4, 17):
        for place, i in enumerate(neighbours(words, other, 39), 1):
            assert place_of(words, i, other) == place
    words = WordVectors(words.vocabulary, np.zeros_like(words.vectors))
    assert place_of(words, 5, 6) is None


def test_ngrams_by_hand() -> None:
    assert ngrams("ab") == {"<ab", "ab>", "<ab>"}
    shared, share = shared_ngrams("cat", "cats", 3, 4)
    assert shared == ["<cat", "<ca", "cat"]
    assert share == 3 / 9
    assert shared_ngrams("cat", "dog") == ([], 0.0)


def test_comparison_by_hand() -> None:
    vocabulary = Vocabulary([*SPECIALS, "cat", "dog", "far"], [0, 5, 0, 0, 6, 3, 1])
    rows = np.array([[0, 0]] * 4 + [[2, 0], [3, 4], [-1, 0]], dtype=np.float32)
    words = WordVectors(vocabulary, rows, np.array([0] * 4 + [0.9, 0.5, 0.1], dtype=np.float32))
    found = compare(Lookup(words), "Cat", "dog")
    assert found.similarity == pytest.approx(0.6, abs=1e-6)
    assert [(w.word, w.count) for w in found.words] == [("cat", 6), ("dog", 3)]
    assert [w.stability for w in found.words] == pytest.approx([0.9, 0.5])
    assert [w.per_million for w in found.words] == pytest.approx([600_000, 300_000])
    assert [w.place for w in found.words] == [1, 1]


def test_a_word_made_of_ngrams_has_a_place_and_ngrams_but_no_counts() -> None:
    vocabulary = Vocabulary([*SPECIALS, "cat", "dog", "far"], [0, 5, 0, 0, 6, 3, 1])
    rows = np.array([[0, 0]] * 4 + [[2, 0], [3, 4], [-1, 0]], dtype=np.float32)
    table = np.zeros((50_000, 2), dtype=np.float32)
    table[ngram_rows(["cat"], 3, 4, 50_000).rows] = [1, 0.1]
    found = compare(Lookup(WordVectors(vocabulary, rows), Subwords(table, 3, 4)), "Cats", "dog")
    cats, dog = found.words
    assert (cats.word, cats.found.source, cats.count, cats.hubness, cats.stability) == ("Cats", "subwords", *[None] * 3)
    # "cat" is nearer to [1, 0.1] than "dog" is; nearer to "dog" than "cat" is this vector.
    assert (cats.place, dog.place, dog.count) == (1, 2, 3)
    assert found.similarity == pytest.approx(3.4 / 5 / np.sqrt(1.01))
    assert len([dog.hubness]) == len(found.hubness.counts) == 1
    assert compare(Lookup(WordVectors(vocabulary, rows), Subwords(table, 3, 4)), "cats", "cat").ngrams == [
        "<cat",
        "<ca",
        "cat",
    ]


def test_the_same_word_and_an_unknown_one_are_refused() -> None:
    words = random_words(5)
    with pytest.raises(EmbedpipeError, match="'w1' and 'W1' are the same word"):
        compare(Lookup(words), "w1", "W1")
    with pytest.raises(UnknownWordError, match="'w9x'"):
        compare(Lookup(words), "w1", "w9x")


@pytest.fixture
def drinks():
    """Tea and coffee are both hot and drunk; tea is green, coffee is roasted; the stands by everything."""
    names = ["the", "drink", "hot", "tea", "coffee", "green", "roasted", "stone", "once"]
    of = {name: i for i, name in enumerate(names, 4)}
    text = (
        "the drink hot tea / drink the hot coffee / the green tea / the roasted coffee / hot tea the drink / "
        "drink hot coffee / green tea the / roasted coffee the / once tea coffee once / " + "the stone the / " * 20
    )
    sentences = [[of[word] for word in part.split()] for part in text.split("/") if part.strip()]
    tokens = np.array([i for sentence in sentences for i in [*sentence, EOS]], dtype=np.uint32)
    vocabulary = Vocabulary([*SPECIALS, *names], np.bincount(tokens, minlength=13) * (np.arange(13) > 3))
    return tokens, vocabulary, [of["tea"], of["coffee"]]


def test_planted_contexts_come_first_and_common_words_do_not_come(drinks) -> None:
    tokens, vocabulary, ids = drinks
    contexts = count_contexts([tokens], ids, 3, len(vocabulary))
    shared = shared_contexts(contexts, [0, 1], vocabulary)
    # Alike beside both, so the rarer the more telling; "the" is beside both too, but beside everything.
    assert [(e.context, e.counts) for e in shared] == [("once", (2, 2)), ("drink", (2, 2)), ("hot", (2, 2))]
    known = contexts.counts[0].sum()
    p = vocabulary.counts[6] / vocabulary.counts[4:].sum()
    assert shared[2].pmi[0] == pytest.approx(np.log2(2 / known / p))
    tea, coffee = own_contexts(contexts, (0, 1), vocabulary, k=1)
    assert [(e.context, e.counts) for e in (*tea, *coffee)] == [("green", (2, 0)), ("roasted", (0, 2))]


def test_contexts_of_three_words_are_typical_of_all(drinks) -> None:
    tokens, vocabulary, ids = drinks
    contexts = count_contexts([tokens], [*ids, vocabulary.id("once")], 3, len(vocabulary))
    assert shared_contexts(contexts, [0, 1, 2], vocabulary) == []
    assert shared_contexts(contexts, [0, 2], vocabulary)[0].context == "coffee"


def test_the_marks_of_a_words_ends_are_no_ngrams() -> None:
    assert shared_ngrams("ab", "cd", 1, 3) == ([], 0.0)
    assert shared_ngrams("ab", "ac", 1, 2) == (["<a", "a"], pytest.approx(2 / 8))

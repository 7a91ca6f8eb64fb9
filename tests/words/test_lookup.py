"""Any word's vector and its source, on a small planted vocabulary."""

import numpy as np
import pytest

from embedpipe.errors import ConfigError, UnknownWordError
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.calibration import Calibration
from embedpipe.words.lookup import Lookup
from embedpipe.words.subword import HASHES, Subwords, ngram_rows
from embedpipe.words.table import WordVectors

WORDS = WordVectors(
    Vocabulary.from_counts({"physics": 30, "music": 20, "café": 10}),
    np.array([[0, 0]] * 4 + [[1, 0], [0, 1], [1, 1]], dtype=np.float32),
)
BUCKETS = 10_000


def planted(word: str, vector: list[float]) -> Subwords:
    """A table in which the n-grams of `word` alone were trained, all to `vector`."""
    table = np.zeros((BUCKETS, 2), dtype=np.float32)
    table[ngram_rows([word], 3, 4, BUCKETS).rows] = vector
    return Subwords(table, 3, 4)


def fitted(word: str, vector: list[float]) -> Subwords:
    """The same as a table of these n-grams alone."""
    hashes = np.unique(ngram_rows([word], 3, 4, HASHES).rows).astype(np.uint32)
    table = np.array([*[vector] * len(hashes), [0, 0]], dtype=np.float16)
    return Subwords(table, 3, 4, hashes=hashes)


def test_the_vocabulary_comes_first_and_is_certain() -> None:
    found = Lookup(WORDS, planted("music", [7, 7])).look_up("Music")
    assert (found.source, found.via, found.confidence) == ("vocabulary", None, 1.0)
    assert found.vector.tolist() == [0, 1]
    found.vector[:] = 5
    assert WORDS.vector("music").tolist() == [0, 1]


def test_subwords_come_before_spellings_with_the_confidence_of_their_features() -> None:
    # "musica" holds 6 trigrams and 5 four-grams with its marks; "music" trained <mu mus usi sic <mus musi usic of them.
    calibration = Calibration({"subwords": (0.0, 2.0, 1.0)})
    found = Lookup(WORDS, planted("music", [2, 4]), calibration).look_up("MUSICA")
    assert (found.source, found.via, found.vector.tolist()) == ("subwords", None, [2, 4])
    assert found.confidence == pytest.approx(1 / (1 + np.exp(-(2 * 7 / 11 + np.log(8)))))


def test_one_slip_inside_a_word_is_that_word_and_a_form_of_it_is_made_of_ngrams() -> None:
    lookup = Lookup(WORDS, fitted("physics", [2, 4]))
    slips = [lookup.look_up(word) for word in ("phsics", "phhysics", "phisics", "pyhsics")]
    assert {(one.source, one.via, one.near, *one.vector) for one in slips} == {("spelling", "physics", None, 1, 0)}
    forms = [lookup.look_up(word) for word in ("physic", "physicsy", "metaphysics", "astrophysics")]
    assert {(one.source, *one.vector) for one in forms} == {("subwords", 2, 4)}
    assert [one.near for one in forms] == ["physics", "physics", None, None]  # four characters longer, or more
    trained = Lookup(WORDS, planted("physics", [2, 4])).look_up("phisics")
    assert (trained.source, trained.near) == ("subwords", "physics")


def test_the_word_of_a_slip_need_not_be_the_nearest_by_ratio() -> None:
    tokens = {"beautiful": 30, "beautifully": 3}
    words = WordVectors(Vocabulary.from_counts(tokens), np.array([[0, 0]] * 4 + [[1, 0], [0, 1]], dtype=np.float32))
    ratios = words.vocabulary.spellings.near("beautifull")
    assert [token for _, token in ratios] == ["beautifully", "beautiful"]
    for subwords in (fitted("beautiful", [2, 4]), None):
        found = Lookup(words, subwords).look_up("beautifull")
        assert (found.source, found.via, found.vector.tolist()) == ("spelling", "beautiful", [1, 0])


@pytest.mark.parametrize(("count", "source"), [(2, "spelling"), (1, "subwords"), (0, "spelling")])
def test_no_slip_is_looked_for_in_a_word_met_less_than_once_in_a_million(count, source) -> None:
    counts = np.array([0, 0, 0, 0, 2_000_000 - count if count else 0, count])
    vocabulary = Vocabulary([*SPECIALS, "the", "corvid"], counts)
    words = WordVectors(vocabulary, np.array([[0, 0]] * 4 + [[1, 0], [0, 1]], dtype=np.float32))
    assert Lookup(words, fitted("corvid", [2, 4])).look_up("covid").source == source


def test_a_string_of_which_hardly_an_ngram_is_known_is_no_word() -> None:
    lookup = Lookup(WORDS, fitted("music", [2, 4]))
    # Of 8 trigrams and 7 four-grams of "muqqqsic", <mu sic ic> and sic> are those of "music": 4 of 15.
    assert lookup.look_up("muqqqsic").source == "subwords"
    with pytest.raises(UnknownWordError):
        lookup.look_up("muqqqqsic")  # 4 of 17
    assert lookup.vectors(["muqqqqsic"], oov="subword").tolist() == [[2, 4]]


def test_a_string_without_trained_ngrams_takes_the_nearest_spelling() -> None:
    calibration = Calibration({"spelling": (-3.0, 2.0, 1.0)})
    found = Lookup(WORDS, planted("zebra", [9, 9]), calibration).look_up("phisics")
    assert (found.source, found.via, found.vector.tolist()) == ("spelling", "physics", [1, 0])
    assert found.confidence == pytest.approx(1 / (1 + np.exp(-(-3 + 2 * 12 / 14 + np.log(7)))))
    assert Lookup(WORDS).look_up("phisics").confidence is None


def test_an_ngram_that_no_word_has_plays_no_part_though_its_row_was_trained() -> None:
    crowded = Subwords(np.full((3, 2), 7, dtype=np.float32), 3, 4)
    with pytest.raises(UnknownWordError):
        Lookup(WORDS, crowded).look_up("zzz")
    assert not Lookup(WORDS, crowded).composed(["zzz"]).any()
    # Of 6 trigrams and 5 four-grams, "music" has 7.
    found = Lookup(WORDS, crowded, Calibration({"subwords": (0.0, 1.0, 0.0)})).look_up("musica")
    assert found.confidence == pytest.approx(1 / (1 + np.exp(-7 / 11)))


def test_a_word_of_the_same_look_is_composed_as_the_vocabulary_spells_it() -> None:
    composed = Lookup(WORDS, planted("cafés", [3, 3])).look_up("CAFE\u0301S")
    assert (composed.source, composed.vector.tolist()) == ("subwords", [3, 3])


def test_no_source_is_the_error_of_today() -> None:
    with pytest.raises(UnknownWordError, match="'muffin' is not in the vocabulary"):
        Lookup(WORDS, planted("zebra", [9, 9])).look_up("muffin")
    with pytest.raises(UnknownWordError, match="near spellings: music") as error:
        Lookup(WORDS).look_up("musing")
    assert error.value.near == ("music",)


def test_several_words_have_no_vector_unless_they_are_a_phrase() -> None:
    rows = np.array([[0, 0]] * 4 + [[1, 0], [0, 1]], dtype=np.float32)
    words = WordVectors(Vocabulary.from_counts({"network": 3, "los_angeles": 2}), rows)
    assert words.vocabulary.spellings.near("net work", 1) == [(pytest.approx(14 / 15), "network")]
    for lookup in (Lookup(words), Lookup(words, planted("network", [7, 7])), Lookup(words, fitted("network", [7, 7]))):
        for asked in ("net work", "new\u00a0york", "los angles"):
            with pytest.raises(UnknownWordError, match="it is several words: ask for each of them without quotes"):
                lookup.look_up(asked)
        assert (lookup.look_up("Los Angeles").source, lookup.look_up(" network ").source) == ("vocabulary",) * 2


def test_a_piece_is_not_the_spelling_of_a_word() -> None:
    pieces = WordVectors(Vocabulary.from_counts({"▁physics": 2, "s": 1}), np.ones((6, 2), dtype=np.float32))
    with pytest.raises(UnknownWordError, match="pieces of words"):
        Lookup(pieces).look_up("phisics")
    assert Lookup(pieces, planted("▁phisics", [1, 2])).look_up("phisics").vector.tolist() == [1, 2]


def test_vectors_by_policy() -> None:
    lookup = Lookup(WORDS, planted("musical", [2, 4]))
    words = ["Physics", "musical", "zzz", "café"]
    assert lookup.vectors(words, oov="zero").tolist() == [[1, 0], [0, 0], [0, 0], [1, 1]]
    assert lookup.vectors(words, oov="skip").tolist() == [[1, 0], [1, 1]]
    assert lookup.vectors(words, oov="subword").tolist() == [[1, 0], [2, 4], pytest.approx([1, 1]), [1, 1]]
    assert lookup.vectors(["", "\ud800", "a b"], oov="subword") == pytest.approx(np.ones((3, 2)))
    assert lookup.composed(["zzz", "musical"]).tolist() == [[0, 0], [2, 4]]
    assert Lookup(WORDS).composed(["zzz"]).tolist() == [[0, 0]]
    with pytest.raises(UnknownWordError, match="'musical'"):
        lookup.vectors(words)
    assert lookup.vectors([], oov="subword").shape == (0, 2)
    assert lookup.vectors(["zzz"], oov="skip").shape == (0, 2)
    assert lookup.vectors(words, oov="zero").dtype == np.float32


def test_of_a_word_of_which_nothing_is_known_the_rarest_tenth_is_the_best_guess() -> None:
    counts = {f"w{i}": 100 - i for i in range(20)}
    rows = np.zeros((24, 2), dtype=np.float32)
    rows[4:22], rows[22:] = [5, 0], [[0, 3], [4, 0]]
    mean, length = np.array([2, 1.5]), 3.5  # of the last two of twenty
    expected = mean / np.linalg.norm(mean) * length
    lookup = Lookup(WordVectors(Vocabulary.from_counts(counts), rows), fitted("zebra", [9, 9]))
    assert lookup.of_nothing == pytest.approx(expected)
    assert lookup.vectors(["???", "zebra"], oov="subword") == pytest.approx(np.array([expected, [9, 9]]))
    assert Lookup(WordVectors(Vocabulary.from_counts(counts), 0 * rows)).of_nothing.tolist() == [0, 0]
    assert Lookup(WordVectors(Vocabulary.from_counts({}), rows[:4])).of_nothing.tolist() == [0, 0]


def test_vectors_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ConfigError, match=r"make them with words\.unseen=ngrams"):
        Lookup(WORDS).vectors(["music"], oov="subword")
    with pytest.raises(ConfigError, match="unknown policy 'unk'"):
        Lookup(WORDS).vectors(["music"], oov="unk")
    with pytest.raises(TypeError, match="wrap it in a list"):
        Lookup(WORDS).vectors("music")

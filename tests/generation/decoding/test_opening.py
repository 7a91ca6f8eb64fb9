"""Openings: which tokens may come next, over words, phrases and pieces of words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.errors import ConfigError
from embedpipe.generation.decoding.opening import Opening
from embedpipe.text.codec import TextCodec
from embedpipe.text.phrases import Phrases
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.tokenizer_phrases import PhraseTokenizer
from embedpipe.text.vocabulary import Vocabulary

WORDS = ["new", "york", "new_york", "new_york_city", "the", "physics", "physical", ".", "yorkshire"]
VOCABULARY = Vocabulary.from_counts({word: 100 - i for i, word in enumerate(WORDS)})
PHRASES = Phrases((frozenset({("new", "york")}), frozenset({("new_york", "city")})))
PLAIN = TextCodec(RegexTokenizer(), VOCABULARY)
JOINED = TextCodec(PhraseTokenizer(RegexTokenizer(), PHRASES), VOCABULARY)


def words(codec: TextCodec, ids: list[int] | None) -> set[str] | None:
    return None if ids is None else {codec.vocabulary.tokens[i] for i in ids}


def walk(codec: TextCodec, opening: Opening, written: list[str]) -> set[str] | None:
    done = 0
    for word in written:
        token = codec.vocabulary.index[word]
        assert token in opening.allowed(done)
        done = opening.after(done, token)
    return words(codec, opening.allowed(done))


@pytest.mark.parametrize(
    ("text", "written", "following"),
    [
        ("", [], None),
        ("phys", [], {"physics", "physical"}),
        ("phys", ["physics"], None),
        ("physics", [], {"physics"}),
        ("The phys", [], {"the"}),
        ("The phys", ["the"], {"physics", "physical"}),
        ("york", [], {"york", "yorkshire"}),
        ("york ", [], {"york"}),
        ("york.", [], {"york"}),
        ("york.", ["york"], {"."}),
        ("york.", ["york", "."], None),
    ],
)
def test_words_by_hand(text, written, following) -> None:
    assert walk(PLAIN, Opening(PLAIN, text), written) == following


@pytest.mark.parametrize(
    ("text", "written", "following"),
    [
        ("new yo", [], {"new", "new_york", "new_york_city"}),
        ("new yo", ["new"], {"york", "yorkshire"}),
        ("new yo", ["new_york"], None),
        ("new york ", [], {"new", "new_york", "new_york_city"}),
        ("the new york ", ["the", "new"], {"york"}),
    ],
)
def test_phrases_are_spelt_as_their_words(text, written, following) -> None:
    assert walk(JOINED, Opening(JOINED, text), written) == following


def test_a_banned_word_is_no_way_to_open() -> None:
    opening = Opening(PLAIN, "phys", {VOCABULARY.index["physics"]})
    assert words(PLAIN, opening.allowed(0)) == {"physical"}


@pytest.mark.parametrize(("banned", "said"), [((), False), ({VOCABULARY.index["physics"]}, True)])
def test_a_ban_is_spoken_of_only_where_there_is_one(banned, said) -> None:
    with pytest.raises(ConfigError) as error:
        Opening(PLAIN, "physics zebra", banned)
    assert ("or it is banned" in str(error.value)) is said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zebra", "cannot spell 'zebra'"),
        ("the physiks ", "near spellings: physics"),
        ("phys physics", "cannot spell 'phys'"),
        ("yorkshires", "cannot spell 'yorkshires'"),
    ],
)
def test_what_the_vocabulary_cannot_spell_is_refused(text, message) -> None:
    with pytest.raises(ConfigError, match=message):
        Opening(PLAIN, text)


def test_more_than_a_text_may_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 3 tokens, but a text ends after 2"):
        Opening(PLAIN, "the new york", most=2)
    with pytest.raises(ConfigError, match="longer than the 40 tokens"):
        Opening(PLAIN, "the " * 300_000, most=40)


@pytest.fixture(scope="module")
def pieces() -> TextCodec:
    pytest.importorskip("tokenizers")
    from embedpipe.text.tokenizer_bpe import train_bpe

    tokenizer = train_bpe(["the theory of the thermal café", "thesis there other mother"] * 20, 290)
    counts = dict.fromkeys(tokenizer.tokenize("the theory of the thermal café thesis there other mother"), 5)
    letters = {token: 1 for letter in "abcdefghijklmnopqrstuvwxyzé" for token in tokenizer.tokenize(f"x{letter}")}
    return TextCodec(tokenizer, Vocabulary.from_counts(counts | letters))


@pytest.mark.extra
@settings(deadline=None, max_examples=25)
@given(st.data())
def test_pieces_are_spelt_by_their_bytes(pieces, data) -> None:
    """Any way through the allowed pieces ends in a text that begins so, and none is a dead end."""
    text = data.draw(st.sampled_from(["th", "the", "the the", "the caf", "theory ", "of mot"]))
    opening, done, ids = Opening(pieces, text), 0, []
    while (allowed := opening.allowed(done)) is not None:
        assert allowed
        ids.append(data.draw(st.sampled_from(sorted(allowed))))
        done = opening.after(done, ids[-1])
    assert (pieces.decode(ids) + " ").startswith(text)


@pytest.mark.extra
def test_an_opening_need_not_end_where_a_piece_ends(pieces) -> None:
    """``▁the`` is a piece; an opening ``th`` allows it, though it is cut into other pieces itself."""
    assert "▁the" in pieces.vocabulary
    assert pieces.vocabulary.index["▁the"] in Opening(pieces, "th").allowed(0)

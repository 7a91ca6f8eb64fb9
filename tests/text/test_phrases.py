"""Phrases: the rule against gensim's, its description, and how a person may write one."""

import json
from collections.abc import Callable

import pytest
from gensim.models.phrases import FrozenPhrases
from gensim.models.phrases import Phrases as GensimPhrases
from hypothesis import given
from hypothesis import strategies as st

from embedpipe.config import PipelineConfig
from embedpipe.errors import BundleError, ConfigError
from embedpipe.text.codec import TextCodec
from embedpipe.text.phrases import Phrases
from embedpipe.text.tokenizer import RegexTokenizer, load_tokenizer
from embedpipe.text.tokenizer_phrases import PhraseTokenizer
from embedpipe.text.vocabulary import Vocabulary

WORDS = st.sampled_from(["a", "b", "c", "d", ",", "'s"])
SENTENCES = st.lists(WORDS, max_size=12)
PAIRS = st.sets(st.tuples(WORDS, WORDS), max_size=8)
LONGER = Phrases(
    (frozenset({("new", "york"), ("york", "city")}), frozenset({("new_york", "city")})), frozenset({"york_city"})
)


@given(SENTENCES, PAIRS)
def test_one_pass_joins_what_gensim_joins(sentence: list[str], pairs: set[tuple[str, str]]) -> None:
    frozen = FrozenPhrases(GensimPhrases(scoring="npmi", threshold=0.5))
    frozen.phrasegrams = {"_".join(pair): 1.0 for pair in pairs}
    assert Phrases((frozenset(pairs),)).merge(sentence) == (frozen[sentence] if sentence else [])


def test_longer_phrases_and_those_that_are_taken_apart() -> None:
    assert LONGER.spellings == {"new_york", "new_york_city"}
    merged = LONGER.merge(["york", "city", ",", "new", "york", "city", ",", "new", "york", "new", "york"])
    assert merged == ["york", "city", ",", "new_york_city", ",", "new_york", "new_york"]


@given(st.lists(st.sampled_from(["new", "york", "city", ",", "_", "'s"])))
def test_text_of_phrases_is_the_text_of_their_words(words: list[str]) -> None:
    tokenizer = PhraseTokenizer(RegexTokenizer(), LONGER)
    assert tokenizer.detokenize(LONGER.merge(words)) == RegexTokenizer().detokenize(words)


@pytest.mark.parametrize("kind", ["regex", "jieba"])
def test_no_token_of_the_text_looks_like_a_phrase(kind: str) -> None:
    tokenizer = load_tokenizer({"format": 1, "kind": kind, "case": "lower"})

    tokenizer.tokenize("jieba reads its dictionary with the first text")

    @given(st.text(st.sampled_from("ab1北京大学_.%+-# '")))
    def check(text: str) -> None:
        assert [token for token in tokenizer.tokenize(text) if token[0].isalnum() and "_" in token] == []

    check()


def test_a_description_with_phrases_has_a_format_that_older_programs_refuse() -> None:
    assert RegexTokenizer().spec() == {"format": 1, "kind": "regex", "case": "lower"}
    spec = json.loads(json.dumps(PhraseTokenizer(RegexTokenizer("keep"), LONGER).spec()))
    assert spec == {
        "format": 2,
        "kind": "regex",
        "case": "keep",
        "phrases": {"passes": [[["new", "york"], ["york", "city"]], [["new_york", "city"]]], "apart": ["york_city"]},
    }
    tokenizer = load_tokenizer({**spec, "sentences": {}})
    assert isinstance(tokenizer, PhraseTokenizer)
    assert tokenizer.phrases == LONGER
    assert tokenizer.tokenize("new york City") == ["new_york", "City"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda spec: spec.pop("phrases"),
        lambda spec: spec["phrases"].pop("apart"),
        lambda spec: spec["phrases"]["passes"][0].append(["one"]),
        lambda spec: spec["phrases"]["passes"][0].append(["one", 2]),
        lambda spec: spec.update(phrases=[1]),
    ],
)
def test_damaged_phrases_are_refused(damage: Callable[[dict], object]) -> None:
    spec = json.loads(json.dumps(PhraseTokenizer(RegexTokenizer(), LONGER).spec()))
    damage(spec)
    with pytest.raises(BundleError, match="phrases of the tokenizer are damaged"):
        load_tokenizer(spec)


def test_a_codec_reads_phrases_and_writes_words() -> None:
    vocabulary = Vocabulary.from_counts({"new_york": 9, "new_york_city": 5, "in": 4, "york": 3})
    codec = TextCodec(PhraseTokenizer(RegexTokenizer(), LONGER), vocabulary)
    assert codec.tokenize("In New York, York City") == ["in", "new_york", ",", "york", "city"]
    assert [ids.tolist() for ids in codec.encode_many(["in New  York City", "new_york"])] == [[6, 5], [1, 1, 7]]
    assert codec.decode([6, 5, 4]) == "in new york city new york"


@pytest.mark.parametrize(
    ("word", "token"),
    [
        ("new york", "new_york"),
        (" New  York ", "new_york"),
        ("new_york", "new_york"),
        ("NewYork", "new_york"),
        ("北京 大学", "北京_大学"),
        ("北京大学", "北京_大学"),
        ("now here", None),
        ("no where", "no_where"),
        ("_", None),
        ("york new", None),
    ],
)
def test_a_phrase_is_found_however_it_is_written(word: str, token: str | None) -> None:
    vocabulary = Vocabulary.from_counts({"new_york": 3, "北京_大学": 2, "no_where": 2, "now_and_here": 1, "___": 1})
    found = vocabulary.find(word)
    assert (None if found is None else vocabulary.tokens[found]) == token


def test_phrases_of_pieces_are_refused() -> None:
    with pytest.raises(ConfigError, match="section 'text': phrases are made of words, and bpe makes pieces"):
        PipelineConfig.of("tiny", {"text": {"phrases": "pairs", "tokenizer": "bpe"}})

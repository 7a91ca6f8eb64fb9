"""Streaming: pieces that never change, and together are the text."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embedpipe.generation.decoding.rules import Draft, Rules
from embedpipe.generation.decoding.settings import Decoding, Limits
from embedpipe.generation.decoding.shown import Shown
from embedpipe.text.codec import TextCodec
from embedpipe.text.phrases import Phrases
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.tokenizer_phrases import PhraseTokenizer
from embedpipe.text.vocabulary import EOS, Vocabulary

NASTY = [
    "a",
    "u",
    "s",
    ".",
    ",",
    "-",
    "–",
    "/",
    '"',
    "'",
    "'s",
    "(",
    ")",
    "$",
    "1,000",
    "the",
    "new_york",
    "北京",
    "。",
]
VOCABULARY = Vocabulary.from_counts({token: 100 - i for i, token in enumerate(NASTY)})
CODECS = [
    TextCodec(RegexTokenizer(), VOCABULARY),
    TextCodec(PhraseTokenizer(RegexTokenizer(), Phrases((frozenset({("new", "york")}),))), VOCABULARY),
]
IDS = st.lists(st.integers(4, len(VOCABULARY) - 1) | st.just(EOS), max_size=9)


def shown(codec: TextCodec, prompt: str, stop: tuple[str, ...] = ()) -> Shown:
    rules = Rules(codec, Limits(stop=stop), Decoding(), torch.device("cpu"))
    return Shown(codec, rules, prompt, codec.encode(prompt).tolist())


def streamed(how: Shown, ids: list[int]) -> tuple[list[str], Draft]:
    """Pieces and draft, the writer's part played by hand: a stop ends the draft as soon as it stands there."""
    draft = Draft()

    def steps():
        for token in ids:
            draft.ids.append(token)
            stands = how.rules.find_stop(how.written(draft)) >= 0
            if how.rules.stops and token != EOS:
                assert how.is_stopped(draft) == stands
            if stands:
                draft.ended = "stop"
            yield
            if draft.ended:
                return
        draft.ended = "length"

    return list(how.pieces(draft, steps())), draft


@example(CODECS[0], "the", [9, EOS, 4], ())
@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(CODECS),
    st.sampled_from(["", "the", "u. s", "well -", 'he said "', "a ", "A!", "北京"]),
    IDS,
    st.sampled_from([(), ("s.",), ("a the", "the a"), ('"',), ("-a", "u.s"), ("york",)]),
)
def test_pieces_are_the_text(codec, prompt, ids, stop) -> None:
    how = shown(codec, prompt, stop)
    pieces, draft = streamed(how, ids)
    assert "".join(pieces) == how.text(draft)
    assert all(pieces)
    written = how.text(draft)[len(prompt) :]
    assert not any(one in written for one in stop)


@pytest.mark.parametrize(
    ("ids", "pieces"),
    [
        (["the", "a", "u"], ["the", " a", " u"]),
        # whether '-' stands between spaces is known when the next token is
        (["a", "-", "u", "s"], ["a", "-u", " s"]),
        (["u", ".", "s", ".", "a"], ["u", ".", "s.", " a"]),
    ],
)
def test_pieces_by_hand(ids, pieces) -> None:
    """A piece comes one token late, as that one may change its spaces; the last two come together."""
    tokens = [VOCABULARY.index[token] for token in ids]
    found = streamed(shown(CODECS[0], ""), tokens)[0]
    assert "".join(found) == "".join(pieces)
    assert len(found) >= len(pieces) - 1


@pytest.mark.parametrize(
    ("prompt", "tokens", "text"),
    [
        ("zebra", [",", "a"], "zebra, a"),
        ("zebra", ["the"], "zebra the"),
        ("zebra ", ["the"], "zebra the"),
        ("u. s", [".", "a"], "u. s. a"),
        ("", [",", "a"], ", a"),
    ],
)
def test_spaces_behind_prompts(prompt, tokens, text) -> None:
    draft = Draft(ids=[VOCABULARY.index[token] for token in tokens])
    assert shown(CODECS[0], prompt).text(draft) == text


def test_what_may_become_a_stop_is_held_back() -> None:
    tokens = [VOCABULARY.index[token] for token in ["the", "a", "u", "the", "a", "s"]]
    pieces, draft = streamed(shown(CODECS[0], "s", ("a s",)), tokens)
    assert draft.ended == "stop"
    assert "".join(pieces) == "s the a u the"


def test_only_the_end_is_made_into_text_to_look_for_a_stop(monkeypatch) -> None:
    """However long prompt and text are; all of both only where the end may hold a stop."""
    how = shown(CODECS[0], "the a " * 500, ("a s the", "u."))
    draft, n_decoded = Draft(), []
    decode = RegexTokenizer.detokenize
    monkeypatch.setattr(
        RegexTokenizer, "detokenize", lambda self, tokens: n_decoded.append(len(tokens)) or decode(self, tokens)
    )
    for token in ["the", "a", "the", "-"] * 100:
        draft.ids.append(VOCABULARY.index[token])
        assert not how.is_stopped(draft)
    assert max(n_decoded) <= 20
    draft.ids += [VOCABULARY.index[token] for token in ["a", "s", "the"]]
    assert how.is_stopped(draft)
    assert n_decoded[-1] == 1_000 + len(draft.ids)


def test_a_stream_makes_only_its_end_into_text(monkeypatch) -> None:
    how = shown(CODECS[0], "the a " * 500)
    n_decoded: list[int] = []
    decode = RegexTokenizer.detokenize
    monkeypatch.setattr(
        RegexTokenizer, "detokenize", lambda self, tokens: n_decoded.append(len(tokens)) or decode(self, tokens)
    )
    ids = [VOCABULARY.index[token] for token in ['"', "the", "a", '"', "u", "'"] * 100]
    draft = Draft()
    pieces = list(how.pieces(draft, (draft.ids.append(token) for token in ids)))
    assert "".join(pieces) == how.text(draft)
    assert sum(n > 100 for n in n_decoded) < 20


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(CODECS),
    st.sampled_from(["", "the", "u. s", 'he said "', "zebra"]),
    st.lists(st.sampled_from([4, 5, 6, 7, 9, 10, 12, 13, 14, 15, EOS]), min_size=12, max_size=40),
    st.sampled_from([(), ("a the u",), ('."',)]),
)
def test_a_long_stream_is_the_text(codec, prompt, ids, stop) -> None:
    """Whatever quotation marks are open where its beginning is left out."""
    how = shown(codec, prompt, stop)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("embedpipe.generation.decoding.shown._LONG", 6)
        patch.setattr("embedpipe.generation.decoding.shown._KEPT", 3)
        pieces, draft = streamed(how, ids)
    assert "".join(pieces) == how.text(draft)


@pytest.mark.extra
def test_a_character_of_several_pieces_comes_whole() -> None:
    pytest.importorskip("tokenizers")
    from embedpipe.text.tokenizer_bpe import train_bpe

    tokenizer = train_bpe(["plain words"] * 5, 280)
    tokens = tokenizer.tokenize("words 日本 é!")
    codec = TextCodec(tokenizer, Vocabulary.from_counts(dict.fromkeys(tokens, 1)))
    ids = [codec.vocabulary.index[token] for token in tokens]
    pieces, _ = streamed(shown(codec, ""), ids)
    assert "".join(pieces) == "words 日本 é!"
    assert "日" in "".join(pieces)
    assert not any("\ufffd" in piece for piece in pieces)

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.errors import BundleError
from embedpipe.text.codec import TextCodec
from embedpipe.text.normalise import DOCUMENT_MARK, SENTENCE_MARK
from embedpipe.text.phrases import Phrases
from embedpipe.text.tokenizer import RegexTokenizer, Tokenizer, load_tokenizer
from embedpipe.text.tokenizer_bpe import train_bpe
from embedpipe.text.tokenizer_phrases import PhraseTokenizer
from embedpipe.text.vocabulary import Vocabulary


@pytest.fixture
def codec() -> TextCodec:
    return TextCodec(RegexTokenizer(), Vocabulary.from_counts({"the": 9, "cat": 5, "sat": 4, ".": 4, "'s": 2}))


def test_encode_keeps_unknown_tokens_as_one_and_adds_nothing(codec: TextCodec) -> None:
    ids = codec.encode("The DOG's cat sat.")
    assert ids.dtype == np.uint32
    assert ids.tolist() == [4, 1, 8, 5, 7, 6]
    assert codec.encode("").tolist() == []
    assert codec.encode("<eos> <pad>").max() == 1


def test_encode_many(codec: TextCodec) -> None:
    assert [a.tolist() for a in codec.encode_many(["the", "", "cat dog"])] == [[4], [], [5, 1]]
    assert codec.encode_many([]) == []
    with pytest.raises(TypeError, match="wrap it in a list"):
        codec.encode_many("the cat")


def test_decode_leaves_specials_out(codec: TextCodec) -> None:
    assert codec.decode([2, 4, 5, 8, 1, 0, 7, 6, 3]) == "the cat's sat."
    assert codec.decode(np.array([], dtype=np.uint32)) == ""


def test_load_reads_a_description(codec: TextCodec, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer_spec.json"
    path.write_text(json.dumps({**codec.tokenizer.spec(), "sentences": {}}))
    assert TextCodec.load(path, codec.vocabulary).encode("the cat").tolist() == [4, 5]


@pytest.mark.parametrize(("content", "message"), [(None, "No such file"), ("{", "not a tok"), ("[]", "JSON object")])
def test_load_names_a_bad_file(codec: TextCodec, tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "tokenizer_spec.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BundleError, match=f"tokenizer_spec.json.*{message}"):
        TextCodec.load(path, codec.vocabulary)


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Tokenizer]:
    phrases = Phrases((frozenset({("new", "york"), ("don't", "北京")}),))
    return {
        "regex": RegexTokenizer(),
        "phrases": PhraseTokenizer(RegexTokenizer(), phrases),
        "jieba": load_tokenizer({"format": 1, "kind": "jieba", "case": "lower"}),
        "bpe": train_bpe(["a new day in new york, don't 北京"] * 5, 300),
    }


# What joining could change: marks, blanks, combining marks, a sigma at the end, apostrophes, halves of phrases.
PIECES = [
    "New",
    "york",
    "don’t",
    "北京",
    "大学",
    "ΟΔΟΣ",
    "e",
    "\u0301",
    "’",
    "s",
    " ",
    "\n",
    "\xa0",
    "\r",
    ".",
    "\ud800",
]
TEXTS = st.lists(
    st.lists(st.sampled_from([*PIECES, SENTENCE_MARK, DOCUMENT_MARK]), max_size=8).map("".join) | st.text(max_size=9),
    max_size=6,
)


@pytest.mark.parametrize("kind", ["regex", "phrases", "bpe", pytest.param("jieba", marks=pytest.mark.slow)])
@settings(deadline=None)
@given(texts=TEXTS)
def test_many_texts_are_read_as_each_alone(tokenizers, kind: str, texts: list[str]) -> None:
    tokenizer = tokenizers[kind]
    tokens = sorted({token for text in texts for token in tokenizer.tokenize(text)})
    codec = TextCodec(tokenizer, Vocabulary.from_counts(dict.fromkeys(tokens[::2], 1)))
    alone = [codec.encode(text).tolist() for text in texts]
    assert [ids.tolist() for ids in codec.encode_many(texts)] == alone

import json
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedpipe.errors import BundleError, MissingExtraError
from embedpipe.text.normalise import DOCUMENT_MARK, SENTENCE_MARK, Case, fold, normalise
from embedpipe.text.numbering import number_tokens
from embedpipe.text.tokenizer import RegexTokenizer, choose_tokenizer, join_tokens, load_tokenizer
from embedpipe.text.tokenizer_bpe import BPETokenizer, spell_piece, train_bpe


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop!", ["don't", "stop", "!"]),
        ("The cat's toy, the dogs' bed", ["the", "cat", "'s", "toy", ",", "the", "dogs", "'", "bed"]),
        ("don’t it’s", ["don't", "it", "'s"]),
        ("rock'n'roll o'sullivan", ["rock'n'roll", "o'sullivan"]),
        ("$1,000.50, 3.14.", ["$", "1,000.50", ",", "3.14", "."]),
        ("one,two U.S.", ["one", ",", "two", "u", ".", "s", "."]),
        ("well-known e-mail@x.org", ["well", "-", "known", "e", "-", "mail", "@", "x", ".", "org"]),
        ("snake_case __", ["snake", "_", "case", "_", "_"]),
        ("3rd mp3", ["3rd", "mp3"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("ภาษาไทย", ["ภาษาไทย"]),
        ("مَرْحَبًا", ["مَرْحَبًا"]),
        ("迈向 充满 希望 。", ["迈向", "充满", "希望", "。"]),
        ("𝔘nicode 𠀀𠀁 😀😀", ["𝔘nicode", "𠀀𠀁", "😀", "😀"]),
        ("naïve cafe\u0301", ["naïve", "café"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_regex_tokens(text: str, expected: list[str]) -> None:
    assert RegexTokenizer().tokenize(text) == expected


@given(st.text(max_size=60))
def test_no_character_is_lost_and_no_token_is_blank(text: str) -> None:
    tokens = RegexTokenizer("keep").tokenize(text)
    assert "".join(tokens) == "".join(normalise(text).split())
    assert all(token and not token.isspace() for token in tokens)


@pytest.mark.parametrize("kind", ["regex", "jieba", "bpe"])
def test_marks_stay_tokens_and_descriptions_go_through_json(kind: str) -> None:
    if kind == "bpe":
        tokenizer = train_bpe(["the cat sat on the mat"] * 5, 300)
    else:
        tokenizer = load_tokenizer({"format": 1, "kind": kind, "case": "lower"})
    again = load_tokenizer(json.loads(json.dumps(tokenizer.spec())))
    assert again.spec() == tokenizer.spec()
    text = f"the cat{SENTENCE_MARK}the mat{SENTENCE_MARK}{DOCUMENT_MARK}the"
    tokens = again.split(text)
    assert [t for t in tokens if t in (SENTENCE_MARK, DOCUMENT_MARK)] == [SENTENCE_MARK, SENTENCE_MARK, DOCUMENT_MARK]
    assert tokens[: tokens.index(SENTENCE_MARK)] == again.tokenize("The CAT")


def test_jieba_segments_chinese_without_a_cache_file(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tokenizer = load_tokenizer({"format": 1, "kind": "jieba", "case": "lower"})
    assert tokenizer.tokenize("我们喜欢Python 3.14。") == ["我们", "喜欢", "python", "3.14", "。"]
    assert tokenizer.detokenize(["我们", "喜欢", "看书", "。"]) == "我们喜欢看书。"
    assert list(tmp_path.iterdir()) == []


def test_bpe_reads_back_any_text_and_is_reproducible() -> None:
    texts = [f"the {w} cat sat on the {w} mat" for w in ("red", "blue", "old", "new")] * 20
    one, two = train_bpe(texts, 320), train_bpe(texts, 320)
    assert one.spec() == two.spec()
    assert one.detokenize(one.tokenize("the cat über 猫!")) == "the cat über 猫!"
    assert len(one.tokenize("the cat")) < len("the cat")
    assert one.tokenize("") == []


@given(st.text())
def test_byte_pairs_are_spelt_readably_and_lose_nothing(text: str) -> None:
    tokenizer = bpe()
    tokens = tokenizer.tokenize(text)
    assert tokenizer.detokenize(tokens) == fold(normalise(text), "lower").strip()
    assert not any(character.isspace() for token in tokens for character in token)


def test_byte_pairs_that_differ_are_spelt_differently() -> None:
    pieces = bpe()._tokenizer.get_vocab()
    assert len({spell_piece(piece) for piece in pieces}) == len(pieces)
    assert {"▁the", "▁日本", "日本", "<0xE6>", "▁"} <= {spell_piece(piece) for piece in pieces}
    assert bpe().tokenize("▁") == ["▁", "<0xE2>", "<0x96>", "<0x81>"]
    assert bpe().detokenize(bpe().tokenize("the <0xE6> cat")) == "the <0xe6> cat"


@cache
def bpe() -> BPETokenizer:
    return train_bpe(["the cat sat on the mat", "日本 は日本 も日本 へ日本"] * 20, 400)


@pytest.mark.parametrize(("package", "kind", "extra"), [("jieba", "jieba", "zh"), ("tokenizers", "bpe", "bpe")])
def test_missing_package_names_the_extra(monkeypatch, package: str, kind: str, extra: str) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(MissingExtraError, match=rf'pip install "embedpipe\[{extra}\]"'):
        load_tokenizer({"format": 1, "kind": kind, "case": "lower", "model": {}})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "format is None"),
        ({"format": 3, "kind": "regex", "case": "lower"}, "format 3.*upgrade"),
        ({"format": 1, "kind": "os.system", "case": "lower"}, "unknown tokenizer 'os.system'"),
        ({"format": 1, "kind": "regex", "case": "upper"}, "case is 'upper'"),
        ({"format": 1, "kind": "bpe", "case": "lower", "model": {"x": 1}}, "cannot be read"),
    ],
)
def test_foreign_descriptions_are_refused(spec: dict, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        load_tokenizer(spec)


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        ("The cat sat on the mat. " * 20, "regex"),
        ("我们今天去北京大学看书，他们也去。" * 20, "jieba"),
        ("迈向 充满 希望 的 新 世纪 。" * 20, "regex"),
        ("わたしはねこがすきです。東京へいきます。" * 20, "bpe"),
        ("ฉันรักภาษาไทยและแมวของฉัน" * 20, "bpe"),
        ("हिन्दी में लिखा हुआ पाठ है।" * 20, "regex"),
        ("", "regex"),
    ],
)
def test_choice_by_script(sample: str, kind: str) -> None:
    assert choose_tokenizer(sample)[0] == kind


@pytest.mark.parametrize(
    "text",
    [
        'he said, "the cat\'s (old) toy!" yes.',
        "the well-known actor/singer paid $1,000.50 for it.",
        "we don't know the dogs' names: none; really?",
        "in the u.s. it was 1990–95.",
        "我们看书。",
        "“yes,” she said.",
    ],
)
def test_detokenised_text_reads_like_print(text: str) -> None:
    tokenizer = RegexTokenizer()
    tokens = tokenizer.tokenize(text)
    assert tokenizer.detokenize(tokens) == text


def test_joining_nothing() -> None:
    assert join_tokens([]) == ""


@pytest.mark.parametrize("case", ["lower", "keep"])
@given(text=st.text(st.sampled_from("aÀΣσ'’s.,1 \n\u3000\u0301x-_") | st.characters(), max_size=80))
def test_numbering_word_by_word_equals_splitting_the_whole_text(case: Case, text: str) -> None:
    tokenizer = RegexTokenizer(case)
    marked = normalise(text).replace("\n", f" {SENTENCE_MARK} ") + f" {DOCUMENT_MARK} end"
    types, numbers = number_tokens(marked, tokenizer)
    assert [types[i] for i in numbers] == tokenizer.split(fold(marked, case))
    assert types[:2] == [DOCUMENT_MARK, SENTENCE_MARK]

"""Tokenizers behind one small interface, made from a declarative description.

A tokenizer normalises, folds case and splits. `split` is the last of these steps alone: preparing a corpus normalises
a whole chunk at once and calls it with `SENTENCE_MARK` and `DOCUMENT_MARK` in the text, which come back as tokens.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from unicodedata import category

from embedpipe.errors import BundleError
from embedpipe.text.normalise import Case, fold, normalise

__all__ = ["FORMAT", "RegexTokenizer", "Tokenizer", "choose_tokenizer", "load_tokenizer"]

FORMAT = 2
"""The newest format of a description; one without phrases is written in format 1, as ever."""


class Tokenizer(Protocol):
    """What every tokenizer does.

    `spaced` says that white space always ends a token and that what lies beyond it does not matter, so that each
    distinct word of a corpus needs to be split only once.
    """

    case: Case
    spaced: bool

    def split(self, text: str) -> list[str]:
        """Return the tokens of text that is normalised and folded already."""
        ...

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of any text; ``[]`` for blank text."""
        ...

    def detokenize(self, tokens: Sequence[str]) -> str:
        """Return readable text made of `tokens`."""
        ...

    def shortened(self, tokens: Sequence[str]) -> list[str]:
        """Return a few tokens behind which others read as they do behind `tokens`."""
        ...

    def spec(self) -> dict[str, Any]:
        """Return the description that `load_tokenizer` takes, as plain JSON."""
        ...


def load_tokenizer(spec: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer that `spec` describes.

    Raises
    ------
    BundleError
        If the kind is unknown, the format is newer than this program, or the description is incomplete.
    MissingExtraError
        If the kind needs a package that is not installed.

    Examples
    --------
    >>> load_tokenizer({"format": 1, "kind": "regex", "case": "lower"}).tokenize("Don't pay the cat's $1,000.50 bill!")
    ["don't", 'pay', 'the', 'cat', "'s", '$', '1,000.50', 'bill', '!']
    """
    version, kind, case = spec.get("format"), spec.get("kind"), spec.get("case")
    if not isinstance(version, int) or version < 1:
        raise BundleError(f"not the description of a tokenizer: format is {version!r}, expected 1 to {FORMAT}")
    if version > FORMAT:
        raise BundleError(
            f"the tokenizer was written in format {version}, this version of embedpipe reads up to {FORMAT}: upgrade it"
        )
    if version > 1:
        from embedpipe.text.phrases import Phrases
        from embedpipe.text.tokenizer_phrases import PhraseTokenizer

        return PhraseTokenizer(load_tokenizer({**spec, "format": 1}), Phrases.from_spec(spec.get("phrases")))
    if case not in ("lower", "keep"):
        raise BundleError(f"the tokenizer's case is {case!r}, expected 'lower' or 'keep'")
    if kind == "regex":
        return RegexTokenizer(case)
    if kind == "jieba":
        from embedpipe.text.tokenizer_jieba import JiebaTokenizer

        return JiebaTokenizer(case)
    if kind == "bpe":
        from embedpipe.text.tokenizer_bpe import BPETokenizer

        return BPETokenizer(case, spec.get("model"))
    raise BundleError(f"unknown tokenizer '{kind}'; this version of embedpipe knows regex, jieba, bpe")


def choose_tokenizer(sample: str) -> tuple[str, str]:
    """Return the kind of tokenizer that suits `sample` and the reason in a few words.

    Examples
    --------
    >>> choose_tokenizer("我们今天去北京大学看书，他们也去。" * 5)[0], choose_tokenizer("迈向 充满 希望 的 新 世纪")[0]
    ('jieba', 'regex')
    """
    letters = max(1, sum(map(str.isalpha, sample)))
    han = len(_HAN.findall(sample))
    unspaced = len(_UNSPACED.findall(sample))
    spaces = len(_INNER_SPACE.findall(sample))
    if spaces * 8 > letters:
        return "regex", "words are separated by spaces"
    if unspaced > 0.1 * letters and han + unspaced > 0.5 * letters:
        return "bpe", "a script written without spaces between words"
    if han > 0.5 * letters:
        return "jieba", "Chinese without spaces between words"
    return "regex", "not a script written without spaces between words"


class RegexTokenizer:
    """Words, numbers and single other characters, in any script that separates words by spaces.

    A word is a run of letters, digits and combining marks, with apostrophes inside (``don't``); the possessive ``'s``
    is a token of its own; ``.`` and ``,`` between digits stay (``1,000.50``); every other character that is not white
    space is one token.
    """

    spaced = True

    def __init__(self, case: Case = "lower") -> None:
        self.case: Case = case
        self.split = _WORD.findall

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of `text`; ``[]`` for blank text."""
        return self.split(fold(normalise(text), self.case))

    def detokenize(self, tokens: Sequence[str]) -> str:
        """Return `tokens` as text, spaced as English and Chinese are printed."""
        return join_tokens(tokens)

    def shortened(self, tokens: Sequence[str]) -> list[str]:
        """Return a few tokens behind which others are spaced as they are behind `tokens`."""
        return shorten_tokens(tokens)

    def spec(self) -> dict[str, Any]:
        """Return the description that `load_tokenizer` takes."""
        return {"format": 1, "kind": "regex", "case": self.case}


def join_tokens(tokens: Sequence[str]) -> str:
    """Return `tokens` joined by spaces where print has them.

    Examples
    --------
    >>> join_tokens(["he", "said", ",", '"', "the", "cat", "'s", "(", "old", ")", "toy", "!", '"'])
    'he said, "the cat\\'s (old) toy!"'
    >>> join_tokens(["我们", "看", "书", "。"])
    '我们看书。'
    """
    pieces: list[str] = []
    opened: set[str] = set()
    previous, tight = "", True
    for i, token in enumerate(tokens):
        before = "" if tight or token[0] in _NO_SPACE_BEFORE or token in ("'s", "'S") else " "
        tight = token[-1] in _NO_SPACE_AFTER
        if token in _QUOTES:
            tight = _open_or_close(token, previous, opened)
            before = before if tight else ""
        elif token in ("-", "/", "–") and previous[-1:].isalnum() and _begins_word(tokens, i + 1):
            if token != "–" or (previous[-1:].isdigit() and tokens[i + 1][:1].isdigit()):
                before, tight = "", True
        elif (previous and _WIDE.match(previous[-1]) and _WIDE.match(token[0])) or _continues_initials(tokens, i):
            before = ""
        pieces += (before, token)
        previous = token
    return "".join(pieces)


def shorten_tokens(tokens: Sequence[str]) -> list[str]:
    """Return a few tokens behind which `join_tokens` spaces others as it does behind `tokens`.

    These are the last two, down to one that is no quotation mark, behind the marks that are open there.

    >>> shorten_tokens(["he", "said", ",", '"', "the", "cat", "'s", "old", "toy"])
    ['"', 'old', 'toy']
    """
    at = max(0, len(tokens) - 2)
    while at and tokens[at] in _QUOTES:
        at -= 1
    opened: set[str] = set()
    previous = ""
    for token in tokens[:at]:
        if token in _QUOTES:
            _open_or_close(token, previous, opened)
        previous = token
    return [*sorted(opened), *tokens[at:]]


def _open_or_close(quote: str, previous: str, opened: set[str]) -> bool:
    """Take a quotation mark into the set of those that are open, or out of it; return whether it opens."""
    plural = quote == "'" and quote not in opened and previous[-1:] in ("s", "S")
    if quote in opened or plural:
        opened.discard(quote)
        return False
    opened.add(quote)
    return True


def _begins_word(tokens: Sequence[str], i: int) -> bool:
    return i < len(tokens) and tokens[i][:1].isalnum()


def _continues_initials(tokens: Sequence[str], i: int) -> bool:
    """Return whether token `i` goes on with something like ``u. s.``"""
    if i < 2 or tokens[i - 1] != "." or len(tokens[i]) != 1 or len(tokens[i - 2]) != 1:
        return False
    return tokens[i].isalpha() and tokens[i - 2].isalpha() and tokens[i + 1 : i + 2] == ["."]


def _word_characters() -> str:
    """Return the inside of a character class: letters, digits, combining marks and joiners.

    Built for the basic plane, where `re` turns the class into a bitmap that is faster than ``\\w`` and, unlike it, has
    the vowel signs of Hindi or Thai and not the underscore. Above it a few ranges stand for the letters.
    """
    ranges, start = [], -1
    for code in range(0x10000):
        character = chr(code)
        inside = character.isalnum() or category(character)[0] == "M" or code in (0x200C, 0x200D)
        if inside and start < 0:
            start = code
        elif not inside and start >= 0:
            ranges.append((start, code - 1))
            start = -1
    basic = "".join(chr(a) if a == b else f"{chr(a)}-{chr(b)}" for a, b in ranges)
    return basic + "\U00010000-\U0001cfff\U0001d400-\U0001efff\U00020000-\U0003ffff"


_LETTERS = _word_characters()
_WORD = re.compile(
    rf"[{_LETTERS}]+(?:['.,](?:(?<=')(?![sS](?![{_LETTERS}]))[{_LETTERS}]|(?<=\d.)\d)[{_LETTERS}]*)*"
    rf"|'[sS](?![{_LETTERS}])|\S"
)
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")
_UNSPACED = re.compile("[\u3040-\u30ff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_INNER_SPACE = re.compile(r"(?<=\w)[^\S\n]+(?=\w)")
_WIDE = re.compile("[\u3000-\u30ff\u3400-\u9fff\uff00-\uff60\U00020000-\U0003ffff“”‘’—…《》]")
_NO_SPACE_BEFORE = frozenset(".,!?;:)]}%…”’»，。！？；：、）》】」』")
_NO_SPACE_AFTER = frozenset("([{$£€#@“‘«（《【「『")
_QUOTES = frozenset("\"'")

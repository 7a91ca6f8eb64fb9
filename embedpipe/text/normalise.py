"""One spelling for what looks the same: Unicode NFC, line ends, invisible characters, apostrophes, case.

The same function prepares a corpus and a query, so that a word typed later finds the word that was trained.
"""

import re
from functools import cache
from typing import Literal
from unicodedata import category, is_normalized, normalize

__all__ = ["DOCUMENT_MARK", "SENTENCE_MARK", "Case", "fold", "normalise", "normalise_marked", "without_marks"]

Case = Literal["lower", "keep"]

# Two control characters that no normalised text can hold; they travel through the tokenizer as tokens of their own.
SENTENCE_MARK, DOCUMENT_MARK = "\x02", "\x03"

_LINE_END = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00\x01\x04-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u200b]")
_INVISIBLE = re.compile("[\xad\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_TO_CLEAN = re.compile("[\x80-\x9f\xad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ud800-\udfff]")
_ASCII_CONTROLS = bytes({*range(32), 127} - {2, 3, 9, 10})
_ASCII = bytes(range(128))
_WINDOW = 32
# Both begin with the literal character, which the regular expression engine finds at the speed of memory.
_INNER_APOSTROPHES = (re.compile(r"’(?<=\w’)(?=\w)"), re.compile(r"ʼ(?<=\wʼ)(?=\w)"))


def normalise(text: str) -> str:
    """Return `text` in the one spelling that the tokenizers expect.

    NFC; every kind of line end is ``\\n``; control characters and zero-width spaces become spaces; soft hyphens, byte
    order marks and direction marks go (joiners stay: Persian and the Indic scripts spell with them); a typographic
    apostrophe between two letters is ``'``; half a surrogate pair, as broken JSON holds, is U+FFFD.

    Examples
    --------
    >>> normalise("cafe\\u0301\\r\\ndon’t co\\xadoperate")
    "café\\ndon't cooperate"
    """
    return normalise_marked(without_marks(text))


def without_marks(text: str) -> str:
    """Return `text` with a space for each sentence or document mark in it."""
    return text.replace(SENTENCE_MARK, " ").replace(DOCUMENT_MARK, " ")


def normalise_marked(text: str) -> str:
    """Do what `normalise` does but keep the sentence and document marks."""
    # Almost all text is clean. Deleting control characters from the bytes and looking at the few characters outside
    # ASCII finds that out several times faster than searching the whole text for either fault.
    data = text.encode("utf-8", "surrogatepass")
    dirty = len(data.translate(None, _ASCII_CONTROLS)) != len(data)
    if not dirty and len(data) == len(text):
        return text
    rare = data.translate(None, _ASCII).decode("utf-8", "surrogatepass")
    if dirty or _TO_CLEAN.search(rare) is not None:
        text = _CONTROL.sub(" ", _LINE_END.sub("\n", text))
        text = rare = _INVISIBLE.sub("", _LONE_SURROGATE.sub("\ufffd", text))
    if not _is_nfc(text, rare):
        text = normalize("NFC", text)
    for apostrophe in _INNER_APOSTROPHES:
        text = apostrophe.sub("'", text)
    return text


def fold(text: str, case: Case) -> str:
    """Return `text` in lower case, or as it is.

    Examples
    --------
    >>> fold("Straße", "lower"), fold("Straße", "keep")
    ('straße', 'Straße')
    """
    return text.lower() if case == "lower" else text


def _is_nfc(text: str, rare: str) -> bool:
    """Return whether `text`, whose characters outside ASCII `rare` holds in order, is in NFC."""
    marks = _combining().findall(rare)
    if not marks:
        return is_normalized("NFC", rare)
    if len(marks) * 100 > len(text):
        return is_normalized("NFC", text)
    if not is_normalized("NFC", _combining().sub(" ", rare)):
        return False
    for mark in sorted(set(marks)):
        at = text.find(mark)
        while at >= 0:
            if not is_normalized("NFC", text[max(0, at - _WINDOW) : at + _WINDOW]):
                return False
            at = text.find(mark, at + 1)
    return True


@cache
def _combining() -> re.Pattern[str]:
    """Return the class of the characters that may combine with the one before them."""
    found = [
        chr(code)
        for code in range(0x300, 0x10000)
        if not 0x3400 <= code <= 0x9FFF
        and not 0xAC00 <= code <= 0xDFFF
        and (category(chr(code))[0] == "M" or 0x1100 <= code <= 0x11FF)
    ]
    return re.compile(f"[{''.join(found)}\U00010000-\U0010ffff]")

"""Byte-pair encoding (Sennrich et al., 2016) over bytes, by Hugging Face tokenizers (extra ``bpe``).

The library spells a piece with a stand-in letter for each byte (``Ġgovernment``, ``æĹ¥æľ¬``). Tokens here are what the
bytes say: ``▁government`` where ``▁`` is the space before a word, ``日本``, and ``<0xE6>`` for a byte that is only a
part of a character. Every piece has a spelling of its own, without white space, and can be read back.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from embedpipe.errors import BundleError, MissingExtraError
from embedpipe.text.normalise import DOCUMENT_MARK, SENTENCE_MARK, Case, fold, normalise
from embedpipe.text.vocabulary import WORD_START

__all__ = ["BPETokenizer", "piece_bytes", "spell_piece", "train_bpe"]

_MARKS = re.compile(f"([{SENTENCE_MARK}{DOCUMENT_MARK}])")
_BATCH = 1_000
_PIECES_BEFORE = 8
_ESCAPED = re.compile(r"<0x([0-9A-F]{2})>")
_OWN_LETTER = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_BYTES = {chr(byte): byte for byte in _OWN_LETTER} | {
    chr(256 + i): byte for i, byte in enumerate(sorted({*range(256)} - {*_OWN_LETTER}))
}
"""The byte behind each letter of the library's byte-level alphabet (Radford et al., 2019)."""


def train_bpe(texts: Iterable[str], size: int, case: Case = "lower") -> "BPETokenizer":
    """Return a tokenizer of at most `size` units learnt from `texts`.

    Raises
    ------
    MissingExtraError
        If tokenizers is not installed.
    """
    hf = _tokenizers()
    tokenizer = hf.Tokenizer(hf.models.BPE())
    tokenizer.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = hf.trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=hf.pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator((fold(normalise(text), case) for text in texts), trainer)
    return BPETokenizer(case, json.loads(tokenizer.to_str()))


def spell_piece(piece: str) -> str:
    """Return the readable spelling of a piece in the library's letters.

    Examples
    --------
    >>> spell_piece("Ġcaf\u00c3\u00a9"), spell_piece("\u00c3"), spell_piece("Ġ")
    ('▁café', '<0xC3>', '▁')
    """
    text = bytes(map(_BYTES.__getitem__, piece)).decode("utf-8", "surrogateescape")
    return "".join(map(_spell_character, text))


def piece_bytes(token: str) -> bytes:
    """Return the bytes that a readable token stands for.

    Examples
    --------
    >>> piece_bytes("▁caf") + piece_bytes("<0xC3>") + piece_bytes("<0xA9>")
    b' caf\xc3\xa9'
    """
    text, *escaped = _ESCAPED.split(token)
    data = text.replace(WORD_START, " ").encode()
    for byte, rest in zip(escaped[::2], escaped[1::2], strict=True):
        data += bytes([int(byte, 16)]) + rest.replace(WORD_START, " ").encode()
    return data


class BPETokenizer:
    """Pieces of words; every text can be encoded and read back.

    Parameters
    ----------
    case : whether text is put in lower case.
    model : the trained model in the Hugging Face ``tokenizer.json`` form, as plain JSON.
    """

    spaced = False

    def __init__(self, case: Case, model: Any) -> None:
        self.case: Case = case
        hf = _tokenizers()
        try:
            self._tokenizer = hf.Tokenizer.from_str(json.dumps(model))
        except Exception as error:  # the library raises bare Exception for a damaged model
            raise BundleError(f"the byte-pair model of the tokenizer cannot be read: {error}") from error
        self._model = model
        self._spelling = {piece: spell_piece(piece) for piece in self._tokenizer.get_vocab()}

    def split(self, text: str) -> list[str]:
        """Return the pieces of text that is normalised and folded already; marks stay whole."""
        parts = [part for part in _MARKS.split(text) if part and not part.isspace()]
        tokens: list[str] = []
        for i in range(0, len(parts), _BATCH):
            batch = parts[i : i + _BATCH]
            encoded = self._tokenizer.encode_batch([part.strip() for part in batch], add_special_tokens=False)
            for part, encoding in zip(batch, encoded, strict=True):
                if part in (SENTENCE_MARK, DOCUMENT_MARK):
                    tokens.append(part)
                else:
                    tokens += map(self._spelling.__getitem__, encoding.tokens)
        return tokens

    def tokenize(self, text: str) -> list[str]:
        """Return the pieces of `text`; ``[]`` for blank text."""
        return self.split(fold(normalise(text), self.case))

    def detokenize(self, tokens: Sequence[str]) -> str:
        """Return the text that the pieces spell."""
        return b"".join(map(piece_bytes, tokens)).decode("utf-8", "replace").strip()

    def shortened(self, tokens: Sequence[str]) -> list[str]:
        """Return the last pieces: a whole character at least, and one that is not white space."""
        n = _PIECES_BEFORE
        while n < len(tokens) and not self.detokenize(tokens[-n:]):
            n *= 2
        return list(tokens[-n:])

    def spec(self) -> dict[str, Any]:
        """Return the description that `load_tokenizer` takes, the model in it."""
        return {"format": 1, "kind": "bpe", "case": self.case, "model": self._model}


def _spell_character(character: str) -> str:
    if character == " ":
        return WORD_START
    if character == WORD_START or character.isspace() or "\ud800" <= character <= "\udfff":
        return "".join(f"<0x{byte:02X}>" for byte in character.encode("utf-8", "surrogateescape"))
    return character


def _tokenizers() -> Any:
    try:
        import tokenizers
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError as error:
        raise MissingExtraError("tokenizers", "bpe") from error
    return tokenizers

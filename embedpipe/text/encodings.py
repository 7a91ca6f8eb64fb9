"""Encodings by their names, and which of them bytes may be in that are not text in the one that was expected."""

import codecs
import io

from embedpipe.errors import ConfigError

__all__ = ["check_encoding", "suggest_encoding"]

_TRIED = ("utf-8", "gb18030", "big5", "shift_jis", "euc-kr", "cp1252")
_BEFORE, _AFTER = 8, 12
"""Characters shown before and from the first one that is not ASCII."""


def check_encoding(encoding: str) -> None:
    """Raise `ConfigError` for a name that is no encoding of text.

    >>> check_encoding("latin-1")
    """
    try:
        # Python's own text files refuse what turns bytes into bytes or text into text (base64, rot13) the same way.
        io.TextIOWrapper(io.BytesIO(), encoding=encoding).close()
    except LookupError as error:
        why = "is no encoding of text" if "not a text encoding" in str(error) else "is unknown"
        raise ConfigError(f"encoding '{encoding}' {why}; try utf-8, latin-1, gb18030 or utf-16") from error


def suggest_encoding(line: bytes) -> str:
    r"""Return what to do about a line that could not be read: the encodings it can be read in, with how it looks then.

    Parameters
    ----------
    line : its bytes, with the line end where it is whole; without one the last character may be cut off.

    Examples
    --------
    >>> suggest_encoding("こんにちは世界\n".encode("shift_jis"))
    "the line reads as gb18030 ('偙傫偵偪偼悽奅') or shift_jis ('こんにちは世界'): choose one with --encoding"
    >>> suggest_encoding(b"caf\xe9 au lait\n")
    "the line reads as cp1252 ('café au lait'): --encoding cp1252"
    >>> suggest_encoding(b"\x81\n")
    'name the right --encoding'
    """
    tried = ("utf-16", *_TRIED) if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else _TRIED
    looks = {encoding: _look(line, encoding) for encoding in tried}
    found = [f"{encoding} ({look!r})" for encoding, look in looks.items() if look]
    if not found:
        return "name the right --encoding"
    if len(found) == 1:
        return f"the line reads as {found[0]}: --encoding {found[0].split()[0]}"
    return f"the line reads as {', '.join(found[:-1])} or {found[-1]}: choose one with --encoding"


def _look(line: bytes, encoding: str) -> str:
    """Return how a line looks in an encoding, around its first character that is not ASCII; empty where it is none."""
    # What utf-16 has for a line end is no byte of its own, by which lines were told apart.
    whole = line.endswith(b"\n") and encoding != "utf-16"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(line, final=whole)
    except UnicodeDecodeError:
        return ""
    at = next((i for i, character in enumerate(text) if not character.isascii() or encoding == "utf-16"), None)
    if at is None or not "".join(text.split()).isprintable():
        return ""
    return text[max(at - _BEFORE, 0) : at + _AFTER].strip()

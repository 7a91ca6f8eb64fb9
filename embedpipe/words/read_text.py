"""Word vectors in text: word2vec (also fastText's ``.vec``) with a header, GloVe without one.

A row is a token and its numbers, separated by single spaces. Tokens may hold spaces themselves (a few of GloVe's do),
so a row is split from the right; the piece before the numbers must then be no number, or the row is too wide. A byte
order mark before the first line is no part of it.
"""

import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from embedpipe.errors import InputError
from embedpipe.text.read_bytes import open_bytes
from embedpipe.words.foreign import Collected, ForeignVectors
from embedpipe.words.read_numbers import parse_numbers

__all__ = ["parse_header", "read_glove", "read_word2vec_text", "width_of_row"]

_BLOCK = 1 << 20
_NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_LONGEST_ROW = 1 << 20
"""Bytes; what is longer is no row of a text format."""
_TABS = "separated by tabs: replace them by single spaces, as with tr '\\t' ' '"


def read_word2vec_text(path: Path) -> ForeignVectors:
    """Read word2vec text: a header ``n dim``, then ``token x y ...`` line by line; it may be compressed.

    Raises
    ------
    InputError
        With path and line: a missing header, a row of the wrong width, a number that is none or not finite, a token
        that stands twice, bytes that are not UTF-8, more or fewer rows than the header says.
    """
    with open_bytes(path, Counter()) as file:
        n, dim = parse_header(path, file.readline(1_000))
        collected = _collect(path, file, dim, first_line=2)
    found = len(collected.tokens)
    if found != n:
        raise InputError(f"the header says {n:,} words, the file holds {found:,}; is it cut short?", path, 1 + found)
    return ForeignVectors(collected.tokens, collected.vectors(), "word2vec")


def read_glove(path: Path) -> ForeignVectors:
    """Read GloVe text; the first line says how wide a row is. Raises as `read_word2vec_text`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "glove.txt"
    ...     _ = path.write_text("the 0.5 1\\nnew york 2 3\\n")
    ...     print(read_glove(path).tokens)
    ['the', 'new york']
    """
    with open_bytes(path, Counter()) as file:
        first = file.readline(_LONGEST_ROW).removeprefix(BOM_UTF8)
        dim = width_of_row(path, first)
        collected = _collect(path, file, dim, first_line=1, begun=first)
    return ForeignVectors(collected.tokens, collected.vectors(), "glove")


def parse_header(path: Path, line: bytes) -> tuple[int, int]:
    """Return the number of words and the width that the first line of a word2vec file says, else raise."""
    parts = line.removeprefix(BOM_UTF8).split()
    if len(parts) != 2 or not all(part.isdigit() and len(part) < 19 for part in parts) or int(parts[1]) < 1:
        raise InputError("expected a word2vec header: two whole numbers, words and width (GloVe has none)", path, 1)
    return int(parts[0]), int(parts[1])


def width_of_row(path: Path, line: bytes) -> int:
    """Return how many numbers the first row of a file without a header holds, else raise."""
    if b"\t" in line:
        raise InputError(f"a token and its numbers are {_TABS}", path, 1)
    pieces = line.removeprefix(BOM_UTF8).rstrip(b"\r\n ").split(b" ")
    numbers = [_NUMBER.fullmatch(piece) is not None for piece in pieces]
    dim = next((i for i, good in enumerate(reversed(numbers)) if not good), len(pieces) - 1)
    if dim == 0 or (len(pieces) == 2 and all(piece.isdigit() for piece in pieces)):
        raise InputError(
            "expected a token and its numbers, separated by single spaces, or a word2vec header of two whole numbers; "
            "name a file of word vectors, or mend this line",
            path,
            1,
        )
    return dim


def _collect(path: Path, file: BinaryIO, dim: int, *, first_line: int, begun: bytes = b"") -> Collected:
    collected = Collected(path, dim, lambda row: ("", first_line + row))
    for lines in _lines(path, file, begun):
        lines = [line.rstrip(b"\r ") for line in lines]
        rows = [
            (line.partition(b" ") if line.count(b" ") == dim else _split(collected, i, line))
            for i, line in enumerate(lines)
        ]
        try:
            numbers = parse_numbers(b" ".join([numbers for _, _, numbers in rows]))
        except ValueError:
            _raise_first(collected, [numbers for _, _, numbers in rows])
            raise
        collected.add([token for token, _, _ in rows], numbers.reshape(len(rows), dim))
    return collected


def _lines(path: Path, file: BinaryIO, begun: bytes) -> Iterator[list[bytes]]:
    """Yield the lines of a file without their ends, a block at a time."""
    while block := file.read(_BLOCK):
        *lines, begun = (begun + block).split(b"\n")
        if lines:
            yield lines
        if len(begun) > _LONGEST_ROW:
            raise InputError(f"a line is longer than {_LONGEST_ROW:,} bytes: this is no text of word vectors", path)
    if begun:
        yield begun.removesuffix(b"\n").split(b"\n")


def _split(collected: Collected, i: int, line: bytes) -> tuple[bytes, bytes, bytes]:
    """Return token, space and numbers of a line whose token may hold spaces."""
    dim, pieces = collected.dim, line.split(b" ")
    found = len(pieces) - 1
    if found < dim or (found > dim and _NUMBER.fullmatch(pieces[-dim - 1])):
        row = len(collected.tokens) + i
        problem = _TABS if b"\t" in line else f"found {found if line else 0}; mend this line, or the width in line 1"
        raise collected.error(row, f"expected a token and {dim} numbers, {problem}")
    if b"" in pieces[:-dim]:
        row = len(collected.tokens) + i
        raise collected.error(row, "a token begins or ends with a space, or holds two in a row: expected single spaces")
    return b" ".join(pieces[:-dim]), b" ", b" ".join(pieces[-dim:])


def _raise_first(collected: Collected, rows: list[bytes]) -> None:
    for i, numbers in enumerate(rows):
        try:
            parse_numbers(numbers)
        except ValueError as error:
            raise collected.error(len(collected.tokens) + i, str(error)) from error

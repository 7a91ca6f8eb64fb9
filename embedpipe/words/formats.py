"""Word vectors in the formats that other programs read: word2vec text and binary, GloVe text.

None of them has an escape for a space inside a token, so such a token is refused on writing. The four specials are not
written: their rows are zero and their names mean nothing elsewhere. Text is UTF-8, numbers keep all of float32.
"""

import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import InputError, OutputError
from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.table import WordVectors

__all__ = [
    "ForeignVectors",
    "read_glove",
    "read_word2vec_binary",
    "read_word2vec_text",
    "write_glove",
    "write_word2vec_binary",
    "write_word2vec_text",
]


class ForeignVectors(NamedTuple):
    """What such a file holds: tokens in file order and a float32 array of shape (len(tokens), dim), no counts."""

    tokens: list[str]
    vectors: NDArray[np.float32]


def write_word2vec_text(path: Path, words: WordVectors) -> None:
    """Write a header ``n dim`` and one line ``token x y ...`` per word, most frequent first.

    Raises
    ------
    OutputError
        If a token holds white space; nothing is written then.
    """
    rows = _rows(path, words)
    with _whole_file(path) as file:
        file.write(b"%d %d\n" % (len(words) - len(SPECIALS), words.dim))
        _write_lines(file, rows)


def write_glove(path: Path, words: WordVectors) -> None:
    """Write GloVe text: as `write_word2vec_text`, without the header."""
    rows = _rows(path, words)
    with _whole_file(path) as file:
        _write_lines(file, rows)


def write_word2vec_binary(path: Path, words: WordVectors) -> None:
    """Write a header ``n dim``, then per word its token, a space and little-endian float32 numbers."""
    rows = _rows(path, words)
    with _whole_file(path) as file:
        file.write(b"%d %d\n" % (len(words) - len(SPECIALS), words.dim))
        for token, row in rows:
            file.write(token.encode() + b" " + row.astype("<f4").tobytes() + b"\n")


def read_word2vec_text(path: Path) -> ForeignVectors:
    """Read word2vec text.

    Raises
    ------
    InputError
        With path and line: a missing header, a row of the wrong width, a number that is none or not finite, a token
        that stands twice, bytes that are not UTF-8, more or fewer rows than the header says.
    """
    with open(path, "rb") as file:
        n, dim = _header(path, file.readline(1_000))
        return _read_lines(path, file, first_line=2, dim=dim, n=n)


def read_glove(path: Path) -> ForeignVectors:
    """Read GloVe text; the first line says how wide a row is. Raises as `read_word2vec_text`."""
    with open(path, "rb") as file:
        return _read_lines(path, file, first_line=1, dim=None, n=None)


def read_word2vec_binary(path: Path) -> ForeignVectors:
    """Read word2vec binary, with or without line ends between entries.

    Raises
    ------
    InputError
        A missing header; with the number of the entry: a truncated or damaged entry, a number that is not finite, a
        token that stands twice, bytes that are not UTF-8.
    """
    with open(path, "rb") as file:
        n, dim = _header(path, file.readline(1_000))
        position, size = file.tell(), path.stat().st_size
        if size - position < n * (4 * dim + 2):
            raise InputError(f"truncated: {n:,} entries of {dim} numbers do not fit into {size:,} bytes", path)
        tokens, vectors = _Tokens(path), np.empty((n, dim), dtype=np.float32)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for entry in range(n):
                end = data.find(b" ", position, position + 10_000)
                if end < 0 or end + 1 + 4 * dim > size:
                    raise InputError(f"entry {entry + 1} of {n:,}: truncated or damaged", path)
                tokens.add(data[position:end].lstrip(b"\n"), f"entry {entry + 1}: ", None)
                position = end + 1 + 4 * dim
                vectors[entry] = np.frombuffer(data[end + 1 : position], dtype="<f4")
                if not np.isfinite(vectors[entry]).all():
                    raise InputError(f"entry {entry + 1} ('{tokens.list[-1]}'): a number is not finite", path)
    return ForeignVectors(tokens.list, vectors)


class _Tokens:
    """Tokens in file order, none twice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.list: list[str] = []
        self.seen: set[str] = set()

    def add(self, raw: bytes, where: str, line: int | None) -> None:
        try:
            token = raw.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{where}token {raw!r} is not UTF-8: {error.reason}", self.path, line) from error
        if not token or token in self.seen:
            problem = f"token '{token}' stands twice" if token else "a token is empty"
            raise InputError(f"{where}{problem}", self.path, line)
        self.seen.add(token)
        self.list.append(token)


def _rows(path: Path, words: WordVectors) -> Iterable[tuple[str, NDArray[np.float32]]]:
    tokens = words.vocabulary.tokens[len(SPECIALS) :]
    for token in tokens:
        if not token or any(c.isspace() for c in token):
            raise OutputError(
                f"{path}: token {token!r} is empty or holds white space, which this format cannot hold; "
                "the vectors in the bundle (safetensors) keep every token"
            )
    return zip(tokens, words.vectors[len(SPECIALS) :], strict=True)


def _write_lines(file: BinaryIO, rows: Iterable[tuple[str, NDArray[np.float32]]]) -> None:
    for token, row in rows:
        # Nine significant digits give back the same float32.
        file.write(f"{token} {' '.join(['%.9g'] * len(row)) % tuple(row.tolist())}\n".encode())


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """Write beside `path` and put the file there only when it is complete."""
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "wb") as file:
            yield file
        os.replace(partial, path)  # noqa: PTH105 - atomic on every system
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _header(path: Path, line: bytes) -> tuple[int, int]:
    parts = line.split()
    if len(parts) != 2 or not all(part.isdigit() for part in parts) or int(parts[1]) < 1:
        raise InputError("expected a word2vec header: two whole numbers, words and width (GloVe has none)", path, 1)
    return int(parts[0]), int(parts[1])


def _read_lines(
    path: Path, lines: Iterable[bytes], *, first_line: int, dim: int | None, n: int | None
) -> ForeignVectors:
    tokens, rows = _Tokens(path), []
    number = first_line - 1
    for number, line in enumerate(lines, first_line):
        token, *numbers = line.strip(b"\r\n ").split(b" ")
        if dim is None:
            dim = len(numbers)
            if dim == 0 or (dim == 1 and token.isdigit() and numbers[0].isdigit()):
                raise InputError("expected a token and its numbers (a word2vec header stands here?)", path, number)
        if len(numbers) != dim:
            raise InputError(f"expected a token and {dim} numbers, found {len(numbers)}", path, number)
        try:
            with np.errstate(over="ignore"):
                row = np.array([float(x) for x in numbers], dtype=np.float32)
        except ValueError as error:
            raise InputError(f"not a number: {error}", path, number) from error
        if not np.isfinite(row).all():
            raise InputError("a number is not finite", path, number)
        tokens.add(token, "", number)
        rows.append(row)
    if n is not None and len(rows) != n:
        raise InputError(f"the header says {n:,} words, the file holds {len(rows):,}", path, number)
    vectors = np.stack(rows) if rows else np.empty((0, dim or 0), dtype=np.float32)
    return ForeignVectors(tokens.list, vectors)

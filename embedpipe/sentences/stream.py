"""Lines to vectors in constant memory, from a file or standard input; needs no torch."""

import hashlib
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import InputError
from embedpipe.runtime import Listener, StageStarted, Step, silent
from embedpipe.sentences.resume import NOTHING, Done
from embedpipe.text.encodings import check_encoding, suggest_encoding
from embedpipe.text.read_bytes import open_bytes, stdin_bytes

__all__ = ["Chunk", "Encode", "encode_lines", "read_lines"]

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
_LINES_AT_ONCE = 4_096
_ESCAPED = re.compile("[\udc80-\udcff]")
"""What Python puts in the place of a byte that is not in the encoding (surrogateescape)."""


class Chunk(NamedTuple):
    """Texts, their vectors, float32 of shape (len(texts), dim), and what is done when they are written."""

    texts: list[str]
    vectors: NDArray[np.float32]
    done: Done


def read_lines(file: Path, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the lines of a file, which may be compressed, or of standard input where it is named ``-``.

    Raises
    ------
    InputError
        If there is no such file, or it is not text in the encoding; the message names the line.
    ConfigError
        If there is no such encoding.
    """
    check_encoding(encoding)
    shown = "<stdin>" if str(file) == "-" else file
    with _open(file) as source:
        lines = io.TextIOWrapper(source, encoding, "surrogateescape", newline="\n")
        try:
            for number, line in enumerate(lines, start=1):
                if not line.isascii() and (escaped := _ESCAPED.search(line)):
                    raise InputError(_undecodable(line, escaped.start(), encoding), shown, number)
                yield (line.removeprefix("\ufeff") if number == 1 else line).rstrip("\r\n")
        except (UnicodeDecodeError, UnicodeEncodeError) as error:
            raise InputError(f"not {encoding.upper()}: {error.reason}; name the right --encoding", shown) from error
        finally:
            lines.detach()  # else standard input is closed with it


def _undecodable(line: str, at: int, encoding: str) -> str:
    before, raw = (text.encode(encoding, "surrogateescape") for text in (line[:at], line.rstrip("\r\n") + "\n"))
    return f"not {encoding.upper()} at byte {len(before) + 1} of the line; {suggest_encoding(raw)}"


def encode_lines(
    lines: Iterator[str],
    encode: Encode,
    done: Done = NOTHING,
    listener: Listener = silent,
) -> Iterator[Chunk]:
    """Yield the lines with their vectors, a few thousand at a time.

    Parameters
    ----------
    encode : texts to vectors.
    done : lines at the beginning that were encoded before; they are read and compared, and not given again.
    listener : hears of inputs longer than one chunk.

    Raises
    ------
    InputError
        If the first lines are not those that `done` is of.

    Examples
    --------
    >>> (chunk,) = encode_lines(iter(["a", ""]), lambda texts: np.zeros((len(texts), 3), np.float32))
    >>> chunk.texts, chunk.vectors.shape, chunk.done.lines, chunk.done.empty, chunk.done.unknown
    (['a', ''], (2, 3), 2, 1, 1)
    """
    digest = _pass_over(lines, done)
    told = False
    while texts := list(islice(lines, _LINES_AT_ONCE)):
        vectors = encode(texts)
        _take(digest, texts)
        empty = sum(not text.strip() for text in texts)
        unknown = int((~vectors.any(axis=1)).sum()) - empty
        done = Done(done.lines + len(texts), done.empty + empty, done.unknown + unknown, digest.hexdigest())
        if told:
            listener(Step("encode", done.lines))
        elif len(texts) == _LINES_AT_ONCE:
            listener(StageStarted("encode", unit="lines"))
            told = True
        yield Chunk(texts, vectors, done)


def _pass_over(lines: Iterator[str], done: Done) -> "hashlib._Hash":
    """Read the lines that are done and return their hash, ready to take the others."""
    digest, left = hashlib.sha256(), done.lines
    while left and (texts := list(islice(lines, min(left, _LINES_AT_ONCE)))):
        _take(digest, texts)
        left -= len(texts)
    if left or (done.lines and digest.hexdigest() != done.digest):
        raise InputError(
            f"the first {done.lines:,} lines are not those that the interrupted run has encoded; give the same input, "
            "or delete its record to begin again"
        )
    return digest


def _take(digest: "hashlib._Hash", texts: list[str]) -> None:
    digest.update("".join(f"{text}\n" for text in texts).encode())


@contextmanager
def _open(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield stdin_bytes()
        return
    if file.is_dir():
        raise InputError("is a folder; name one text file with one text a line", file)
    if not file.exists():
        raise InputError("no such file; name a text file with one text a line, or - for stdin", file)
    if not file.is_file():
        raise InputError("is not a regular file; pipe it in and name the file -", file)
    with open_bytes(file, Counter()) as source:
        yield source

"""Lines to vectors in constant memory, from a file or standard input; needs no torch."""

import hashlib
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
from embedpipe.text.read_bytes import open_bytes, stdin_bytes

__all__ = ["Chunk", "Encode", "encode_lines", "read_lines"]

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
_LINES_AT_ONCE = 4_096


class Chunk(NamedTuple):
    """Texts, their vectors, float32 of shape (len(texts), dim), and what is done when they are written."""

    texts: list[str]
    vectors: NDArray[np.float32]
    done: Done


def read_lines(file: Path) -> Iterator[str]:
    """Yield the lines of a file, which may be compressed, or of standard input where it is named ``-``.

    Raises
    ------
    InputError
        If there is no such file, or it is not UTF-8 text; the message names the line.
    """
    with _open(file) as source:
        for number, line in enumerate(source, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                message = f"not UTF-8 at byte {error.start + 1} of the line; convert the file to UTF-8 first"
                raise InputError(message, file, number) from error
            yield text.rstrip("\r\n")


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

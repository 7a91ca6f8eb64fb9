"""The verb `encode`."""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast, get_args

import click
import numpy as np
from numpy.typing import NDArray

from embedpipe.cli.options import bundle_argument, named_path
from embedpipe.cli.output import render, say
from embedpipe.errors import InputError
from embedpipe.loading import load
from embedpipe.sentences.files import FileFormat, as_numbers, format_of, json_line, open_writer
from embedpipe.text.read_bytes import open_bytes, stdin_bytes

__all__ = ["command"]

_LINES_AT_ONCE = 4_096
_BINARY = ("npy", "parquet", "safetensors")


@click.command("encode")
@bundle_argument
@click.argument("file", default="-", type=named_path)
@click.option("-o", "--output", type=named_path, help="Where to write; - or nothing is stdout.")
@click.option(
    "--with",
    "with_",
    type=click.Choice(["sentences", "words"]),
    default="sentences",
    show_default=True,
    help="The trained sentence encoder, or the weighted average of word vectors.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([*get_args(FileFormat), "table", "json", "csv"]),
    help="Default: by the ending of the output; jsonl on stdout.",
)
def command(bundle: Path, file: Path, output: Path | None, with_: str, format_: str | None) -> None:
    """Encode FILE (or - for stdin; it may be compressed), one text a line, as one vector a line.

    A line without a known word gives a zero vector; how many did is said at the end.

    \b
    embedpipe encode wiki.bundle lines.txt -o vectors.npy
    echo "The cat sat." | embedpipe encode wiki.bundle --with words
    """
    to_stdout = output is None or str(output) == "-"
    if output is not None and not to_stdout:
        format_ = format_ or format_of(output)
        if format_ in ("table", "json", "csv"):
            raise click.UsageError(f"--format {format_} is for stdout; with -o use {', '.join(get_args(FileFormat))}")
    elif format_ in _BINARY and sys.stdout.isatty():
        raise click.UsageError(f"{format_} is binary and stdout is a terminal: name a file with -o")

    opened = load(bundle)
    encoder = opened.bag_encoder if with_ == "words" else opened.encoder
    counts = _Counts()
    chunks = _encoded(_lines(file), encoder.encode, counts)
    if output is not None and not to_stdout:
        _to_file(chunks, output, cast("FileFormat", format_), encoder.dim)
    elif format_ in _BINARY:
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / "vectors"
            _to_file(chunks, whole, cast("FileFormat", format_), encoder.dim)
            with open(whole, "rb") as written:
                shutil.copyfileobj(written, sys.stdout.buffer)
    else:
        _to_terminal(chunks, format_ or "jsonl")
    say(counts.summary())


@dataclass
class _Counts:
    lines: int = 0
    empty: int = 0
    unknown: int = 0

    def summary(self) -> str:
        zero = self.empty + self.unknown
        why = f": {self.empty:,} empty, {self.unknown:,} without a known word" if zero else ""
        return f"{_counted(self.lines, 'line')} encoded, {_counted(zero, 'zero vector')}{why}"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


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


def _encoded(
    lines: Iterator[str],
    encode: Callable[[Sequence[str]], NDArray[np.float32]],
    counts: _Counts,
) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    while texts := list(islice(lines, _LINES_AT_ONCE)):
        vectors = encode(texts)
        zero = ~vectors.any(axis=1)
        empty = sum(not text.strip() for text in texts)
        counts.lines += len(texts)
        counts.empty += empty
        counts.unknown += int(zero.sum()) - empty
        yield texts, vectors


def _lines(file: Path) -> Iterator[str]:
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


def _to_file(
    chunks: Iterator[tuple[list[str], NDArray[np.float32]]], path: Path, format_: FileFormat, dim: int
) -> None:
    with open_writer(path, format_, dim) as writer:
        for texts, vectors in chunks:
            writer.write(texts, vectors)


def _to_terminal(chunks: Iterator[tuple[list[str], NDArray[np.float32]]], format_: str) -> None:
    rows: list[dict[str, object]] = []
    for texts, vectors in chunks:
        for text, vector in zip(texts, vectors, strict=True):
            if format_ == "jsonl":
                print(json_line(text, vector))
            elif format_ == "json":
                rows.append({"text": text, "vector": as_numbers(vector)})
            elif format_ == "csv":
                rows.append({"text": text, "vector": " ".join(f"{x:.9g}" for x in vector.tolist())})
            else:
                rows.append({"text": text[:60], "vector": " ".join(f"{x:+.3f}" for x in vector[:6].tolist()) + " …"})
    if format_ != "jsonl":
        render(rows, format_, ["text", "vector"])

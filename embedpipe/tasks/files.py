"""Task files: tab-separated rows under a header that says what they are, or the Google analogy format."""

import gzip
import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from embedpipe.errors import InputError
from embedpipe.tasks.associations import read_associations
from embedpipe.tasks.shapes import (
    Analogies,
    Classification,
    Inference,
    Quadruple,
    SentenceSimilarity,
    Task,
    WordSimilarity,
)
from embedpipe.tasks.word_sets import read_categories, read_outliers, read_relations
from embedpipe.text.read_types import did_you_mean

__all__ = [
    "HEADERS",
    "Line",
    "first_columns",
    "known_header",
    "read_analogies",
    "read_every_line",
    "read_lines",
    "read_task",
    "read_word_similarity",
    "split_rows",
    "unknown_header",
]

Line = tuple[int, str]
"""A 1-based line number and the line without its end."""


def read_task(path: str | Path) -> Task:
    """Return the task in a file; its first line says what it is.

    ================================== =====================================================
    header (tab-separated)              task
    ================================== =====================================================
    ``word_a word_b score``             `WordSimilarity`
    ``: section``                       `Analogies`, four words a line (the Google format)
    ``word category``                   `Categories`
    ``set word outlier``                `Outliers`; the last column is ``yes`` or ``no``
    ``word_a relation word_b``          `Relations` from a concept to its words
    ``set word``                        `Associations`, two sets of targets and two of attributes
    ``score text_a text_b``             `SentenceSimilarity`
    ``score text_a text_b source``      the same, with figures for each source
    ``label text``                      `Classification`
    ``label text_a text_b``             `Inference`
    ================================== =====================================================

    A file that ends in ``.gz`` is decompressed. Lines that are quite empty are passed over. The name of the task is
    the name of the file up to its first dot.

    Raises
    ------
    InputError
        For a file that cannot be read as UTF-8 text, an unknown header, a row with the wrong number of columns, a
        score that is no number, an empty cell, or no rows at all; with path and line.
    """
    path = Path(path)
    lines = read_lines(path)
    name = path.name.split(".")[0]
    if not lines:
        raise InputError(f"the file is empty; a task begins with one of the headers {_known()}", path)
    first, header = lines[0]
    if header.startswith(":"):
        return read_analogies(name, path, lines)
    if tuple(header.split()) == _ANALOGY_HEADER:
        return read_analogies(name, path, lines[1:])
    columns = tuple(column.strip() for column in header.split("\t"))
    if columns not in HEADERS:
        raise InputError(unknown_header(header, HEADERS, f"Known headers, tab-separated: {_known()}"), path, first)
    rows = split_rows(path, lines[1:], columns)
    return HEADERS[columns](name, path, rows)


def known_header(path: Path) -> tuple[str, ...] | None:
    """Return the header that a file begins with, if it is that of a task, whatever stands below it; else None."""
    columns = first_columns(path)
    if columns and (columns[0].startswith(":") or tuple(" ".join(columns).split()) == _ANALOGY_HEADER):
        return _ANALOGY_HEADER
    return columns if columns in HEADERS else None


def first_columns(path: Path) -> tuple[str, ...] | None:
    """Return the tab-separated cells of the first line that is not empty, None for a file that cannot be read."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            first = next((line for line in file if line.strip()), b"")
    except (OSError, EOFError, zlib.error):
        return None
    header = first.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    return tuple(column.strip() for column in header.split("\t"))


def read_lines(path: Path, encoding: str = "utf-8") -> list[Line]:
    """Return the non-empty lines of a text file, plain or ``.gz``, each with its number."""
    return [(number, line) for number, line in read_every_line(path, encoding) if line.strip()]


def read_every_line(path: Path, encoding: str = "utf-8") -> list[Line]:
    """Return all lines of a text file, plain or ``.gz``, each with its number; a line end at the end ends the last."""
    lines = []
    for number, raw in enumerate(
        _content(path).removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n").split(b"\n"), start=1
    ):
        if b"\0" in raw:
            raise InputError("a NUL byte: this is no text file", path, number)
        try:
            line = raw.decode(encoding).rstrip("\r")
        except UnicodeDecodeError as error:
            raise InputError(
                f"byte {error.start + 1} of the line is not UTF-8; save the file as UTF-8", path, number
            ) from error
        lines.append((number, line))
    return lines


def _content(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            "no such file; name a text file of rows under a header, such as: label<TAB>text", path
        ) from error
    except IsADirectoryError as error:
        raise InputError("is a folder; a task is one file: name one", path) from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", path) from error


def read_analogies(name: str, path: Path, lines: Sequence[Line]) -> Analogies:
    """Return the analogies in `lines`: ``: section`` lines, then four words a line."""
    sections: dict[str, list[Quadruple]] = {}
    section = name
    for number, line in lines:
        if line.startswith(":"):
            section = line[1:].strip() or name
            continue
        words = line.split()
        if len(words) != 4:
            raise InputError(f"expected four words (a b c d), found {len(words)}", path, number)
        sections.setdefault(section, []).append((words[0], words[1], words[2], words[3]))
    if not sections:
        raise InputError("no questions: expected lines of four words under ': section' lines", path)
    return Analogies(name, sections)


def read_word_similarity(name: str, path: Path, rows: Sequence[tuple[int, list[str]]]) -> WordSimilarity:
    """Return the word similarity task in rows of ``word_a, word_b, score``."""
    scores = np.array([_score(path, number, row[2]) for number, row in rows])
    return WordSimilarity(name, [(row[0].strip(), row[1].strip()) for _, row in rows], scores)


def _sentence_similarity(name: str, path: Path, rows: Sequence[tuple[int, list[str]]]) -> SentenceSimilarity:
    scores = np.array([_score(path, number, row[0]) for number, row in rows])
    sources = [row[3].strip() for _, row in rows] if len(rows[0][1]) > 3 else None
    return SentenceSimilarity(name, [row[1] for _, row in rows], [row[2] for _, row in rows], scores, sources)


def _classification(name: str, path: Path, rows: Sequence[tuple[int, list[str]]]) -> Classification:
    return Classification(name, _labels(path, rows), [row[1] for _, row in rows])


def _inference(name: str, path: Path, rows: Sequence[tuple[int, list[str]]]) -> Inference:
    return Inference(name, _labels(path, rows), [row[1] for _, row in rows], [row[2] for _, row in rows])


HEADERS: dict[tuple[str, ...], Callable[[str, Path, Sequence[tuple[int, list[str]]]], Task]] = {
    ("word_a", "word_b", "score"): read_word_similarity,
    ("word", "category"): read_categories,
    ("set", "word", "outlier"): read_outliers,
    ("word_a", "relation", "word_b"): read_relations,
    ("score", "text_a", "text_b"): _sentence_similarity,
    ("score", "text_a", "text_b", "source"): _sentence_similarity,
    ("label", "text"): _classification,
    ("label", "text_a", "text_b"): _inference,
    ("set", "word"): read_associations,
}
_ANALOGY_HEADER = ("word_a", "word_b", "word_c", "word_d")


def split_rows(
    path: Path, lines: Sequence[Line], columns: Sequence[str], *, empty: bool = False
) -> list[tuple[int, list[str]]]:
    """Return the cells of tab-separated lines, each row with its line number; `empty` allows cells without text.

    Raises
    ------
    InputError
        For a row with another number of cells than there are `columns`, an empty cell, or no rows at all.
    """
    rows = []
    for number, line in lines:
        row = line.split("\t")
        if len(row) != len(columns):
            raise InputError(
                f"expected {len(columns)} tab-separated columns ({', '.join(columns)}), found {len(row)}",
                path,
                number,
            )
        for column, cell in zip(columns, row, strict=True):
            if not (empty or cell.strip()):
                raise InputError(f"the column {column} is empty", path, number)
        rows.append((number, row))
    if not rows:
        raise InputError(f"no rows under the header '{' '.join(columns)}'", path)
    return rows


def _score(path: Path, number: int, text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise InputError(f"the score '{text}' is not a finite number", path, number)
    return score


def _labels(path: Path, rows: Sequence[tuple[int, list[str]]]) -> list[str]:
    labels = [row[0].strip() for _, row in rows]
    if len(set(labels)) == 1:
        raise InputError(f"every row has the label '{labels[0]}'; a task needs two labels at least", path)
    return labels


def _known() -> str:
    return "; ".join([*(" ".join(columns) for columns in HEADERS), ": section"])


def _plain(header: str) -> str:
    """Return the columns of a header, whatever stands between them."""
    return " ".join(header.replace(",", " ").replace(";", " ").split())


def unknown_header(header: str, headers: Iterable[tuple[str, ...]], expected: str) -> str:
    """Return what to say of a header that is none of `headers`, which `expected` tells in words."""
    known = [" ".join(columns) for columns in headers]
    plain = _plain(header)
    if plain in known:
        return f"the columns of the header '{header}' must be separated by tabs"
    hint = did_you_mean(plain.lower(), known) or "."
    shown = plain if len(plain) <= 60 else plain[:57] + "..."
    return f"unknown header '{shown}'{hint} {expected}"

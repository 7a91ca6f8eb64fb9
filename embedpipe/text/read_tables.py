"""One named field of JSON lines, CSV, TSV or Parquet to documents, a row each."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Literal

from embedpipe.errors import InputError, MissingExtraError
from embedpipe.text.read_bytes import text_lines
from embedpipe.text.read_types import Document, ReadOptions, did_you_mean

__all__ = ["csv_documents", "field_text", "jsonl_documents", "parquet_documents", "tsv_documents"]

_BATCH_ROWS = 1024
_LONGEST_FIELD = 2**31 - 1
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars (|)"}
_TEXT_FIELDS = ("text", "content", "sentence", "body")


def jsonl_documents(path: Path, field: str, options: ReadOptions, origin: str) -> Iterator[Document]:
    """Yield the texts under `field`, one JSON object per line; see `field_text` for what a value may be."""
    for number, line in enumerate(text_lines(path, options), start=1):
        if not line or line.isspace():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"is not JSON ({error}); expected one object per line", path, number) from error
        if not isinstance(row, dict):
            raise InputError(f"holds {type(row).__name__}, expected a JSON object per line", path, number)
        text = field_text(row, field, options, origin, number)
        if text:
            yield Document(text, f"{origin}:{number}")


def field_text(row: dict[str, Any], field: str, options: ReadOptions, origin: str, number: int) -> str:
    """Return the text under `field`: a string, a list of strings joined by line ends, or ``""`` for null (counted).

    Raises
    ------
    InputError
        If the row has no such field (names the fields that there are), or it holds something else.
    """
    if not field:
        raise InputError(f"say which field holds the text: {_example(origin, row)}", origin)
    if field not in row:
        raise InputError(_no_such("field", field, row), origin, number)
    value = row[field]
    if value is None:
        options.skipped["rows without text"] += 1
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    if not isinstance(value, str):
        raise InputError(f"field '{field}' holds {type(value).__name__}, expected text", origin, number)
    return value


def csv_documents(path: Path, column: str, options: ReadOptions, origin: str) -> Iterator[Document]:
    """Yield the texts of one column of a CSV file with its quoting rules; the first row names the columns.

    Where a comma separates nothing in the first row and a semicolon, a tab or a bar does, columns are separated by
    that, and `options.notes` says so.
    """
    return _column(path, column, options, origin, separators=",;\t|", quoting=csv.QUOTE_MINIMAL)


def tsv_documents(path: Path, column: str, options: ReadOptions, origin: str) -> Iterator[Document]:
    """Yield the texts of one column of a TSV file; the first row names the columns.

    There are no quoting rules: a tab ends a field and ``"`` is an ordinary character, because the tables of this
    field hold lone quotation marks, which quoting rules would run across rows.
    """
    return _column(path, column, options, origin, separators="\t", quoting=csv.QUOTE_NONE)


def parquet_documents(path: Path, column: str, options: ReadOptions, origin: str) -> Iterator[Document]:
    """Yield the texts of one column of a Parquet file, a batch of rows in memory at a time.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    InputError
        If the file is not Parquet, or the column is missing or does not hold text.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet") from error
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if not column:
                batch = next(file.iter_batches(batch_size=1), None)
                first = batch.to_pylist()[0] if batch else dict.fromkeys(names)
                raise InputError(f"say which column holds the text: {_example(origin, first)}", path)
            if column not in names:
                raise InputError(_no_such("column", column, names), path)
            kind = file.schema_arrow.field(column).type
            value_kind = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
            if not _is_text(pyarrow, value_kind):
                raise InputError(f"column '{column}' holds {kind}, expected text", path)
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=[column]):
                for text in batch.column(0).to_pylist():
                    number += 1
                    if text is None:
                        options.skipped["rows without text"] += 1
                    elif text:
                        yield Document(text, f"{origin}:{number}")
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"cannot be read as Parquet: {error}", path) from error


def _column(
    path: Path, column: str, options: ReadOptions, origin: str, *, separators: str, quoting: Literal[0, 3]
) -> Iterator[Document]:
    # The library's limit of 131,072 characters holds for the whole process; a document may be longer.
    csv.field_size_limit(_LONGEST_FIELD)
    lines = (line + "\n" for line in text_lines(path, options))
    first_line = next(lines, "")
    separator = _separator(first_line, column, separators)
    if separator != separators[0]:
        options.notes.append(f"{path}: columns are separated by {_SEPARATORS[separator]}")
    rows = csv.reader(chain([first_line], lines), delimiter=separator, quoting=quoting, strict=True)
    try:
        header = _names(next(rows, []))
        if not header:
            return
        if not column:
            first = dict(zip_longest(header, next(rows, [])[: len(header)], fillvalue=""))
            raise InputError(f"say which column holds the text: {_example(origin, first)}", path)
        if column not in header:
            raise InputError(_no_such("column", column, header), path, 1)
        at = header.index(column)
        for row in rows:
            if not row:
                continue
            if len(row) <= at:
                raise InputError(f"has {len(row)} columns, expected {len(header)}", path, rows.line_num)
            if row[at]:
                yield Document(row[at], f"{origin}:{rows.line_num}")
    except csv.Error as error:
        raise InputError(f"is not well-formed: {error}", path, rows.line_num) from error


def _separator(line: str, column: str, separators: str) -> str:
    """Return the first of `separators` where the header has several columns by it, or the wanted one, or by no other.

    >>> [_separator(line, "text", ",;|") for line in ("id;text", "text;id|text", "id,a;text", "text", "id|a;b")]
    [';', ';', ',', ',', ';']
    """
    headers = {one: _names(next(csv.reader([line], delimiter=one), [])) for one in separators}
    usual = headers.pop(separators[0])
    if len(usual) > 1 or column in usual:
        return separators[0]
    several = [one for one, names in headers.items() if len(names) > 1]
    return next((one for one in several if column in headers[one]), (*several, separators[0])[0])


def _names(row: list[str]) -> list[str]:
    return [name.strip() for name in row]


def _is_text(pyarrow: Any, kind: Any) -> bool:
    types = pyarrow.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _no_such(kind: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    return f"has no {kind} '{name}'; {kind}s here are {', '.join(names)}{did_you_mean(name, names)}"


def _example(origin: str, row: Mapping[str, object]) -> str:
    """Return the source with the field that most likely holds the text, judged by one row."""
    texts = {name: value for name, value in row.items() if isinstance(value, str)}
    longest = max(texts, key=lambda name: len(texts[name]), default="FIELD")
    guess = next((name for name in _TEXT_FIELDS if name in texts), longest)
    return f"{origin}#{guess} (here are {', '.join(row) or 'none'})"

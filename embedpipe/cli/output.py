"""Rows to stdout as a table, JSON, JSON lines or CSV; everything else goes to stderr."""

import csv
import json
import math
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from embedpipe.plain import plain

__all__ = ["display_width", "render", "render_object", "render_values", "say", "table"]


def say(message: str) -> None:
    """Write one line to stderr."""
    print(message, file=sys.stderr, flush=True)


def render(
    rows: Sequence[Mapping[str, object]], format_: str, columns: Sequence[str] | None = None, *, header: bool = True
) -> None:
    """Write `rows` to stdout.

    Parameters
    ----------
    rows : one mapping per row; missing keys are empty.
    format_ : ``table``, ``json`` (one list), ``jsonl`` or ``csv`` (with a header).
    columns : which keys to show and in which order; default: those of the first row.
        JSON and JSON lines always hold all keys. Numbers that are not finite become null, and empty in CSV.
    header : of CSV; False where the rows go on from others.
    """
    columns = list(columns or (rows[0] if rows else ()))
    if format_ == "table":
        table(columns, [[row.get(column) for column in columns] for row in rows])
        return
    rows = plain(rows)
    if format_ == "json":
        print(json.dumps(rows, ensure_ascii=False, indent=1, allow_nan=False))
    elif format_ == "jsonl":
        for row in rows:
            print(json.dumps(row, ensure_ascii=False, allow_nan=False))
    else:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        if header:
            writer.writerow(columns)
        writer.writerows([["" if row.get(c) is None else row[c] for c in columns] for row in rows])


def render_object(content: Mapping[str, object]) -> None:
    """Write one JSON object to stdout; its numbers are finite or None."""
    print(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False))


def render_values(content: Mapping[str, object], format_: str) -> None:
    """Write one object, in JSON as it is, in JSON lines and CSV one value a line.

    Such a line holds `what`, the place of the value in the object, as in ``words.0.count``, and `is`, the value.
    """
    if format_ == "json":
        render_object(content)
    else:
        render([{"what": name, "is": value} for name, value in _values(content)], format_)


def _values(content: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield each single value with the path that leads to it."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _values(value, f"{name}.{key}" if name else key)
    elif isinstance(content, list):
        for i, value in enumerate(content):
            yield from _values(value, f"{name}.{i}")
    else:
        yield name, content


def table(columns: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    """Write aligned columns to stdout, those that hold only numbers to the right; None is ``-``."""
    cells = [[_cell(value) for value in line] for line in lines]
    numeric = [
        bool(lines) and all(isinstance(line[i], int | float | None) for line in lines) for i in range(len(columns))
    ]
    widths = [
        max(display_width(column), *(display_width(line[i]) for line in cells)) if cells else display_width(column)
        for i, column in enumerate(columns)
    ]
    for line in [list(columns), *cells]:
        padded = (
            " " * (width - display_width(text)) + text if right else text + " " * (width - display_width(text))
            for text, width, right in zip(line, widths, numeric, strict=True)
        )
        print("  ".join(padded).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if math.isfinite(value) else "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value).replace("\n", " ")


def display_width(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text if not unicodedata.combining(c))

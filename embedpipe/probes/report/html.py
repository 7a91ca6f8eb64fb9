"""The pieces of HTML that the report is built of; every one escapes what it is given."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from embedpipe.probes.report.content import figure, named_figures

__all__ = ["Cell", "bar", "cell", "details", "facts", "number", "paragraph", "section", "slug", "table"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: its HTML, and the number that it is sorted by; NaN is sorted last, None sorts by the text."""

    html: str
    key: float | None = None


def cell(text: str) -> Cell:
    """Return a cell of text.

    >>> cell("a < b").html
    'a &lt; b'
    """
    return Cell(escape(text) or "–")


def number(value: float, shown: str | None = None) -> Cell:
    """Return a cell of a number, shown as `figure` does or as `shown`."""
    return Cell(escape(figure(value) if shown is None else shown), float(value))


def section(title: str, *parts: str) -> str:
    """Return a section with a heading, which its name leads to; nothing where all parts are empty."""
    body = "".join(parts)
    if not body:
        return ""
    name = slug(title)
    return f'<section id="{name}" aria-labelledby="{name}-h"><h2 id="{name}-h">{escape(title)}</h2>{body}</section>\n'


def paragraph(text: str, *, of: str = "") -> str:
    """Return a paragraph of plain text, of a class."""
    return f"<p{f' class={of}' if of else ''}>{escape(text)}</p>" if text else ""


def details(title: str, *parts: str) -> str:
    """Return what stays folded until it is asked for; nothing where all parts are empty."""
    body = "".join(parts)
    return f"<details><summary>{escape(title)}</summary>{body}</details>" if body else ""


def slug(title: str) -> str:
    """Return a title as a name for links.

    >>> slug("Nearest words (10)")
    'nearest-words-10'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "part"


def facts(found: Mapping[str, Any]) -> str:
    """Return names and values as a list; a value may be a mapping or a sequence of numbers."""
    lines = []
    for key, value in found.items():
        if isinstance(value, Mapping):
            shown = named_figures(value)
        elif isinstance(value, list | tuple):
            shown = ", ".join(figure(item) for item in value)
        else:
            shown = figure(value)
        lines.append(f"<dt>{escape(str(key).replace('_', ' '))}</dt><dd>{escape(shown) or '–'}</dd>")
    return f"<dl>{''.join(lines)}</dl>" if lines else ""


def table(
    caption: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    narrow: Literal["", "stacked", "scrolls"] = "",
) -> str:
    """Return a table whose columns sort by a button each; the first cell of a row names it.

    Parameters
    ----------
    caption : above the table.
    columns : names of the columns.
    rows : a cell for each column.
    narrow : on a narrow screen each row of ``stacked`` is a card, and a table that ``scrolls`` says so and keeps its
        first column in sight; any table scrolls within itself, by touch and by keyboard, where it has to.
    """
    if not rows:
        return ""
    numeric = [any(row[place].key is not None for row in rows) for place in range(len(columns))]
    head = "".join(
        f'<th scope="col"{" class=n" if is_number else ""}><button type="button">{escape(name)}</button></th>'
        for name, is_number in zip(columns, numeric, strict=True)
    )
    names = columns if narrow == "stacked" else [""] * len(columns)
    body = "".join(f"<tr>{''.join(map(_cell, row, names, range(len(names))))}</tr>" for row in rows)
    name, kind = escape(caption), f"scroll {narrow}".rstrip()
    return (
        f'<div class="{kind}" role="region" aria-label="{name}" tabindex="0"><table><caption>{name}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(one: Cell, column: str, place: int) -> str:
    kind = ' class="n"' if one.key is not None else ""
    key = "" if one.key is None else f' data-value="{one.key:.8g}"' if math.isfinite(one.key) else ' data-value=""'
    if place == 0:
        return f'<th scope="row"{kind}{key}>{one.html}</th>'
    head = f' data-head="{escape(column)}"' if column else ""
    return f"<td{kind}{key}{head}>{one.html}</td>"


def bar(low: float, high: float, *, tick: float = math.nan, span: tuple[float, float] = (0.0, 1.0)) -> str:
    """Return an interval as a bar over `span`, with a tick; the numbers stand beside it, so readers pass it over.

    >>> bar(0.25, 0.5, tick=0.1)
    '<span class=bar aria-hidden=true><b style="left:25.0%;width:25.0%"></b><i style="left:10.0%"></i></span>'
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    first, last = (_share(value, span) for value in (low, high))
    at = f'<i style="left:{_share(tick, span):.1f}%"></i>' if math.isfinite(tick) else ""
    return (
        f'<span class=bar aria-hidden=true><b style="left:{first:.1f}%;width:{max(last - first, 1.0):.1f}%"></b>{at}'
        "</span>"
    )


def _share(value: float, span: tuple[float, float]) -> float:
    return 100 * (min(max(value, span[0]), span[1]) - span[0]) / (span[1] - span[0])

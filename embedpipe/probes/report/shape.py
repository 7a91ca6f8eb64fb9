"""The shape of the spaces: a table for words, one for sentences, each measure with what it says."""

import math
from collections.abc import Mapping
from html import escape

from embedpipe.probes.report.content import figure, minus
from embedpipe.probes.report.html import Cell, number, paragraph, section, table
from embedpipe.probes.spaces.geometry import COUNTS, MEANING
from embedpipe.probes.spaces.spaces import SENTENCES, WORDS

__all__ = ["geometry_section", "geometry_value", "space_name"]

_STABILITY = "neighbour stability"
_ENDS = (", low", ", high")
_OF_WORDS = (
    "Of words: as published is after post-processing, as trained before it (as trained beside: the second "
    "training, where two were joined); random vectors are what a space without any shape gives."
)
_ONE_RUN = (
    "Whether neighbours come back in another training (neighbour stability) is known where words were trained several "
    "times: embedpipe run --runs 3."
)


def geometry_section(geometry: Mapping[str, Mapping[str, float]]) -> str:
    """Return the facts on the shape of the spaces, those of words and those of sentences, one column for each space."""
    sentences = {name: facts for name, facts in geometry.items() if name.startswith(SENTENCES)}
    words = {name: facts for name, facts in geometry.items() if name not in sentences}
    return section(
        "Geometry",
        paragraph(_OF_WORDS if words else ""),
        _table("The spaces of words", words),
        paragraph(_ONE_RUN if WORDS in words and _STABILITY not in words[WORDS] else "", of="notes"),
        _table("The spaces of sentences", sentences),
        paragraph(_few(sentences.get(SENTENCES, {})), of="notes"),
    )


def space_name(name: str) -> str:
    """Return the name of a space among those of its kind.

    >>> [space_name(name) for name in ("words", "words, as trained", "sentences", "sentences, SIF average")]
    ['as published', 'as trained', 'encoder', 'SIF average']
    """
    return {WORDS: "as published", SENTENCES: "encoder"}.get(name) or name.partition(", ")[2] or name


def geometry_value(name: str, value: float) -> str:
    """Return one fact as people read it: counts without decimals, large figures with one.

    >>> [geometry_value("vectors", 20000.0), geometry_value("dimensions used", 126.71), geometry_value("hubness", -0.0)]
    ['20,000', '126.7', '0.000']
    """
    if not math.isfinite(value):
        return "–"
    if name in COUNTS:
        return f"{value:,.0f}"
    return minus(f"{value:,.1f}") if abs(value) >= 10 else figure(value)


def _table(caption: str, spaces: Mapping[str, Mapping[str, float]]) -> str:
    found = dict.fromkeys(name for facts in spaces.values() for name in facts if not name.endswith(_ENDS))
    rows = [[_measure(name), *(_value(name, facts) for facts in spaces.values())] for name in found]
    return table(caption, ["measure", *map(space_name, spaces)], rows, narrow="stacked")


def _measure(name: str) -> Cell:
    said = f"<small>{escape(MEANING[name])}</small>" if name in MEANING else ""
    return Cell(f"{escape(name.replace('_', ' '))}{said}")


def _value(name: str, facts: Mapping[str, float]) -> Cell:
    value = facts.get(name, math.nan)
    low, high = (facts.get(f"{name}{end}", math.nan) for end in _ENDS)
    if not math.isfinite(low + high):
        return number(value, geometry_value(name, value))
    ends = f"{geometry_value(name, low)} to {geometry_value(name, high)}"
    return Cell(f"{geometry_value(name, value)}<small>{ends}</small>", value)


def _few(sentences: Mapping[str, float]) -> str:
    n, dim = (sentences.get(name, math.nan) for name in ("vectors", "dimensions"))
    if not n < dim:
        return ""
    return (
        f"These {n:,.0f} sentences are fewer than the {dim:,.0f} dimensions of the encoder, so they cannot use all of "
        "them: compare with as many random vectors, not with 1."
    )

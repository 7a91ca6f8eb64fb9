"""How a comparison of two words is written: as one object, as rows, or as short tables."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from embedpipe.cli.evidence import context_object
from embedpipe.cli.output import display_width, table

if TYPE_CHECKING:
    from embedpipe.words.explain import Comparison, Evidence

__all__ = ["Seen", "as_object", "as_rows", "show"]

_NGRAMS = 12
"""Shared n-grams that the table shows; the other formats hold all."""

Spelled = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a text shows of two words; a line is what stands left of the word, the word, and what stands right of it.

    Parameters
    ----------
    text : where it was found.
    window : places to each side that count as context.
    occurrences : of both words in the text.
    together : how often one stands in the window of the other.
    """

    text: str
    window: int
    occurrences: tuple[int, int]
    together: int
    shared: "list[Evidence]"
    only_a: "list[Evidence]"
    only_b: "list[Evidence]"
    lines_a: list[Spelled]
    lines_b: list[Spelled]
    lines_together: list[Spelled]


def _facts(found: "Comparison") -> list[tuple[str, object, object]]:
    """Return what the bundle knows of each word: a name, and the value for both."""
    a, b = found.words
    return [
        ("source", a.found.source, b.found.source),
        ("confidence", _rounded(a.found.confidence, 6), _rounded(b.found.confidence, 6)),
        ("count", a.count, b.count),
        ("per million", _rounded(a.per_million, 3), _rounded(b.per_million, 3)),
        ("neighbour rank", a.place, b.place),
        ("stability", a.stability, b.stability),
        ("hubness", a.hubness, b.hubness),
    ]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def as_object(found: "Comparison", seen: Seen | None) -> dict[str, object]:
    """Return the comparison as one JSON object."""
    facts = _facts(found)
    words = [
        {"word": word.word, "asked": word.found.word, **{name.replace(" ", "_"): values[i] for name, *values in facts}}
        for i, word in enumerate(found.words)
    ]
    hubs = found.hubness
    return {
        "similarity": round(found.similarity, 6),
        "words": words,
        "hubness": {"k": hubs.k, "sample": hubs.sample, "expected": round(hubs.expected, 4)},
        "shared_ngrams": {"share": round(found.ngram_share, 4), "ngrams": found.ngrams},
        "text": None if seen is None else _seen_object(seen),
    }


def _seen_object(seen: Seen) -> dict[str, object]:
    return {
        "name": seen.text,
        "window": seen.window,
        "occurrences": list(seen.occurrences),
        "together": seen.together,
        **{
            name: [context_object(evidence) for evidence in contexts]
            for name, contexts in (
                ("shared_contexts", seen.shared),
                ("contexts_of_a", seen.only_a),
                ("contexts_of_b", seen.only_b),
            )
        },
        **{
            name: [dict(zip(("left", "word", "right"), line, strict=True)) for line in lines]
            for name, lines in (
                ("lines_of_a", seen.lines_a),
                ("lines_of_b", seen.lines_b),
                ("lines_of_both", seen.lines_together),
            )
        },
    }


def as_rows(found: "Comparison", seen: Seen | None) -> list[dict[str, object]]:
    """Return the comparison as rows: a section, what the row is of, and its numbers for the two words."""
    a, b = (word.word for word in found.words)
    rows = [
        _row("words", "word", a, b),
        _row("words", "similarity", *[round(found.similarity, 6)] * 2),
        *(_row("words", *fact) for fact in _facts(found)),
        _row("words", "hubness expected", *[round(found.hubness.expected, 4)] * 2),
        *(_row("shared n-gram", gram) for gram in found.ngrams),
    ]
    if seen is None:
        return rows
    rows += [_row("text", "occurrences", *seen.occurrences), _row("text", "together", *[seen.together] * 2)]
    for name, contexts in (
        ("shared context", seen.shared),
        ("context of a", seen.only_a),
        ("context of b", seen.only_b),
    ):
        rows += [_row(name, e.context, *e.counts, *(round(x, 4) for x in e.pmi)) for e in contexts]
    for name, lines in (
        ("line of a", seen.lines_a),
        ("line of b", seen.lines_b),
        ("line of both", seen.lines_together),
    ):
        rows += [_row(name, f"{left} [{word}] {right}".strip()) for left, word, right in lines]
    return rows


def _row(
    section: str, what: str, a: object = None, b: object = None, pmi_a: object = None, pmi_b: object = None
) -> dict[str, object]:
    return {"section": section, "what": what, "a": a, "b": b, "pmi a": pmi_a, "pmi b": pmi_b}


def show(found: "Comparison", seen: Seen | None) -> None:
    """Write the comparison to stdout as short tables under headings, lines as wide as the terminal."""
    a, b = (word.word for word in found.words)
    hubs = found.hubness
    print(f"{a} and {b}: similarity {found.similarity:.3f}\n")
    plain = all(word.found.source == "vocabulary" for word in found.words)
    facts = _facts(found)[2:] if plain else _facts(found)
    table(("", a, b), [fact for fact in facts if fact[1:] != (None, None)])
    print(
        f"(neighbour rank: its place among the neighbours of the other; hubness: of how many of {hubs.sample:,} words "
        f"it is one of the {hubs.k} nearest, {hubs.expected:.2f} expected)"
    )
    grams = " ".join(found.ngrams[:_NGRAMS]) + (" …" if len(found.ngrams) > _NGRAMS else "")
    print(f"\nshared n-grams: {grams or 'none'} ({found.ngram_share:.1%} of all)")
    if seen is not None:
        _show_contexts(a, b, seen)
        _show_lines(a, seen.lines_a)
        _show_lines(b, seen.lines_b)
        _show_lines(f"{a} within {seen.window} words of {b}: {seen.together:,} times", seen.lines_together)


def _show_contexts(a: str, b: str, seen: Seen) -> None:
    print(f"\ncontexts of both, within {seen.window} words, most telling first (smaller discounted PMI)")
    table(
        ("context", a, "PMI", b, "PMI"),
        [[e.context, e.counts[0], e.pmi[0], e.counts[1], e.pmi[1]] for e in seen.shared],
    )
    print("\ncontexts of one alone")
    table(
        (f"with {a}", a, b, f"with {b}", a, b),
        [[*_own(of_a), *_own(of_b)] for of_a, of_b in zip_longest(seen.only_a, seen.only_b)],
    )


def _own(evidence: "Evidence | None") -> list[object]:
    return [None, None, None] if evidence is None else [evidence.context, *evidence.counts]


def _show_lines(heading: str, lines: Sequence[Spelled]) -> None:
    if not lines:
        return
    middle = max(display_width(word) for _, word, _ in lines)
    side = max(10, (shutil.get_terminal_size((100, 24)).columns - middle - 4) // 2)
    print(f"\n{heading}")
    for left, word, right in lines:
        before = _fit(left[::-1], side)[::-1]
        padding = " " * (side - display_width(before))
        print(f"{padding}{before}  {word}{' ' * (middle - display_width(word))}  {_fit(right, side)}".rstrip())


def _fit(text: str, columns: int) -> str:
    """Return as much of the beginning of `text` as fits in so many columns of the terminal."""
    if display_width(text) <= columns:
        return text
    end = columns
    while display_width(text[:end]) > columns:
        end -= 1
    return text[:end]

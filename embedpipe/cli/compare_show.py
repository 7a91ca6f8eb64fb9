"""How a comparison of two words is written: as one object, or as short tables of it."""

import shutil
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from embedpipe.cli.output import display_width, table
from embedpipe.plain import plain

if TYPE_CHECKING:
    from embedpipe.words.explain import Compared, Comparison

__all__ = ["as_object", "show"]

_NGRAMS = 12
"""Shared n-grams that the table shows; the other formats hold all."""
_FACTS = ("source", "confidence", "count", "per_million", "neighbour_rank", "stability", "hubness")

Content = Mapping[str, Any]


def as_object(found: "Comparison", text: Content | None) -> dict[str, Any]:
    """Return the comparison as one JSON object, what a text shows of the words in it."""
    hubs = found.hubness
    content: dict[str, Any] = plain(
        {
            "similarity": found.similarity,
            "words": [_word(word) for word in found.words],
            "hubness": {"k": hubs.k, "sample": hubs.sample, "expected": hubs.expected},
            "shared_ngrams": {"share": found.ngram_share, "ngrams": found.ngrams},
            "text": text,
        },
        digits=6,
    )
    return content


def _word(one: "Compared") -> dict[str, object]:
    return {
        "word": one.word,
        "asked": one.found.word,
        "source": one.found.source,
        "confidence": one.found.confidence,
        "count": one.count,
        "per_million": one.per_million,
        "neighbour_rank": one.place,
        "stability": one.stability,
        "hubness": one.hubness,
    }


def show(content: Content) -> None:
    """Write what `as_object` gave to stdout as short tables under headings, lines as wide as the terminal."""
    of_a, of_b = content["words"]
    a, b = of_a["word"], of_b["word"]
    hubs, shared, text = content["hubness"], content["shared_ngrams"], content["text"]
    print(f"{a} and {b}: similarity {content['similarity']:.3f}\n")
    known = of_a["source"] == of_b["source"] == "vocabulary"
    facts = [(name.replace("_", " "), of_a[name], of_b[name]) for name in _FACTS[2 if known else 0 :]]
    table(("", a, b), [fact for fact in facts if fact[1:] != (None, None)])
    print(
        "(neighbour rank: its place among the neighbours of the other; hubness: of how many of "
        f"{hubs['sample']:,} words it is one of the {hubs['k']} nearest, {hubs['expected']:.2f} expected)"
    )
    grams = " ".join(shared["ngrams"][:_NGRAMS]) + (" …" if len(shared["ngrams"]) > _NGRAMS else "")
    print(f"\nshared n-grams: {grams or 'none'} ({shared['share']:.1%} of all)")
    if text is not None:
        _show_contexts(a, b, text)
        _show_lines(a, text["lines_of_a"])
        _show_lines(b, text["lines_of_b"])
        _show_lines(f"{a} within {text['window']} words of {b}: {text['together']:,} times", text["lines_of_both"])


def _show_contexts(a: str, b: str, text: Content) -> None:
    print(f"\ncontexts of both, within {text['window']} words, most telling first (smaller discounted PMI)")
    pairs = [(one["context"], *zip(one["counts"], one["pmi"], strict=True)) for one in text["shared_contexts"]]
    table(("context", a, "PMI", b, "PMI"), [[context, *of_a, *of_b] for context, of_a, of_b in pairs])
    print("\ncontexts of one alone")
    table(
        (f"with {a}", a, b, f"with {b}", a, b),
        [[*_own(of_a), *_own(of_b)] for of_a, of_b in zip_longest(text["contexts_of_a"], text["contexts_of_b"])],
    )


def _own(context: Content | None) -> list[object]:
    return [None, None, None] if context is None else [context["context"], *context["counts"]]


def _show_lines(heading: str, lines: Sequence[Mapping[str, str]]) -> None:
    if not lines:
        return
    middle = max(display_width(line["word"]) for line in lines)
    side = max(10, (shutil.get_terminal_size((100, 24)).columns - middle - 4) // 2)
    print(f"\n{heading}")
    for line in lines:
        before = _fit(line["left"][::-1], side)[::-1]
        padding = " " * (side - display_width(before))
        word = line["word"] + " " * (middle - display_width(line["word"]))
        print(f"{padding}{before}  {word}  {_fit(line['right'], side)}".rstrip())


def _fit(text: str, columns: int) -> str:
    """Return as much of the beginning of `text` as fits in so many columns of the terminal."""
    if display_width(text) <= columns:
        return text
    end = columns
    while display_width(text[:end]) > columns:
        end -= 1
    return text[:end]

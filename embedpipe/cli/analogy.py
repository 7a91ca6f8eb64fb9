"""The verb `analogy`."""

import math
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.output import render, render_object, table
from embedpipe.loading import load

if TYPE_CHECKING:
    from embedpipe.words.analogy import Analogy, LeftOut
    from embedpipe.words.table import Neighbour

__all__ = ["command"]


@click.command("analogy")
@bundle_argument
@click.argument("a")
@click.argument("b")
@click.argument("c")
@click.option("-k", default=10, show_default=True, type=click.IntRange(min=1), help="How many words to show.")
@format_option
def command(bundle: Path, a: str, b: str, c: str, k: int, format_: str) -> None:
    """Answer: A is to B as C is to what?

    Two methods answer: 3CosAdd, the words nearest to B - A + C, and 3CosMul, which multiplies similarities (Levy and
    Goldberg, 2014). The three words themselves are left out; shown is where they would have stood. Below are the
    words nearest to B alone and to C alone: an answer that stands there too needs no analogy (Linzen, 2016). A word
    is looked up as it is written and, failing that, lower-cased.

    \b
    embedpipe analogy wiki.bundle man king woman
    """
    from embedpipe.words.analogy import solve_analogy

    found = solve_analogy(load(bundle).words, a, b, c, k)
    if format_ == "json":
        render_object(_as_object(found))
    elif format_ == "table":
        _show(found)
    else:
        render(_as_rows(found), format_)


def _answer(rank: int, found: "Neighbour") -> dict[str, object]:
    return {"rank": rank, "word": found.word, "score": round(found.similarity, 6), "count": found.count}


def _place(word: "LeftOut", method: str) -> dict[str, object]:
    """Return the score and rank that a word left out would have had; neither where it has no vector."""
    if math.isinf(word.scores[method]):
        return {"rank": None, "score": None}
    return {"rank": word.ranks[method], "score": round(word.scores[method], 6)}


def _methods(found: "Analogy") -> list[str]:
    """Return the methods that look at all three words, for which leaving these out matters."""
    return list(found.answers)[:2]


def _as_object(found: "Analogy") -> dict[str, object]:
    return {
        "question": dict(zip("abc", (word.word for word in found.left_out), strict=True)),
        **{
            method: [_answer(rank, answer) for rank, answer in enumerate(answers, 1)]
            for method, answers in found.answers.items()
        },
        "left out": [
            {"word": word.word, **{method: _place(word, method) for method in _methods(found)}}
            for word in found.left_out
        ],
    }


def _as_rows(found: "Analogy") -> list[dict[str, object]]:
    rows = [
        {"method": method, **_answer(rank, answer)}
        for method, answers in found.answers.items()
        for rank, answer in enumerate(answers, 1)
    ]
    for method in _methods(found):
        for word in found.left_out:
            place = _place(word, method)
            rows.append(
                {
                    "method": f"left out of {method}",
                    "rank": place["rank"],
                    "word": word.word,
                    "score": place["score"],
                    "count": word.count,
                }
            )
    return rows


def _show(found: "Analogy") -> None:
    a, b, c = (word.word for word in found.left_out)
    add, multiply, near_b, near_c = found.answers.values()
    print(f"{a} is to {b} as {c} is to")
    _side_by_side(("3CosAdd", "score", "count", "3CosMul", "score", "count"), add, multiply)
    print()
    lines = []
    for word in found.left_out:
        by_add, by_multiply = (_place(word, method) for method in _methods(found))
        lines.append([word.word, by_add["rank"], by_add["score"], by_multiply["rank"], by_multiply["score"]])
    table(("left out", "3CosAdd rank", "score", "3CosMul rank", "score"), lines)
    print()
    _side_by_side((f"nearest to {b}", "score", "count", f"nearest to {c}", "score", "count"), near_b, near_c)


def _side_by_side(columns: tuple[str, ...], left: "list[Neighbour]", right: "list[Neighbour]") -> None:
    pairs = zip_longest(map(_cells, left), map(_cells, right), fillvalue=[None] * 3)
    table(columns, [[*first, *second] for first, second in pairs])


def _cells(found: "Neighbour") -> list[object]:
    return [found.word, found.similarity, found.count]

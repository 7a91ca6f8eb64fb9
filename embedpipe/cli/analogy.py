"""The verb `analogy`."""

from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.origin import origin_columns, say_origins
from embedpipe.cli.output import render, render_object, table
from embedpipe.loading import load

if TYPE_CHECKING:
    from embedpipe.words.analogy import Analogy, Place
    from embedpipe.words.table import Neighbour

__all__ = ["command"]

_COLUMNS = ("method", "left_out", "rank", "word", "similarity", "score", "count")


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
    words nearest to B alone and to C alone: an answer that stands there too needs no analogy (Linzen, 2016).

    For a word outside the vocabulary its n-grams or another spelling stand, and stderr says which, as embedpipe similar
    does (see its --help). In json, jsonl and csv the methods are cos_add, cos_mul, nearest_b and nearest_c; similarity
    is a cosine, score that of 3CosMul.

    \b
    embedpipe analogy wiki.bundle man king woman
    """
    from embedpipe.words.analogy import solve_analogy

    opened = load(bundle)
    of_a, of_b, of_c = asked = [opened.lookup.look_up(word) for word in (a, b, c)]
    say_origins(asked)
    found = solve_analogy(opened.words, of_a, of_b, of_c, k)
    if format_ == "table":
        _show(found)
        return
    origin = origin_columns(asked)
    question = dict(zip("abc", found.question, strict=True))
    answers, left_out = _answers(found), _left_out(found)
    if format_ == "json":
        render_object({"question": question, **origin, **answers, "left_out": left_out})
        return
    groups = [(out, *group) for out, of_kind in ((False, answers), (True, left_out)) for group in of_kind.items()]
    rows = [
        {**dict.fromkeys(_COLUMNS), "method": method, "left_out": out, **row, **origin}
        for out, method, group in groups
        for row in group
    ]
    render(rows, format_)


def _answers(found: "Analogy") -> dict[str, list[dict[str, object]]]:
    return {
        "cos_add": _ranked(found.cos_add, "similarity"),
        "cos_mul": _ranked(found.cos_mul, "score"),
        "nearest_b": _ranked(found.nearest_b, "similarity"),
        "nearest_c": _ranked(found.nearest_c, "similarity"),
    }


def _ranked(answers: "list[Neighbour]", figure: str) -> list[dict[str, object]]:
    return [
        {"rank": rank, "word": one.word, figure: round(one.similarity, 6), "count": one.count}
        for rank, one in enumerate(answers, 1)
    ]


def _left_out(found: "Analogy") -> dict[str, list[dict[str, object]]]:
    return {
        "cos_add": [_stood(one.word, one.count, one.cos_add, "similarity") for one in found.left_out],
        "cos_mul": [_stood(one.word, one.count, one.cos_mul, "score") for one in found.left_out],
    }


def _stood(word: str, count: int, place: "Place | None", figure: str) -> dict[str, object]:
    rank, score = _place(place)
    return {"rank": rank, "word": word, figure: score, "count": count}


def _show(found: "Analogy") -> None:
    a, b, c = found.question
    print(f"{a} is to {b} as {c} is to")
    _side_by_side(("3CosAdd", "score", "count", "3CosMul", "score", "count"), found.cos_add, found.cos_mul)
    if found.left_out:
        print()
        places = [[one.word, *_place(one.cos_add), *_place(one.cos_mul)] for one in found.left_out]
        table(("left out", "3CosAdd rank", "score", "3CosMul rank", "score"), places)
    print()
    columns = (f"nearest to {b}", "score", "count", f"nearest to {c}", "score", "count")
    _side_by_side(columns, found.nearest_b, found.nearest_c)


def _place(place: "Place | None") -> list[object]:
    return [None, None] if place is None else [place.rank, round(place.score, 6)]


def _side_by_side(columns: tuple[str, ...], left: "list[Neighbour]", right: "list[Neighbour]") -> None:
    pairs = zip_longest(map(_cells, left), map(_cells, right), fillvalue=[None] * 3)
    table(columns, [[*first, *second] for first, second in pairs])


def _cells(found: "Neighbour") -> list[object]:
    return [found.word, found.similarity, found.count]

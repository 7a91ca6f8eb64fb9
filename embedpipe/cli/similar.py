"""The verb `similar`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.evidence import corpus_of, text_option, window_option
from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.output import render, say
from embedpipe.loading import Bundle, load

if TYPE_CHECKING:
    from embedpipe.words.table import Neighbour, WordVectors

__all__ = ["command"]

_REASONS = 4
"""Shared contexts shown for each neighbour."""
_MOST = 100


@click.command("similar")
@bundle_argument
@click.argument("words", metavar="WORD...", nargs=-1, required=True)
@click.option("--not", "negative", metavar="WORD", multiple=True, help="Subtract this word; may be repeated.")
@click.option("-k", default=10, show_default=True, type=click.IntRange(min=1), help="How many words to show.")
@click.option("--why", is_flag=True, help="Show what each neighbour is seen with in the text, as WORD is.")
@text_option
@window_option
@format_option
def command(
    bundle: Path,
    words: tuple[str, ...],
    negative: tuple[str, ...],
    k: int,
    why: bool,
    sources: tuple[str, ...],
    window: int | None,
    format_: str,
) -> None:
    """Show the words nearest to WORD, or to a sum and difference of words.

    A word is looked up as it is written and, failing that, lower-cased. Similarity is the cosine between the mean of
    the unit vectors asked for and each word; count is how often the word stands in the training text; stability,
    where the bundle holds it, is the share of its neighbours that come back in another run.

    With --why each neighbour comes with the contexts that it shares with WORD: words that stand near both (near all,
    where several are asked for) far more often than their frequency has it (PMI, made smaller where little was seen;
    Pantel and Lin, 2002).

    \b
    embedpipe similar wiki.bundle physics
    embedpipe similar wiki.bundle king woman --not man -k 5 --format json
    embedpipe similar wiki.bundle physics --why
    """
    if (sources or window) and not why:
        raise click.UsageError("--text and --window say where the reasons come from; they need --why")
    if why and k > _MOST:
        raise click.UsageError(f"--why explains at most {_MOST} neighbours; ask for fewer with -k")
    opened = load(bundle)
    neighbours = opened.words.similar(words, negative, k)
    rows = [_row(neighbour, format_) for neighbour in neighbours]
    if why:
        for word in words:
            say(_known(opened.words, word))
        for row, contexts in zip(rows, _reasons(opened, words, neighbours, sources, window), strict=False):
            row["shared contexts"] = contexts if format_.startswith("json") else " ".join(contexts)
    render(rows, format_, ["word", "similarity", "count"] if not rows else list(rows[0]))


def _row(neighbour: "Neighbour", format_: str) -> dict[str, object]:
    row: dict[str, object] = {
        "word": neighbour.word,
        "similarity": round(neighbour.similarity, 6),
        "count": neighbour.count,
    }
    if neighbour.stability is not None:
        row["stability"] = _stability(neighbour.stability) if format_ == "table" else round(neighbour.stability, 6)
    return row


def _stability(stability: float) -> str:
    from embedpipe.words.table import UNSTABLE

    return f"{stability:.3f}{' unstable' if stability < UNSTABLE else ''}"


def _known(words: "WordVectors", word: str) -> str:
    found = words.neighbour(words.id(word), 1.0)
    stability = "" if found.stability is None else f", stability {_stability(found.stability)}"
    return f"{found.word}: {found.count:,} times in the training text{stability}"


def _reasons(
    bundle: Bundle,
    asked: Sequence[str],
    neighbours: "Sequence[Neighbour]",
    sources: Sequence[str],
    window: int | None,
) -> list[list[str]]:
    """Return the strongest shared contexts of each neighbour; nothing where there is no text to look in."""
    from embedpipe.words.contexts import count_contexts
    from embedpipe.words.explain import shared_contexts

    corpus = corpus_of(bundle, sources, window)
    if corpus is None:
        return []
    words = bundle.words
    query = list(dict.fromkeys(words.id(word) for word in asked))
    ids = [*query, *(neighbour.id for neighbour in neighbours)]
    contexts = count_contexts(corpus.pieces, ids, corpus.window, len(words))
    pairs = ([*range(len(query)), row] for row in range(len(query), len(ids)))
    return [[e.context for e in shared_contexts(contexts, rows, words.vocabulary, _REASONS)] for rows in pairs]

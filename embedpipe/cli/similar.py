"""The verb `similar`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.evidence import Corpus, corpus_of, text_option, window_option
from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.origin import origin_columns, say_origins
from embedpipe.cli.output import render, say
from embedpipe.loading import Bundle, load
from embedpipe.plain import plain

if TYPE_CHECKING:
    from embedpipe.words.explain import Evidence
    from embedpipe.words.lookup import Found
    from embedpipe.words.table import Neighbour, WordVectors

__all__ = ["command"]

_REASONS = 4
"""Shared contexts, or n-grams, shown for each neighbour."""
_MOST = 100
_HEADINGS = {"shared_contexts": "shared contexts", "shared_ngrams": "shared n-grams"}
"""Of the columns of reasons, in a table."""


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

    A word is looked up as it is written and, failing that, lower-cased. One outside the vocabulary gets the mean of
    its character n-grams where the bundle holds vectors of these, and else the vector of the nearest spelling. Where
    n-grams were not trained but fitted to the words (the default), a common word with one slip of the keyboard in it,
    not at its first or last letter, gets the vector of that word; and n-grams stand for a word only where a quarter of
    them or more are known. Which it was, and how far to trust it, stands on stderr, and in json, jsonl and csv as the
    columns query_source (vocabulary, subwords, spelling), query_confidence (0 to 1, null where it is unknown) and
    query_via (the word whose vector stands for it, null where none does) of the least certain word asked for. The
    confidence is the estimated chance that such a word, had training met it, would be one of the ten nearest of the
    vector used for it, by the vectors of training alone, to which no n-grams were added. It was measured on known words
    that were left out, not on misspelt ones.

    Similarity is the cosine between the mean of the unit vectors asked for and each word; count is how often the word
    stands in the training text; stability, where the bundle holds it, is the share of its neighbours that come back in
    another run.

    With --why each neighbour comes with the contexts that it shares with WORD: words that stand near both (near all,
    where several are asked for) far more often than their frequency has it (PMI, made smaller where little was seen;
    Pantel and Lin, 2002); json and jsonl have its counts beside WORD and the neighbour, and its PMI with each. A word
    made of n-grams has no contexts: shown are the n-grams that each neighbour has too.

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
    asked, minus = ([opened.lookup.look_up(word) for word in group] for group in (words, negative))
    say_origins([*asked, *minus])
    neighbours = opened.lookup.similar(asked, minus, k)
    rows = [_row(neighbour, format_) for neighbour in neighbours]
    if why:
        for name, reasons in _reasons(opened, asked, neighbours, sources, window).items():
            for row, reason in zip(rows, reasons, strict=True):
                row[_HEADINGS[name] if format_ == "table" else name] = _shown(reason, format_)
    origin = {} if format_ == "table" else origin_columns([*asked, *minus])
    columns = ["word", "similarity", "count", *origin] if not rows else [*rows[0], *origin]
    render([row | origin for row in rows], format_, columns)


def _row(neighbour: "Neighbour", format_: str) -> dict[str, object]:
    row: dict[str, object] = {
        "word": neighbour.word,
        "similarity": round(neighbour.similarity, 6),
        "count": neighbour.count,
    }
    if neighbour.stability is not None:
        row["stability"] = _stability(neighbour.stability) if format_ == "table" else round(neighbour.stability, 6)
    return row


def _shown(reasons: "Sequence[Evidence | str]", format_: str) -> object:
    """Return contexts or n-grams as a format has them: JSON with the counts and the PMI of each context."""
    if format_.startswith("json"):
        return [reason if isinstance(reason, str) else plain(asdict(reason), digits=6) for reason in reasons]
    return " ".join(reason if isinstance(reason, str) else reason.context for reason in reasons)


def _stability(stability: float) -> str:
    from embedpipe.words.table import UNSTABLE

    return f"{stability:.3f}{' unstable' if stability < UNSTABLE else ''}"


def _known(words: "WordVectors", word: int) -> str:
    found = words.neighbour(word, 1.0)
    stability = "" if found.stability is None else f", stability {_stability(found.stability)}"
    return f"{found.word}: {found.count:,} times in the training text{stability}"


def _reasons(
    bundle: Bundle,
    asked: "Sequence[Found]",
    neighbours: "Sequence[Neighbour]",
    sources: Sequence[str],
    window: int | None,
) -> "dict[str, Sequence[Sequence[Evidence | str]]]":
    """Return, by column, what each neighbour has in common with the query: contexts, and n-grams of words made of them.

    A column is left out where there is nothing to look in: no text, or no such word.
    """
    words = bundle.words
    known = list(dict.fromkeys(one.id for one in asked if one.id is not None))
    made = [one.word for one in asked if one.id is None]
    for i in known:
        say(_known(words, i))
    for word in made:
        say(f"{word}: no text evidence, as contexts are counted for the vocabulary alone; its n-grams stand for it")
    columns: dict[str, Sequence[Sequence[Evidence | str]]] = {}
    corpus = corpus_of(bundle, sources, window) if known else None
    if corpus is not None:
        columns["shared_contexts"] = _contexts(words, known, neighbours, corpus)
    if made:
        columns["shared_ngrams"] = [_ngrams(bundle, made, neighbour.id) for neighbour in neighbours]
    return columns


def _ngrams(bundle: Bundle, made: Sequence[str], neighbour: int) -> list[str]:
    """Return the longest n-grams that a neighbour has in common with words made of n-grams."""
    from embedpipe.words.explain import longest_first, shared_ngrams

    vocabulary, lengths = bundle.vocabulary, bundle.lookup.ngram_lengths
    token = vocabulary.tokens[neighbour]
    shared = {gram for word in made for gram in shared_ngrams(vocabulary.spelt(word), token, *lengths)[0]}
    return longest_first(shared)[:_REASONS]


def _contexts(
    words: "WordVectors", query: Sequence[int], neighbours: "Sequence[Neighbour]", corpus: Corpus
) -> "list[list[Evidence]]":
    """Return the strongest contexts that each neighbour shares with all words of the query."""
    from embedpipe.words.contexts import count_contexts
    from embedpipe.words.explain import shared_contexts

    ids = [*query, *(neighbour.id for neighbour in neighbours)]
    contexts = count_contexts(corpus.pieces, ids, corpus.window, len(words))
    pairs = ([*range(len(query)), row] for row in range(len(query), len(ids)))
    return [shared_contexts(contexts, rows, words.vocabulary, _REASONS) for rows in pairs]

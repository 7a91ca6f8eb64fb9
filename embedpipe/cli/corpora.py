"""The verb ``corpora``: what the catalogue knows, what a source holds, and fetching what is not here yet."""

import os
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import format_option, source_encoding_options
from embedpipe.cli.output import render, say

if TYPE_CHECKING:
    from embedpipe.text.read_types import ReadOptions

__all__ = ["command"]

_COLUMNS = ["name", "language", "documents", "tokens", "download", "licence", "source", "title"]

download_option = click.option("--download", is_flag=True, help="Allow NLTK, gensim-data and Hugging Face the network.")


@click.group("corpora")
def command() -> None:
    """The catalogue of known corpora.

    \b
    embedpipe corpora list
    embedpipe corpora stats builtin:lee
    embedpipe corpora fetch brown --download
    """


@command.command("list")
@format_option
def list_(format_: str) -> None:
    """List the known corpora; any of them is a SOURCE of the main job.

    \b
    embedpipe corpora list --format json
    """
    from embedpipe.text.catalogue import load_cards

    cards = load_cards().values()
    rows = [{**asdict(card), "download": "yes" if card.needs_download else "no"} for card in cards]
    render(rows, format_, _COLUMNS)


@command.command("show")
@click.argument("name")
@format_option
def show(name: str, format_: str) -> None:
    """Show all that is known of one corpus.

    \b
    embedpipe corpora show wikipedia
    """
    from embedpipe.text.catalogue import corpus_card

    card = asdict(corpus_card(name))
    if format_ == "table":
        render([{"what": key, "is": value} for key, value in card.items() if value is not None], format_)
    else:
        render([card], format_)


@command.command("stats")
@click.argument("source")
@source_encoding_options
@click.option("--documents", type=click.Choice(["auto", "blank", "line", "file"]), default="auto", show_default=True)
@download_option
@format_option
def stats(
    source: str,
    encoding: str | None,
    encoding_errors: str | None,
    documents: str,
    download: bool,
    format_: str,
) -> None:
    """Read a source, or a corpus of the catalogue by its name, and count.

    \b
    embedpipe corpora stats notes.txt.gz
    embedpipe corpora stats lee --format json
    """
    from embedpipe.text.read_types import ReadOptions

    options = ReadOptions(encoding or "utf-8", encoding_errors or "strict", documents, download)  # type: ignore[arg-type]
    render([_count(_source(source), options)], format_)
    for note in options.notes:
        say(note)


@command.command("fetch")
@click.argument("name")
@download_option
def fetch(name: str, download: bool) -> None:
    """Bring a corpus of the catalogue to this machine, and check it.

    \b
    embedpipe corpora fetch brown --download
    """
    from embedpipe.text.catalogue import corpus_card, fetch_corpus
    from embedpipe.text.read_types import ReadOptions

    card = corpus_card(name)
    say(f"{card.name} ({card.source}): {fetch_corpus(card, ReadOptions(download=download))}")


def _source(name: str) -> str:
    from embedpipe.text.catalogue import load_cards

    card = None if os.path.lexists(name) else load_cards().get(name)
    return card.source if card else name


def _count(source: str, options: "ReadOptions") -> dict[str, object]:
    from embedpipe.text.readers import read_documents

    counts: Counter[str] = Counter()
    start = time.perf_counter()
    for document in read_documents(source, options):
        counts["documents"] += 1
        counts["lines"] += document.text.count("\n") + 1
        counts["characters"] += len(document.text)
        counts["bytes"] += len(document.text.encode("utf-8", "surrogatepass"))
    seconds = time.perf_counter() - start
    skipped = ", ".join(f"{n} {what}" for what, n in sorted(options.skipped.items()))
    return {
        "source": source,
        **counts,
        "seconds": seconds,
        "bytes_per_second": counts["bytes"] / seconds,
        "skipped": skipped or None,
    }

"""The verb `similar`."""

from pathlib import Path

import click

from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.output import render
from embedpipe.loading import load

__all__ = ["command"]


@click.command("similar")
@bundle_argument
@click.argument("words", metavar="WORD...", nargs=-1, required=True)
@click.option("--not", "negative", metavar="WORD", multiple=True, help="Subtract this word; may be repeated.")
@click.option("-k", default=10, show_default=True, type=click.IntRange(min=1), help="How many words to show.")
@format_option
def command(bundle: Path, words: tuple[str, ...], negative: tuple[str, ...], k: int, format_: str) -> None:
    """Show the words nearest to WORD, or to a sum and difference of words.

    A word is looked up as it is written and, failing that, lower-cased. Similarity is the cosine between the mean of
    the unit vectors asked for and each word; count is how often the word stands in the training text.

    \b
    embedpipe similar wiki.bundle physics
    embedpipe similar wiki.bundle king woman --not man -k 5 --format json
    """
    neighbours = load(bundle).words.similar(words, negative, k)
    rows = [{"word": n.word, "similarity": round(n.similarity, 6), "count": n.count} for n in neighbours]
    render(rows, format_, ["word", "similarity", "count"])

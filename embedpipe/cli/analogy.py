"""The verb `analogy`."""

from pathlib import Path

import click

from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.output import render
from embedpipe.loading import load

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

    The answers are the words nearest to B - A + C (3CosAdd), the three themselves left out. A word is looked up as it
    is written and, failing that, lower-cased.

    \b
    embedpipe analogy wiki.bundle man king woman
    """
    neighbours = load(bundle).words.analogy(a, b, c, k)
    rows = [{"word": n.word, "similarity": round(n.similarity, 6), "count": n.count} for n in neighbours]
    render(rows, format_, ["word", "similarity", "count"])

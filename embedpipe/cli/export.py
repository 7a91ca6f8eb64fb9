"""The verb ``export``: word vectors for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import bundle_argument, named_path
from embedpipe.cli.output import say

if TYPE_CHECKING:
    from embedpipe.words.formats import ExportFormat

__all__ = ["command"]


@click.command("export")
@bundle_argument
@click.argument("file", type=named_path)
@click.option(
    "--as",
    "format_",
    type=click.Choice(["word2vec", "word2vec-binary", "glove", "fasttext-vec"]),
    default="word2vec",
    show_default=True,
    help="word2vec text (which fastText calls .vec) or binary, or GloVe text, which has no header.",
)
@click.option("--force", is_flag=True, help="Replace a file that stands there.")
def command(bundle: Path, file: Path, format_: "ExportFormat", force: bool) -> None:
    """Write the word vectors of BUNDLE to FILE, for gensim, fastText, spaCy and others.

    A FILE that ends in .gz is compressed. The four special tokens are left out; a token that holds white space, which
    none of the formats can write, is an error.

    \b
    embedpipe export wiki.bundle wiki.vec.gz
    embedpipe export wiki.bundle wiki.bin --as word2vec-binary
    """
    from embedpipe.loading import load
    from embedpipe.text.vocabulary import SPECIALS
    from embedpipe.words.formats import write_vectors

    words = load(bundle).words
    write_vectors(file, words, format_, force=force)
    say(f"{file}: {len(words) - len(SPECIALS):,} words, {words.dim} dimensions, {format_}")

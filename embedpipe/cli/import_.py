"""The verb ``import``: word vectors of other programs."""

import shlex
import sys
from pathlib import Path

import click

from embedpipe.cli.options import named_path
from embedpipe.cli.output import say

__all__ = ["command"]


@click.command("import")
@click.argument("file", type=named_path)
@click.option("-o", "--output", metavar="BUNDLE", required=True, type=named_path, help="Folder to write.")
@click.option("--force", is_flag=True, help="Replace a bundle that stands there.")
def command(file: Path, output: Path, force: bool) -> None:
    """Make a bundle of words from FILE: word2vec text or binary, GloVe, fastText .vec or .bin.

    The content says which it is; it may be compressed. Pickles (gensim's .kv and .model) are never read. The bundle
    answers similar, analogy, probe and encode --with words; with the n-grams of a .bin, for words outside it too.

    \b
    embedpipe import glove.6B.300d.txt -o glove.bundle
    embedpipe import cc.en.300.vec.gz -o fasttext.bundle
    """
    from embedpipe.pipeline.imported import import_vectors

    imported = import_vectors(file, output, force=force, command=shlex.join(["embedpipe", *sys.argv[1:]]))
    for note in imported.notes:
        say(note)
    say(f"ask it: embedpipe similar {shlex.quote(str(output))} WORD")

"""The text that the tasks of ``probe`` are made of: beside the bundle, in a folder, or any source."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.output import say

if TYPE_CHECKING:
    from embedpipe.loading import Bundle
    from embedpipe.text.prepared import PreparedText

__all__ = ["corpus_option", "said_text"]


def _named(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:  # noqa: ARG001 - of click
    if value == "":
        raise click.BadParameter("the name is empty; is a variable not set?")
    return value


corpus_option = click.option(
    "--corpus",
    metavar="SOURCE",
    callback=_named,
    help="Text for the tasks that a corpus makes of itself: a folder of prepared text, or any source that `embedpipe "
    "run` takes.  [default: BUNDLE.work/text]",
)


@contextmanager
def said_text(bundle: "Bundle", corpus: str | None, asked: Sequence[str]) -> "Iterator[PreparedText | None]":
    """Open the text that the tasks `asked` are made of, as `probed_text` does; of a source, say how it fits.

    Raises
    ------
    InputError
        If `corpus` was prepared for another bundle, or cannot be read.
    """
    from embedpipe.cli.progress import progress
    from embedpipe.pipeline.probed_text import probed_text

    with ExitStack() as opened:
        with progress() as listener:
            text = opened.enter_context(probed_text(bundle, corpus, asked, listener=listener))
        if text is not None and corpus is not None and text.path != Path(corpus):
            report = text.report
            shares = [report[split]["tokens"] * report[split]["unknown_rate"] for split in ("test", "validation")]
            held_out = sum(report[split]["tokens"] for split in ("test", "validation"))
            say(f"{corpus}: {held_out:,} held-out tokens, {sum(shares) / max(held_out, 1):.1%} outside the vocabulary")
        yield text

"""The text that the tasks of ``probe`` are made of: beside the bundle, in a folder, or any source."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from embedpipe.cli.output import say
from embedpipe.errors import BundleError, InputError

if TYPE_CHECKING:
    from embedpipe.loading import Bundle
    from embedpipe.text.prepared import PreparedText

__all__ = ["corpus_option", "prepared_text", "probed_text"]


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
def probed_text(bundle: "Bundle", corpus: str | None, asked: Sequence[str]) -> "Iterator[PreparedText | None]":
    """Open the text that the tasks `asked` are made of; None where none of them needs it, or there is none.

    Raises
    ------
    InputError
        If `corpus` was prepared for another bundle, or cannot be read.
    """
    from embedpipe.tasks.builtin import MADE_TASKS

    if not set(asked) & set(MADE_TASKS):
        yield None
    elif corpus is None or (Path(corpus) / "report.json").is_file():
        yield prepared_text(bundle, None if corpus is None else Path(corpus))
    else:
        from embedpipe.bundle.recorded import recorded_config
        from embedpipe.cli.progress import progress
        from embedpipe.probes.linguistic.source import prepare_source

        config = recorded_config(bundle.parts.file("config.toml", "text")).text
        spec = bundle.parts.file("tokenizer_spec.json", "text")
        with TemporaryDirectory(prefix="embedpipe-") as folder:
            with progress() as listener:
                out = Path(folder) / "text"
                text = prepare_source(
                    corpus, bundle.codec, spec, config, out, seed=bundle.manifest.seed, listener=listener
                )
            report = text.report
            shares = [report[split]["tokens"] * report[split]["unknown_rate"] for split in ("test", "validation")]
            held_out = sum(report[split]["tokens"] for split in ("test", "validation"))
            say(f"{corpus}: {held_out:,} held-out tokens, {sum(shares) / max(held_out, 1):.1%} outside the vocabulary")
            yield text


def prepared_text(bundle: "Bundle", corpus: Path | None = None) -> "PreparedText | None":
    """Open the prepared text and make sure that it is the one that the bundle was made from.

    Parameters
    ----------
    bundle : whose text it is.
    corpus : its folder; None for the one beside the bundle, and then the result may be None.

    Raises
    ------
    InputError
        If `corpus` was prepared for another bundle.
    """
    from embedpipe.pipeline.work import WorkFolder
    from embedpipe.text.prepared import PreparedText

    folder = corpus or WorkFolder(bundle.path.resolve()).stage("text")
    if corpus is None and not folder.is_dir():
        return None
    try:
        text = PreparedText(folder)
        same = text.vocabulary.tokens == bundle.vocabulary.tokens
    except BundleError:
        if corpus is not None:
            raise
        return None
    if not same and corpus is not None:
        raise InputError("this text was prepared for another bundle: its vocabulary differs; give its source", folder)
    return text if same else None

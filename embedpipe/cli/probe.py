"""The verb ``probe``: measure a bundle on tasks."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import bundle_argument, format_option, named_path
from embedpipe.cli.output import render, say
from embedpipe.errors import BundleError, InputError

if TYPE_CHECKING:
    from embedpipe.config import ProbesConfig
    from embedpipe.loading import Bundle
    from embedpipe.text.prepared import PreparedText

__all__ = ["command"]


@click.command("probe")
@bundle_argument
@click.argument("tasks", metavar="[TASK]...", nargs=-1)
@click.option(
    "--corpus",
    type=named_path,
    help="Folder of the prepared text, for the task 'documents'.  [default: BUNDLE.work/text]",
)
@click.option("--seed", type=click.IntRange(min=0), help="Of resampling and folds.  [default: the bundle's]")
@format_option
def command(bundle: Path, tasks: tuple[str, ...], corpus: Path | None, seed: int | None, format_: str) -> None:
    """Measure a bundle on tasks, each figure beside baselines and with a 95 % interval.

    TASK is wordsim353, simlex999, analogies, lee, documents (which held-out document does a sentence come from; needs
    the prepared text) or a tab-separated file whose header says what it is: 'word_a word_b score', 'score text_a
    text_b', 'label text', 'label text_a text_b', or ': section' lines of four words. Without one, all built-in
    tasks. In the table, '~' marks a baseline from which the figure does not differ (p > 0.05, paired).

    \b
    embedpipe probe wiki.bundle
    embedpipe probe wiki.bundle simlex999 my_pairs.tsv --format json
    """
    from embedpipe.cli.progress import progress
    from embedpipe.loading import load
    from embedpipe.probes.rows import PIVOT_COLUMNS, pivot
    from embedpipe.probes.run import probe_bundle
    from embedpipe.tasks.builtin import BUILTIN_TASKS, DOCUMENTS

    opened = load(bundle)
    asked = tasks or (*BUILTIN_TASKS, DOCUMENTS)
    text = _prepared_text(opened, corpus) if DOCUMENTS in asked else None
    if text is None and DOCUMENTS in tasks:
        raise InputError("the task 'documents' needs the prepared text that the bundle was made from: --corpus FOLDER")
    if text is None and DOCUMENTS in asked:
        say("documents is left out: the prepared text is not beside the bundle (--corpus FOLDER)")
        asked = tuple(BUILTIN_TASKS)
    config = _settings(opened, asked)
    with progress() as listener:
        seed = opened.manifest.seed if seed is None else seed
        rows = probe_bundle(opened, text, config, seed=seed, listener=listener).rows
    if format_ != "table":
        render([row.as_dict() for row in rows], format_)
        return
    table = pivot(rows)
    render(table, format_, [column for column in PIVOT_COLUMNS if column != "note"])
    for row in table:
        if row["note"]:
            say(f"{row['task']} {row['metric']}: {row['note']}")


def _settings(bundle: "Bundle", tasks: tuple[str, ...]) -> "ProbesConfig":
    """Return the settings of the bundle's own probes, for other tasks."""
    from embedpipe.bundle.recorded import recorded_config

    probes = recorded_config(bundle.parts.file("config.toml", "text")).probes
    return probes.model_copy(update={"tasks": tasks, "map_words": 0, "map_sentences": 0})


def _prepared_text(bundle: "Bundle", corpus: Path | None) -> "PreparedText | None":
    """Open the prepared text and make sure that it is the one that the bundle was made from."""
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
        raise InputError("this text was prepared for another bundle: its vocabulary differs", folder)
    return text if same else None

"""The verb ``probe``: measure a bundle on tasks."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.output import render, say
from embedpipe.cli.probe_corpus import corpus_option, probed_text
from embedpipe.errors import InputError

if TYPE_CHECKING:
    from embedpipe.config import ProbesConfig
    from embedpipe.loading import Bundle

__all__ = ["command"]


@click.command("probe")
@bundle_argument
@click.argument("tasks", metavar="[TASK]...", nargs=-1)
@corpus_option
@click.option("--seed", type=click.IntRange(min=0), help="Of resampling and folds.  [default: the bundle's]")
@format_option
def command(bundle: Path, tasks: tuple[str, ...], corpus: str | None, seed: int | None, format_: str) -> None:
    """Measure a bundle on tasks, each figure beside baselines and with a 95 % interval.

    TASK is wordsim353, simlex999, analogies, lee, the name of a task that a corpus makes of itself, or a tab-separated
    file whose header says what it is: 'word_a word_b score', 'score text_a text_b', 'label text', 'label text_a
    text_b', or ': section' lines of four words. Without one, all of these but files. In the table, '~' marks a baseline
    from which the figure does not differ (p > 0.05, paired).

    The tasks that a corpus makes of its held-out sentences: documents (which document is a sentence from), length,
    word-content (which of 30 words is in it), bigram-shift (were two words swapped), odd-word (was one replaced),
    adjacency (does one sentence follow the other), order (which of two came first), topic.

    \b
    embedpipe probe wiki.bundle
    embedpipe probe wiki.bundle simlex999 my_pairs.tsv --format json
    embedpipe probe wiki.bundle bigram-shift topic --corpus news.txt
    """
    from embedpipe.cli.progress import progress
    from embedpipe.loading import load
    from embedpipe.probes.rows import PIVOT_COLUMNS, pivot
    from embedpipe.probes.run import probe_bundle
    from embedpipe.tasks.builtin import BUILTIN_TASKS, CORPUS_TASKS

    opened = load(bundle)
    asked = tasks or (*BUILTIN_TASKS, *CORPUS_TASKS)
    with probed_text(opened, corpus, asked) as text:
        needy = [task for task in asked if task in CORPUS_TASKS] if text is None else []
        if tasks and needy:
            raise InputError(
                f"the prepared text is not beside the bundle; the task '{needy[0]}' needs it, or another corpus: "
                "--corpus FOLDER or SOURCE"
            )
        if needy:
            say(f"left out: {', '.join(needy)}; the prepared text is not beside the bundle (--corpus FOLDER or SOURCE)")
        config = _settings(opened, tuple(task for task in asked if task not in needy))
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
    return probes.model_copy(update={"tasks": tasks})

"""The verb ``probe``: measure a bundle on tasks."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.output import say
from embedpipe.cli.probe_corpus import corpus_option, said_text
from embedpipe.cli.probe_output import check_output, output_option, show_curves, show_findings
from embedpipe.cli.probe_suite import SuiteOptions, run_suite, suite_options
from embedpipe.errors import InputError

if TYPE_CHECKING:
    from embedpipe.tasks.suite import SuiteKind

__all__ = ["command"]


@click.command("probe")
@bundle_argument
@click.argument("tasks", metavar="[TASK]...", nargs=-1)
@corpus_option
@click.option(
    "--against",
    metavar="SYSTEM",
    multiple=True,
    help="Stand another system beside the bundle: a bundle, a .npy file, or package.module:function (see above).",
)
@click.option(
    "--curves", is_flag=True, help="Show accuracy by number of labelled texts instead, for tasks of texts with labels."
)
@click.option("--no-leakage", is_flag=True, help="Do not look for the questions of tasks in what was trained on.")
@click.option("--seed", type=click.IntRange(min=0), help="Of resampling and folds.  [default: the bundle's]")
@suite_options
@output_option
@format_option
def command(
    bundle: Path,
    tasks: tuple[str, ...],
    corpus: str | None,
    against: tuple[str, ...],
    curves: bool,
    no_leakage: bool,
    seed: int | None,
    suite: "SuiteKind | None",
    workers: int | None,
    no_cache: bool,
    min_coverage: float | None,
    output: Path | None,
    format_: str,
) -> None:
    """Measure a bundle on tasks, each figure beside baselines and with a 95 % interval.

    TASK is a built-in name, the name of a task that a corpus makes of itself, or a tab-separated file whose header says
    what it is. Built in are wordsim353, simlex999, analogies, lee, weat (bias tests for English) and geometry (the
    shape of the spaces). Without a TASK all are measured but geometry and files.

    Files of words: 'word_a word_b score', 'word category', 'set word outlier' (yes or no), 'word_a relation word_b',
    'set word' (a bias test of your own), or ': section' lines of four words. Files of texts: 'score text_a text_b' (and
    'source', for figures of each), 'label text', 'label text_a text_b'.

    The tasks that a corpus makes of its held-out sentences: documents (which document is a sentence from), length,
    word-content (which of 30 words is in it), bigram-shift (were two words swapped), odd-word (was one replaced),
    adjacency (does one sentence follow the other), order (which of two came first), topic.

    Brackets behind a metric name a part of the task, or another way to measure it. In the table, '~' marks a baseline
    that cannot be told apart from the figure (p > 0.05, paired, after Holm's correction where the task is one of
    several; one-sided for bias tests), '?' one that was not tested. The questions of each task are looked for, word for
    word and nearly, in the text that the bundle was trained on, where it is at hand, and in the training part of the
    task. Where some are found, a row '(unleaked)' gives the figure without them.

    With --suite, TASK is a folder, and every task file in it is measured, in parallel: NAME_train is the training part
    of NAME_test and NAME_dev beside it. What was measured before is taken from a cache. If a task fails, its row says
    why, the others are measured, and the exit code is 1; so it is with a file that begins as a task and cannot be read.

    --against stands another system beside the bundle, on the same questions; it can be given several times. Of a bundle
    are taken the words and the encoder (or without one the SIF average); of a .npy file the rows: one for each token of
    the vocabulary, or, with one TASK of texts, one for each text, those of text_a before those of text_b. A function is
    imported from the module that is named, takes a list of texts, and returns a matrix with a row for each; an object
    that has 'encode' will do.

    \b
    embedpipe probe wiki.bundle
    embedpipe probe wiki.bundle simlex999 my_pairs.tsv --format json
    embedpipe probe wiki.bundle weat geometry
    embedpipe probe wiki.bundle bigram-shift topic --corpus news.txt
    embedpipe probe wiki.bundle my_labels.tsv --curves
    embedpipe probe wiki.bundle stsb.tsv --against old.bundle --against my_encoders:encode
    embedpipe probe wiki.bundle --suite all tasks/ -o results.md
    """
    from embedpipe.cli.progress import progress
    from embedpipe.loading import load
    from embedpipe.pipeline.probing import probe, probe_settings
    from embedpipe.probes.rivals import named_rivals
    from embedpipe.tasks.builtin import BUILTIN_TASKS, CORPUS_TASKS

    if suite is None and (workers is not None or no_cache or min_coverage is not None):
        raise click.UsageError("--workers, --no-cache and --min-coverage go with --suite")
    if suite is not None and (corpus is not None or curves):
        raise click.UsageError("--corpus and --curves go with tasks, not with --suite")
    if curves and no_leakage:
        raise click.UsageError("--no-leakage goes with figures; no leaks are looked for with --curves")
    check_output(output)
    opened = load(bundle)
    seed = opened.manifest.seed if seed is None else seed
    if suite is not None:
        chosen = SuiteOptions(
            suite, workers or 0, not no_cache, 0.3 if min_coverage is None else min_coverage, against, not no_leakage
        )
        run_suite(opened, tasks, probe_settings(opened, ()), seed, chosen, output, format_)
        return
    if folders := [task for task in tasks if Path(task).is_dir()]:
        raise InputError("is a folder; --suite words, sentences or all measures its task files", folders[0])
    rivals = named_rivals(against, load, opened.path)
    asked = tasks or (*BUILTIN_TASKS, *CORPUS_TASKS)
    with said_text(opened, corpus, asked) as text:
        needy = [task for task in asked if task in CORPUS_TASKS] if text is None else []
        if tasks and needy:
            raise InputError(
                f"the prepared text is not beside the bundle; the task '{needy[0]}' needs it, or another corpus: "
                "--corpus FOLDER or SOURCE"
            )
        if needy:
            say(f"left out: {', '.join(needy)}; the prepared text is not beside the bundle (--corpus FOLDER or SOURCE)")
        named = [task for task in asked if task not in needy]
        if curves:
            show_curves(opened, text, probe_settings(opened, named), seed, rivals, output, format_)
            return
        with progress() as listener:
            findings = probe(
                opened, named, against=rivals, corpus=text, leakage=not no_leakage, seed=seed, listener=listener
            )
    show_findings(opened, findings, output, format_)

"""``probe --suite``: all task files of some folders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embedpipe.cli.output import say
from embedpipe.cli.probe_output import show_findings

if TYPE_CHECKING:
    from embedpipe.config import ProbesConfig
    from embedpipe.loading import Bundle
    from embedpipe.tasks.suite import Suite, SuiteKind

__all__ = ["SuiteOptions", "run_suite", "suite_options"]

_OPTIONS = (
    click.option(
        "--suite",
        type=click.Choice(["words", "sentences", "all"]),
        help="Measure all task files of this kind in folders, which are named in place of tasks.",
    ),
    click.option(
        "--workers", type=click.IntRange(min=1), help="With --suite: so many processes.  [default: one for each core]"
    ),
    click.option("--no-cache", is_flag=True, help="With --suite: measure everything again, and keep nothing."),
    click.option(
        "--min-coverage",
        type=click.FloatRange(0, 1),
        help="With --suite: leave out texts of which a smaller share of the tokens is known.  [default: 0.3]",
    ),
)
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """What was asked of a suite: its kind, processes (0: one for each core), whether to use the cache, which share of
    the tokens of a text task must be known, what stands beside the bundle, and whether to look for leaks.
    """

    kind: "SuiteKind"
    workers: int
    cached: bool
    min_coverage: float
    against: tuple[str, ...]
    leakage: bool


def suite_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that go with a suite to a verb."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def run_suite(
    bundle: "Bundle",
    folders: Sequence[str],
    config: "ProbesConfig",
    seed: int,
    options: SuiteOptions,
    output: Path | None,
    format_: str,
) -> None:
    """Measure a suite and show what was found; files that are no tasks, and failures, are named on stderr.

    Raises
    ------
    InputError
        If there is no task of the kind in the folders.
    click.exceptions.Exit
        With code 1, after everything is shown, if a task failed.
    """
    from embedpipe.cli.progress import progress
    from embedpipe.pipeline.guard import leakage_guard
    from embedpipe.pipeline.probed_text import prepared_text
    from embedpipe.pipeline.suite import probe_suite
    from embedpipe.probes.cache import ProbeCache, cache_folder
    from embedpipe.probes.run import measure_settings
    from embedpipe.tasks.suite import read_suite

    if not folders:
        raise click.UsageError(f"--suite {options.kind} needs a folder that holds task files")
    suite = read_suite([Path(folder) for folder in folders], options.kind)
    _say_left_out(suite)
    settings = measure_settings(config, seed)
    cache = ProbeCache(cache_folder(bundle.path)) if options.cached else None
    guard = leakage_guard(bundle, prepared_text(bundle), config.leak_similarity, seed) if options.leakage else None
    with progress() as listener:
        outcome = probe_suite(
            bundle,
            suite,
            settings,
            workers=options.workers,
            cache=cache,
            min_coverage=options.min_coverage,
            guard=guard,
            against=options.against,
            listener=listener,
        )
    no_tasks = {str(path): reason for path, reason in suite.refused.items()}
    show_findings(bundle, outcome.findings, output, format_, no_tasks)
    if outcome.n_cached and cache is not None:
        say(
            f"{outcome.n_cached} of {len(suite.tasks)} tasks taken from {cache.folder} (--no-cache measures them again)"
        )
    if outcome.failed:
        n = len(suite.tasks) + len(suite.broken)
        say(f"{len(outcome.failed)} of {n} tasks failed: {', '.join(outcome.failed)}")
        click.get_current_context().exit(1)


def _say_left_out(suite: "Suite") -> None:
    if suite.n_other:
        say(f"{suite.n_other} tasks of another kind are left out (--suite all)")
    if suite.refused:
        say(f"{len(suite.refused)} files are no tasks and are left out:")
        for path, reason in list(suite.refused.items())[:_SHOWN]:
            say(f"  {path.name}: {reason}")
        if len(suite.refused) > _SHOWN:
            say(f"  and {len(suite.refused) - _SHOWN} more")

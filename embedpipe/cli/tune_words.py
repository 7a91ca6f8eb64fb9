"""``tune words``: settings of the words found by trying."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embedpipe.cli.options import format_option, given_settings, named_path, source_encoding_options
from embedpipe.cli.output import render, say
from embedpipe.cli.progress import progress

if TYPE_CHECKING:
    from embedpipe.config import PresetName
    from embedpipe.pipeline.tune_result import Tuned

__all__ = ["command", "seconds_of"]

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600}


def seconds_of(text: str) -> float:
    """Return a time such as ``90``, ``90s``, ``10m`` or ``1.5h`` in seconds.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> seconds_of("90"), seconds_of("1.5m")
    (90.0, 90.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip().lower())
    if found is None:
        raise ValueError(f"'{text}' is no time; give seconds, or a number with s, m or h, such as 10m")
    return float(found[1]) * _SECONDS[found[2]]


class _Time(click.ParamType[float]):
    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return seconds_of(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("words")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE", required=True, type=named_path, help="Settings to write, as TOML.")
@click.option(
    "--budget",
    type=_Time(),
    default="10m",
    show_default=True,
    help="No trial begins after it; the one that runs is finished.",
)
@click.option("--trials", type=click.IntRange(min=1), help="Most trials, those of earlier calls counted.")
@click.option(
    "--tasks",
    metavar="LIST",
    default="wordsim353,simlex999,analogies",
    show_default=True,
    help="Development sets: names or files of word pairs or analogies; '' for none.",
)
@click.option(
    "--preset", type=click.Choice(["auto", "tiny", "small", "medium", "base"]), help="Where to start.  [default: auto]"
)
@click.option("--config", "config_file", metavar="FILE", type=named_path, help="Settings as TOML.")
@click.option(
    "--set", "assignments", metavar="SECTION.KEY=VALUE", multiple=True, help="One setting, kept as it is; repeatable."
)
@click.option("--subwords", is_flag=True, help="Try character n-grams (fastText) too.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of every random choice. [default: 1]")
@source_encoding_options
@click.option("--download", is_flag=True, help="Allow sources to be fetched from the network.")
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    sources: tuple[str, ...],
    output: Path,
    budget: float,
    trials: int | None,
    tasks: str,
    preset: "PresetName | None",
    config_file: Path | None,
    assignments: tuple[str, ...],
    subwords: bool,
    seed: int | None,
    encoding: str | None,
    encoding_errors: str | None,
    download: bool,
    format_: str,
) -> None:
    """Search the settings of the words that do best on development data, within a time.

    The preset is tried first, then other architectures, widths, windows, negatives, epochs, subsampling and learning
    rates; on the vectors of each, several lists of post-processing steps. What is optimised is the mean of the
    tasks and of a probe on the validation split that needs no labels. A setting that is given is not searched.

    \b
    embedpipe tune words builtin:wikipedia -o best.toml --budget 10m
    embedpipe tune words news.txt.gz -o best.toml --tasks my_pairs.tsv --set words.dim=100 --trials 40
    embedpipe run news.txt.gz --config best.toml -o news.bundle

    FILE and the table of trials beside it are written after every trial, and after an interrupt the same command
    goes on. Needs Optuna: pip install 'embedpipe[tune]'.
    """
    from embedpipe.pipeline.tune import tune
    from embedpipe.settings import load_config

    chosen = {"text.encoding": encoding, "text.encoding_errors": encoding_errors}
    with progress() as listener:
        tuned = tune(
            sources,
            output,
            preset=preset,
            settings=load_config(config_file, [*assignments, *given_settings(chosen)]),
            tasks=[task.strip() for task in tasks.split(",") if task.strip()],
            subwords=subwords,
            seed=seed,
            budget=budget,
            trials=trials,
            download=download,
            listener=listener,
        )
    render(_rows(tuned), format_)
    for reason in tuned.left_out:
        say(f"left out: {reason}")
    _conclude(tuned, output)
    if tuned.interrupted:
        ctx.exit(130)


def _rows(tuned: "Tuned") -> list[dict[str, object]]:
    """Return one row for each trial, the best first."""
    return [
        {
            "trial": trial.number,
            "score": trial.score,
            **{name.replace(" ", "_"): value for name, value in trial.lists[0].figures.items()},
            "seconds": round(trial.seconds),
            **{name: f"{value:g}" if isinstance(value, float) else value for name, value in trial.words.items()},
            "steps": ", ".join(trial.lists[0].steps) or "none",
        }
        for trial in tuned.trials
    ]


def _conclude(tuned: "Tuned", output: Path) -> None:
    best, n_lists = tuned.best, sum(len(trial.lists) for trial in tuned.trials)
    say(f"optimised: {tuned.optimised}")
    say(
        f"the preset as it is (trial 0) {tuned.preset.score:.3f}, the best (trial {best.number}) {best.score:.3f}, "
        f"difference {best.score - tuned.preset.score:+.3f}"
    )
    say(
        f"the best of {n_lists} figures is higher than it would be again: judge the settings by other tasks (embedpipe "
        f"run SOURCE --config {output} -o BUNDLE, then embedpipe probe BUNDLE OTHER_TASK)"
    )

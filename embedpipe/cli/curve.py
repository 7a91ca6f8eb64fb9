"""The verb ``curve``: what more text would buy."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import format_option, given_settings, named_path, source_encoding_options
from embedpipe.cli.output import render, say
from embedpipe.cli.progress import progress

if TYPE_CHECKING:
    from embedpipe.config import PresetName
    from embedpipe.pipeline.curve import Curve
    from embedpipe.runtime import DeviceName

__all__ = ["command"]

_TOLD = ("kind", "n_tokens", "value", "low", "high")


@click.command("curve")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FOLDER", required=True, type=named_path, help="Folder to write.")
@click.option("--sizes", type=click.IntRange(min=4), default=4, show_default=True, help="Sizes, each half of the next.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Trainings of each size.")
@click.option(
    "--stages",
    metavar="LIST",
    default="words",
    show_default=True,
    help="What is trained: words, or words,sentences to measure the encoder and not the SIF average.",
)
@click.option(
    "--tasks",
    metavar="LIST",
    default="wordsim353,simlex999,analogies,lee,documents",
    show_default=True,
    help="Names or files.",
)
@click.option(
    "--preset",
    type=click.Choice(["auto", "tiny", "small", "medium", "base"]),
    help="Size of the models; auto chooses for each size of the text. [default: that of FILE, else auto]",
)
@click.option("--config", "config_file", metavar="FILE", type=named_path, help="Settings as TOML.")
@click.option("--set", "assignments", metavar="SECTION.KEY=VALUE", multiple=True, help="One setting; repeatable.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True, help="Of the first training.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@source_encoding_options
@click.option("--download", is_flag=True, help="Allow sources to be fetched from the network.")
@format_option
def command(
    sources: tuple[str, ...],
    output: Path,
    sizes: int,
    seeds: int,
    stages: str,
    tasks: str,
    preset: "PresetName | None",
    config_file: Path | None,
    assignments: tuple[str, ...],
    seed: int,
    device: "DeviceName",
    encoding: str | None,
    encoding_errors: str | None,
    download: bool,
    format_: str,
) -> None:
    """Train on 1/8, 1/4, 1/2 and all of a corpus, and say what more text would buy.

    Each size is a part of the next and is given the preset for its own size; what is held out is the same for all.
    Every figure is compared on the questions that all sizes can answer, and a power law (limit - scale *
    tokens^-exponent) is fitted to it. The intervals (95 %) hold the chance of the questions, of the training and of
    the law; gains are counted from what the law says of all of the text ("by the law"), and a figure that does not grow
    has none. Questions that all sizes can answer are about frequent words, for which little text is enough: what more
    text buys for rarer words stands in rows of their own, as coverage of all questions.

    \b
    embedpipe curve builtin:wikipedia -o wiki.curve
    embedpipe curve news.txt.gz -o news.curve --seeds 3 --tasks simlex999,my_pairs.tsv
    embedpipe curve news.txt.gz -o news.curve --stages words,sentences --sizes 5

    FOLDER keeps a bundle for each size, so that the same command goes on after an interrupt, and curve.json.
    """
    from embedpipe.pipeline.curve import curve
    from embedpipe.settings import load_config

    chosen = {"text.encoding": encoding, "text.encoding_errors": encoding_errors}
    with progress() as listener:
        found = curve(
            sources,
            output,
            sizes=sizes,
            seeds=seeds,
            tasks=[task.strip() for task in tasks.split(",") if task.strip()],
            stages=[stage.strip() for stage in stages.split(",") if stage.strip()],
            preset=preset,
            settings=load_config(config_file, [*assignments, *given_settings(chosen)]),
            seed=seed,
            device=device,
            download=download,
            listener=listener,
        )
    render(_shown(found) if format_ == "table" else _rows(found), format_)
    for task in found.tasks:
        if task.note:
            say(f"{task.task} {task.metric}: {task.note}")
    for line in found.advice:
        say(line)


def _rows(found: "Curve") -> list[dict[str, object]]:
    """Return one row for each figure and number of tokens: as measured, by the law, and as forecast."""
    whole = found.points[-1].n_tokens
    rows: list[dict[str, object]] = []
    for task in found.tasks:
        values = task.values or (math.nan,) * len(found.points)
        told: list[tuple[object, ...]] = [
            ("measured", at.n_tokens, value, None, None) for at, value in zip(found.points, values, strict=True)
        ]
        if task.grows:
            told.append(("law", whole, task.by_law, None, None))
            told += [("forecast", round(one.times * whole), one.value, one.low, one.high) for one in task.forecasts]
        about = {"task": task.task, "metric": task.metric, "n": task.n or None}
        rows += [{**about, **dict(zip(_TOLD, one, strict=True))} for one in told]
    return rows


def _shown(found: "Curve") -> list[dict[str, object]]:
    """Return one row for each figure: its questions, the value at each size, and the forecasts."""
    rows = []
    for task in found.tasks:
        values = task.values or (math.nan,) * len(found.points)
        row: dict[str, object] = {"task": task.task, "metric": task.metric, "n": task.n or ""}
        row |= {f"{point.n_tokens:,}": value for point, value in zip(found.points, values, strict=True)}
        row["by the law"] = task.by_law if task.grows else math.nan
        for times, name in ((2.0, "twice"), (8.0, "eight times")):
            made = next((one for one in task.forecasts if one.times == times and task.grows), None)
            row[name] = made.value if made else math.nan
            row[f"{name} [95 %]"] = f"[{made.low:.3f}, {made.high:.3f}]" if made and math.isfinite(made.low) else None
        rows.append(row)
    return rows

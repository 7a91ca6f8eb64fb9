"""The verb ``ladder``: from counts to networks on one corpus and one budget of seconds."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import format_option, given_settings, named_path, source_encoding_options
from embedpipe.cli.output import render, say
from embedpipe.cli.progress import progress

if TYPE_CHECKING:
    from embedpipe.config import PresetName
    from embedpipe.pipeline.ladder_result import Ladder
    from embedpipe.pipeline.ladder_rungs import Rung
    from embedpipe.runtime import DeviceName

__all__ = ["command"]

_FIGURES = (
    *("perplexity", "low", "high", "change", "change_low", "change_high", "p_value", "p_corrected"),
    *("seconds", "tokens_per_second", "n_parameters", "untrained_kept"),
)


@click.command("ladder")
@click.argument("sources", metavar="SOURCE...", nargs=-1)
@click.option("-o", "--output", metavar="FOLDER", type=named_path, help="Folder to write.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60,
    show_default=True,
    help="Of training, for each rung and seed.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Trainings of each rung.")
@click.option(
    "--rungs",
    metavar="LIST",
    default="all",
    show_default=True,
    help="Names of rungs or groups, with commas: --list shows them.",
)
@click.option("--list", "listed", is_flag=True, help="Explain the rungs, and train nothing.")
@click.option(
    "--preset",
    type=click.Choice(["auto", "tiny", "small", "medium", "base"]),
    help="Size of the models. [default: that of FILE, else auto]",
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
    output: Path | None,
    seconds: float,
    seeds: int,
    rungs: str,
    listed: bool,
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
    """Train language models of growing skill on one corpus for the same seconds, and say what each step is worth.

    Rungs lead from counts of words over a plain recurrent network to the AWD-LSTM and a small Transformer; others
    change one thing about the AWD-LSTM, as teachers advise: more parameters, dropout, L1 and L2, augmentation, learning
    rate, batch size, word vectors. All see the same text and vocabulary, and all are measured on the same held-out
    words. Lower perplexity is better. The base is the AWD-LSTM: --set changes it, and so every rung that changes one
    thing about it.

    \b
    embedpipe ladder --list
    embedpipe ladder builtin:wikipedia -o wiki.ladder --seconds 20 --seeds 2
    embedpipe ladder news.txt.gz -o news.ladder --rungs ladder,wide,no-dropout --set generation.hidden=512

    FOLDER keeps finished rungs, so that the same command goes on after an interrupt, and the results as ladder.json,
    ladder.md and ladder.html with plots of perplexity against seconds.
    """
    if listed:
        from embedpipe.pipeline.ladder_rungs import RUNGS

        if format_ == "table":
            click.echo("\n\n".join(map(_explained, RUNGS.values())))
            return
        kept = ("name", "group", "against", "explains", "source")
        render([{name: getattr(rung, name) or None for name in kept} for rung in RUNGS.values()], format_)
        return
    if not sources:
        raise click.UsageError("name a SOURCE to train on, or --list to read what the rungs are")
    if output is None:
        raise click.UsageError("name a folder to write with -o, such as -o wiki.ladder")
    from embedpipe.pipeline.ladder import ladder
    from embedpipe.pipeline.ladder_write import known_lines, shown_rows, spoken_conditions
    from embedpipe.settings import load_config

    chosen = {"text.encoding": encoding, "text.encoding_errors": encoding_errors}
    with progress() as listener:
        found = ladder(
            sources,
            output,
            rungs=[name.strip() for name in rungs.split(",") if name.strip()],
            seconds=seconds,
            seeds=seeds,
            preset=preset,
            settings=load_config(config_file, [*assignments, *given_settings(chosen)]),
            seed=seed,
            device=device,
            download=download,
            listener=listener,
        )
    render(shown_rows(found) if format_ == "table" else _rows(found), format_)
    for line in (*known_lines(found), *(step.says for step in found.steps if step.against)):
        say(line)
    for line in spoken_conditions(found.conditions):
        say(line)
    say(f"written: {output / 'ladder.html'}")


def _rows(found: "Ladder") -> list[dict[str, object]]:
    """Return one row for each rung, its figures as ``ladder.json`` names them."""
    return [
        {"rung": step.rung.name, "against": step.against or None, **{name: getattr(step, name) for name in _FIGURES}}
        for step in found.steps
    ]


def _explained(rung: "Rung") -> str:
    """Return what a rung is in lines that fit on a screen."""
    against = f", compared with {rung.against}" if rung.against else ""
    text = click.wrap_text(f"{rung.explains} ({rung.source})", 88, "    ", "    ")
    return f"{rung.name} ({rung.group}{against})\n{text}"

"""``tune lr``: a learning rate, or a batch, found by a few steps of training."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import bundle_argument, format_option, named_path
from embedpipe.cli.output import render, say
from embedpipe.cli.progress import progress

if TYPE_CHECKING:
    from embedpipe.nn.search import BatchTest, RateTest
    from embedpipe.pipeline.tune_rate import TunedStage
    from embedpipe.runtime import DeviceName

__all__ = ["command"]

_ROWS_OF_TABLE = 20


@click.command("lr")
@bundle_argument
@click.option(
    "--stage",
    type=click.Choice(["sentences", "generation"]),
    default="sentences",
    show_default=True,
    help="What is trained.",
)
@click.option("--batch", is_flag=True, help="Find the batch instead.")
@click.option(
    "--steps", type=click.IntRange(min=10), default=100, show_default=True, help="Learning rates, each for one step."
)
@click.option("-o", "--output", metavar="FILE", type=named_path, help="Settings to write, as TOML.")
@click.option("--set", "assignments", metavar="SECTION.KEY=VALUE", multiple=True, help="One setting; repeatable.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@format_option
def command(
    bundle: Path,
    stage: "TunedStage",
    batch: bool,
    steps: int,
    output: Path | None,
    assignments: tuple[str, ...],
    device: "DeviceName",
    format_: str,
) -> None:
    """Find the learning rate, or with --batch the batch, of the encoder or the generator of BUNDLE.

    The rate rises from 1e-6 to 1, one step each, on the text that the bundle was made from (it must lie in
    BUNDLE.work); where the loss falls fastest is the suggestion (Smith, 2017). A batch is doubled until memory runs out
    or a larger one is hardly faster. The bundle is not changed.

    \b
    embedpipe tune lr wiki.bundle -o rate.toml
    embedpipe tune lr wiki.bundle --batch --device cuda
    embedpipe run builtin:wikipedia --config rate.toml -o better.bundle
    """
    from embedpipe.pipeline.tune_rate import check_output, tune_batch, tune_rate, write_settings
    from embedpipe.settings import load_config

    if output is not None:
        check_output(output)
    settings = load_config(None, assignments)
    with progress() as listener:
        if batch:
            sizes, config = tune_batch(bundle, stage=stage, settings=settings, device=device, listener=listener)
        else:
            rates, config = tune_rate(
                bundle, stage=stage, settings=settings, steps=steps, device=device, listener=listener
            )
    found = _show_sizes(sizes, stage, format_) if batch else _show_rates(rates, stage, format_)
    say(found)
    if output is not None:
        write_settings(output, config, found)
        say(f"written to {output}: embedpipe run SOURCE --config {output} -o BUNDLE")


def _show_rates(test: "RateTest", stage: str, format_: str) -> str:
    rows = [{"rate": rate, "loss": loss} for rate, loss in zip(test.rates.tolist(), test.losses.tolist(), strict=True)]
    if format_ == "table":
        shown = rows[:: max(len(rows) // _ROWS_OF_TABLE, 1)]
        render([{"rate": f"{row['rate']:.1e}", "loss": row["loss"]} for row in shown], format_)
    else:
        render(rows, format_)
    above = "above it diverges" if test.diverged else "no higher one was better"
    return (
        f"{stage}.learning_rate: {test.suggested:.1e}, where the loss falls fastest (it falls from {test.lowest:.1e} "
        f"on and is lowest at {test.highest:.1e}; {above})"
    )


def _show_sizes(test: "BatchTest", stage: str, format_: str) -> str:
    render(
        [
            {
                "batch": one.batch,
                "rows_per_second": one.per_second,
                "memory_mib": one.memory / 2**20,
                "outcome": one.outcome,
            }
            for one in test.tried
        ],
        format_,
    )
    return f"{stage}.batch: {test.suggested} ({test.reason})"

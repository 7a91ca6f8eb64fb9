"""The option ``--tensorboard``: what is told of a training, written for TensorBoard beside being shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import named_path

if TYPE_CHECKING:
    from embedpipe.runtime import Event, Listener

__all__ = ["plots_option", "plotted"]

plots_option = click.option(
    "--tensorboard", "plots", metavar="FOLDER", type=named_path, help="Write losses and scores for TensorBoard there."
)


@contextmanager
def plotted(folder: Path | None, listener: "Listener") -> Iterator["Listener"]:
    """Yield a listener that tells `listener`, and writes to `folder` where there is one."""
    if folder is None:
        yield listener
        return
    from embedpipe.integrations.tensorboard import Plots

    with Plots(folder) as plots:

        def both(event: "Event") -> None:
            listener(event)
            plots(event)

        yield both

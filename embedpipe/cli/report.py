"""The verb ``report``: write the report of a bundle again."""

from pathlib import Path

import click

from embedpipe.cli.options import bundle_argument, named_path
from embedpipe.cli.output import say

__all__ = ["command"]


@click.command("report")
@bundle_argument
@click.option("-o", "--output", type=named_path, required=True, help="The HTML file to write, outside the bundle.")
def command(bundle: Path, output: Path) -> None:
    """Write the report of a bundle again: one HTML file that opens from disk.

    A bundle holds its report already. This is for one whose report has no maps, because plotly was not installed when
    it was made, or that an older version made. Nothing is measured again.

    \b
    embedpipe report wiki.bundle -o wiki.html
    """
    from embedpipe.loading import load
    from embedpipe.pipeline.report_again import report_again

    report_again(load(bundle), output)
    say(f"saved {output}")

"""Options and arguments that several verbs share."""

from pathlib import Path

import click

__all__ = ["bundle_argument", "format_option"]

bundle_argument = click.argument("bundle", metavar="BUNDLE", type=click.Path(path_type=Path))

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "jsonl", "csv"]),
    default="table",
    show_default=True,
    help="How rows are written to stdout.",
)

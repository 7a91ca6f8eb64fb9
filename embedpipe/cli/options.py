"""Options and arguments that several verbs share."""

from pathlib import Path
from typing import Any

import click

__all__ = ["bundle_argument", "format_option", "named_path"]


class _NamedPath(click.Path):
    """A path that has a name: the empty string, often a variable that is not set, would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the name is empty; is a variable not set?", param, ctx)
        return super().convert(value, param, ctx)


named_path = _NamedPath(path_type=Path)

bundle_argument = click.argument("bundle", metavar="BUNDLE", type=named_path)

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "jsonl", "csv"]),
    default="table",
    show_default=True,
    help="How rows are written to stdout.",
)

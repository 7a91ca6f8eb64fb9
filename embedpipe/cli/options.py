"""Options and arguments that several verbs share."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = [
    "bundle_argument",
    "encoding_option",
    "format_option",
    "given_settings",
    "named_path",
    "source_encoding_options",
]

Function = TypeVar("Function", bound=Callable[..., Any])


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

encoding_option = click.option(
    "--encoding",
    metavar="NAME",
    help="Encoding of the text, such as gb18030, shift_jis, cp1252 or utf-16.  [default: utf-8]",
)


def source_encoding_options(function: Function) -> Function:
    """Add ``--encoding`` and ``--encoding-errors``, for verbs that read any SOURCE."""
    errors = click.option(
        "--encoding-errors",
        type=click.Choice(["strict", "replace", "ignore"]),
        help="What to do with bytes that are not in the encoding.  [default: strict]",
    )
    return encoding_option(errors(function))


def given_settings(options: Mapping[str, object]) -> list[str]:
    """Return the options that were given, by the setting that each is short for, as ``--set`` takes them.

    >>> given_settings({"text.encoding": "big5", "words.runs": None})
    ['text.encoding="big5"']
    """
    return [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in options.items() if value is not None]

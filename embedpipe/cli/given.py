"""Which options were given, and what is said where they contradict each other or the library refuses one."""

import re
from collections.abc import Sequence

import click
from click.core import ParameterSource

from embedpipe.errors import ConfigError

__all__ = ["Verb", "given_flags", "refuse"]


class Verb(click.Command):
    """A verb whose errors name options as they are typed: ``--min-tokens`` where the library says ``min_tokens``."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            message = str(error)
            for name, flag in _flags(ctx).items():
                # A name of one word may stand in a sentence as a word; where it begins one, the option is meant.
                message = re.sub(rf"\b{name}\b" if "_" in name else rf"\A{name}\b", flag, message)
            raise ConfigError(message) from error


def given_flags(ctx: click.Context) -> dict[str, str]:
    """Return the options that were given, as they are typed, by the name of their parameter."""
    return {name: flag for name, flag in _flags(ctx).items() if _is_given(ctx, name)}


def refuse(ctx: click.Context, one: str, others: Sequence[str], why: str) -> None:
    """Raise a usage error where an option was given beside one of others that it leaves without meaning.

    Parameters
    ----------
    one, others : names of parameters.
    why : they contradict each other.
    """
    given = given_flags(ctx)
    if one in given and (met := [given[name] for name in others if name in given]):
        raise click.UsageError(f"{given[one]} and {met[0]} contradict each other: {why}")


def _flags(ctx: click.Context) -> dict[str, str]:
    return {
        param.name: param.opts[0] if isinstance(param, click.Option) else param.human_readable_name
        for param in ctx.command.params
        if param.name
    }


def _is_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is not ParameterSource.DEFAULT

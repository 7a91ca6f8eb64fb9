"""The verb ``tune``: settings found by trying them."""

import click

from embedpipe.cli import tune_rate, tune_words

__all__ = ["command"]


class _WordsByDefault(click.Group):
    """Takes what names none of its commands for ``words`` and its arguments: ``embedpipe tune SOURCE... -o FILE``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["words", *args]
        return super().parse_args(ctx, args)


@click.group("tune", cls=_WordsByDefault)
def command() -> None:
    """Find settings by trying them, and write them as TOML for: embedpipe run --config FILE.

    \b
    embedpipe tune words SOURCE... -o best.toml --budget 10m      also without the word 'words'
    embedpipe tune lr wiki.bundle -o rate.toml
    """


command.add_command(tune_words.command)
command.add_command(tune_rate.command)

"""The command line: one file per verb, which parses, calls one library function and renders."""

import errno
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from types import FrameType
from typing import NoReturn

import click

from embedpipe.errors import EmbedpipeError

__all__ = ["cli", "main"]

_VERBS = {
    "run": "Raw text in, a verified bundle out: the main job.",
    "train": "Go on training a part of a bundle, on data of your own.",
    "curve": "What more text would buy: growing parts of a corpus, and a power law.",
    "ladder": "Language models from counts to networks: what each step is worth, in equal seconds.",
    "tune": "Settings found by trying: of the words on a budget, learning rates and batches.",
    "similar": "The nearest words to a word, or to a sum and difference of words.",
    "analogy": "A is to B as C is to what?",
    "compare": "Two words or two sentences: how near, and what makes them so.",
    "encode": "Sentences to vectors, one line each.",
    "generate": "Continue a prompt, or write from nothing.",
    "score": "How probable a text is to the generator, token by token if asked.",
    "sample": "Sentences from the generative model: new ones, near one, or with an attribute.",
    "interpolate": "The sentences on the way from one to another.",
    "probe": "Measure a bundle on tasks, beside baselines and with intervals.",
    "diff": "Which of two bundles is better, where, and how sure that is.",
    "report": "The report of a bundle written again, as one page that opens from disk.",
    "info": "What is in a bundle, and how good it is.",
    "verify": "Check every file of a bundle against its manifest.",
    "export": "Word vectors for other programs.",
    "import": "Word vectors of other programs as a bundle.",
    "corpora": "The catalogue of known corpora.",
    "tasks": "The catalogue of public tasks, and fetching them.",
}


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Verbs(click.Group):
    """Verbs are imported only when they are used, so that help and queries start at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _VERBS:
            return None
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = import_module(f"embedpipe.cli.{module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="embedpipe", prog_name="embedpipe")
@click.option("--debug", is_flag=True, help="Show a traceback when something goes wrong.")
def cli(debug: bool) -> None:
    """Raw text in; word vectors, a sentence encoder and a text generator out, in one bundle.

    \b
    embedpipe run builtin:wikipedia -o wiki.bundle
    embedpipe similar wiki.bundle physics
    """


def main() -> NoReturn:
    """Run the command line; errors are one message on stderr.

    Exit codes are 0, 1 for an error, 2 for wrong usage, 3 where ``diff --fail-if-worse`` finds a loss, 130 interrupted.
    """
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    interrupts: list[int] = []

    def interrupted(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the interface of signals
        interrupts.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupted)
    code = _flushed(_outcome(debug, interrupts))
    # An interrupt can change nothing any more; while the interpreter ends it would only print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def _outcome(debug: bool, interrupts: Sequence[int]) -> int:
    """Run a verb and return its exit code; `interrupts` fills with what the user has sent meanwhile."""
    stdout = sys.stdout
    try:
        # Outside its standalone mode click returns the code that a verb gave to `ctx.exit`, and None otherwise.
        return cli.main(standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        if debug:
            raise
        return _say_interrupted()
    except SystemExit:
        # click wraps stdout and exits with 1 when its reader has closed the pipe.
        if sys.stdout is stdout:
            raise
        _drop_output()
        return 0
    except BrokenPipeError:
        _drop_output()
        return 0
    except (EmbedpipeError, OSError, MemoryError) as error:
        if debug:
            raise
        _complain(_describe(error))
        return getattr(error, "exit_code", 1)
    except Exception as error:
        if debug:
            raise
        if interrupts:  # one came while a library was imported, which made another error of it
            return _say_interrupted()
        what = " ".join(str(error).split())
        _complain(
            f"unexpected {type(error).__name__}: {what}; this is a fault of embedpipe, "
            "run again with --debug for the traceback"
        )
        return 1


def _say_interrupted() -> int:
    keeps = sys.argv[1:2] in (["run"], ["tune"], ["train"], ["ladder"]) and sys.argv[1:3] != ["tune", "lr"]
    keeps = keeps or (sys.argv[1:2] == ["probe"] and "--suite" in sys.argv and "--no-cache" not in sys.argv)
    goes_on = "; the same command goes on from what is finished" if keeps else ""
    _complain(f"interrupted{goes_on}")
    return 130


def _flushed(code: int) -> int:
    """Write what stdout still holds, and return `code`, or 1 where it cannot be written."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
    except OSError as error:
        if not code:
            _complain(f"standard output: cannot be written: {error.strerror or error}")
        _drop_output()
        return code or 1
    return code


def _drop_output() -> None:
    """Let what is still held for stdout and stderr go nowhere, so that the interpreter can end in peace."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)


def _describe(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "out of memory: use a smaller preset, a smaller text.max_size or fewer dimensions"
    if isinstance(error, OSError) and error.strerror:
        hint = ": free some space and run the same command again" if error.errno in _NO_SPACE else ""
        return f"{error.filename or 'a read or write failed'}: {error.strerror}{hint}"
    return str(error) or type(error).__name__


def _complain(message: str) -> None:
    click.echo(f"Error: {message}", err=True)

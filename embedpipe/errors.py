"""Every error and warning that embedpipe raises on purpose.

::

    EmbedpipeError            exit code 1; the message says what, where, what was expected, what to do next
    ├── InputError            a source or a task file cannot be read as what it claims to be (path:line)
    ├── NotEnoughDataError    the corpus is too small for what was asked of it
    ├── ConfigError           a setting is unknown or has a wrong value (exit code 2)
    ├── OutputError           an output exists already and was made from something else, or cannot be written
    ├── BundleError           a bundle is missing, damaged, foreign or newer than this program
    ├── UnknownWordError      a query names a word that is not in the vocabulary (near spellings attached)
    ├── DeviceError           the GPU is too small or was lost; what is kept and how to go on
    └── MissingExtraError     an optional dependency is not installed (also an ImportError)

    EmbedpipeWarning          something was counted and reported, nothing was lost
"""

from collections.abc import Sequence
from pathlib import Path

__all__ = [
    "BundleError",
    "ConfigError",
    "DeviceError",
    "EmbedpipeError",
    "EmbedpipeWarning",
    "InputError",
    "MissingExtraError",
    "NotEnoughDataError",
    "OutputError",
    "UnknownWordError",
]


class EmbedpipeError(Exception):
    """Base of all errors that a user can act on; `exit_code` is what the command line exits with."""

    exit_code = 1


class InputError(EmbedpipeError):
    """A source that cannot be read as what it claims to be.

    Parameters
    ----------
    message : what is wrong, what was expected and what to do next.
    path : the file or source at fault.
    line : 1-based line number, where one is known.
    """

    def __init__(self, message: str, path: str | Path | None = None, line: int | None = None) -> None:
        self.path, self.line = path, line
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(where + message)


class NotEnoughDataError(EmbedpipeError):
    """The corpus is too small for what was asked of it."""


class ConfigError(EmbedpipeError):
    """A setting is unknown or has a wrong value."""

    exit_code = 2


class OutputError(EmbedpipeError):
    """An output that exists already and was made from something else, or that cannot be written."""


class BundleError(EmbedpipeError):
    """A bundle that is missing, damaged, foreign or newer than this program."""


class DeviceError(EmbedpipeError):
    """A device that has too little memory or no longer answers."""


class UnknownWordError(EmbedpipeError):
    """A query names a word that is not in the vocabulary.

    Parameters
    ----------
    word : the unknown word.
    near : spellings in the vocabulary that are close to it, best first.
    why : what keeps the word from being found.
    """

    def __init__(self, word: str, near: Sequence[str] = (), why: str = "is not in the vocabulary") -> None:
        self.word, self.near = word, tuple(near)
        if near:
            hint = f"; near spellings: {', '.join(near)}"
        else:
            hint = "" if _several_words(word) else "; ask for a word that the text of the bundle holds"
        super().__init__(f"'{word}' {why}{_several_words(word)}{hint}")


def _several_words(word: str) -> str:
    """Return what to do where `word`, which was not found, is several words; an empty string where it is one.

    >>> _several_words("york"), _several_words("new york")
    ('', '; it is several words: ask for each of them without quotes (new york); text.phrases=pairs makes one of them')
    """
    parts = " ".join(word.split())
    if " " not in parts:
        return ""
    return f"; it is several words: ask for each of them without quotes ({parts}); text.phrases=pairs makes one of them"


class MissingExtraError(EmbedpipeError, ImportError):
    """An optional dependency is not installed.

    Parameters
    ----------
    package : the name of the package that could not be imported.
    extra : the extra of embedpipe that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(f'this needs {package}, which is not installed: pip install "embedpipe[{extra}]"')


class EmbedpipeWarning(UserWarning):
    """Something was counted and reported; nothing was lost."""

"""What every reader takes and gives: options in, documents out."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

__all__ = ["MAX_CHARACTERS", "Document", "ReadOptions", "did_you_mean"]

MAX_CHARACTERS = 1_000_000
"""Longest text of one document; a longer one is handed on in parts."""


@dataclass(frozen=True, slots=True)
class Document:
    """A piece of text that belongs together; a line end inside it is a hard sentence boundary.

    Parameters
    ----------
    text : not empty, at most `MAX_CHARACTERS` long, line ends are ``\\n``.
    origin : the file or corpus it comes from, with the entry where that has a name.
    part : 0 for a whole document and for the first part of a longer one, 1 for its second, and so on.
    """

    text: str
    origin: str
    part: int = 0


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How sources are read.

    Parameters
    ----------
    encoding : of files that hold text.
    encoding_errors : what happens to bytes that are not text in that encoding; ``strict`` stops with their place.
    documents : what separates documents in plain text: ``blank`` lines, ``line`` ends, nothing but the ``file``; or
        ``auto``, which is ``file`` for ten or more small files of one directory or glob, ``blank`` where the
        first megabyte of a file holds a blank line between text, and ``line`` otherwise.
    download : whether ``nltk:``, ``gensim:`` and ``hf:`` may use the network.
    exclude : resolved paths that are no input, whatever stands there: what the run itself writes. Folders and globs
        pass them over; a source that names one is refused.
    spool : folder in which standard input is kept, so that it can be fingerprinted and read again; a temporary one
        that lasts as long as the process when None.
    read : filled by the readers: how many bytes of each file were read so far, before decompression.
    skipped : filled by the readers: what was passed over and how often, such as ``{"redirects": 3}``.
    notes : filled by the readers: what was taken for granted of a source, such as what separates its columns.
    """

    encoding: str = "utf-8"
    encoding_errors: Literal["strict", "replace", "ignore"] = "strict"
    documents: Literal["auto", "blank", "line", "file"] = "auto"
    download: bool = False
    exclude: tuple[Path, ...] = ()
    spool: Path | None = None
    read: Counter[Path] = field(default_factory=Counter, compare=False)
    skipped: Counter[str] = field(default_factory=Counter, compare=False)
    notes: list[str] = field(default_factory=list, compare=False)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known word nearest to `word`, or an empty string.

    >>> did_you_mean("wikipedai", ["wikipedia", "lee"])
    "; did you mean 'wikipedia'?"
    """
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""

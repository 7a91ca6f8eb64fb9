"""The text behind a bundle, for the verbs that show evidence: what the run left beside it, or any source."""

import shlex
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from embedpipe.bundle.folder import work_folder
from embedpipe.cli.output import say
from embedpipe.errors import BundleError
from embedpipe.loading import text_beside

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedpipe.loading import Bundle

__all__ = ["Corpus", "corpus_of", "text_option", "window_option"]

text_option = click.option(
    "--text",
    "sources",
    metavar="SOURCE",
    multiple=True,
    help="Text to take the evidence from, as `run` takes it; may be repeated. [default: what lies in BUNDLE.work]",
)
window_option = click.option(
    "--window", type=click.IntRange(1, 1_000), help="Places to each side. [default: as the words were trained]"
)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Text to look for words in: a name for it, its ids in pieces of whole sentences, the width of a context."""

    name: str
    pieces: "Iterator[NDArray[np.uint32]]"
    window: int


def corpus_of(bundle: "Bundle", sources: Sequence[str], window: int | None) -> Corpus | None:
    """Return the text that the bundle was trained on, or `sources`; None, said on stderr, where there is neither.

    Raises
    ------
    BundleError
        If the text beside the bundle was prepared for another one, or the bundle does not say how wide its window is.
    """
    from embedpipe.text.pieces import load_splitter, store_pieces, text_pieces

    text = None if sources else text_beside(bundle)
    if not sources and text is None:
        command, imported = bundle.manifest.command, "vectors" in bundle.manifest.corpus
        again = "" if imported else f", or run this again: {_beside(command, str(bundle.path))}"
        say(
            f"{work_folder(bundle.path) / 'text'}: is not there, so contexts and lines are left out; name the text "
            f"with --text SOURCE{again}"
        )
        return None
    settings = _settings(bundle)
    width = window or _window(bundle, settings)
    if text is not None:
        return Corpus(str(text.path / "train"), store_pieces(text.train), width)
    from embedpipe.text.read_types import ReadOptions

    how = {k: v for k, v in settings.get("text", {}).items() if k in ("encoding", "encoding_errors", "documents")}
    splitter = load_splitter(bundle.parts.file("tokenizer_spec.json", "text"))
    return Corpus(", ".join(sources), text_pieces(sources, bundle.codec, splitter, ReadOptions(**how)), width)


def _beside(command: str, bundle: str) -> str:
    """Return a command of the command line with `bundle` for its output, which leaves its text beside that.

    >>> _beside("embedpipe run 'a b.txt' -o /old/a.bundle --stages text,words", "new/a.bundle")
    "embedpipe run 'a b.txt' -o new/a.bundle --stages text,words"
    >>> _beside("embedpipe.run(['a.txt'], 'a.bundle')", "new/a.bundle")
    "embedpipe.run(['a.txt'], 'a.bundle')"
    """
    if not command.startswith("embedpipe run "):
        return command
    words = shlex.split(command)
    for i, word in enumerate(words):
        if word in ("-o", "--output") and i + 1 < len(words):
            words[i + 1] = bundle
        elif word.startswith("--output="):
            words[i] = f"--output={bundle}"
    return shlex.join(words)


def _settings(bundle: "Bundle") -> dict[str, Any]:
    if "config.toml" not in bundle.parts:
        return {}
    file = bundle.parts.file("config.toml", "text")
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{file}: is not TOML: {error}; make the bundle again") from error


def _window(bundle: "Bundle", settings: dict[str, Any]) -> int:
    try:
        return int(settings["words"]["window"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{bundle.path}: does not say how wide the window of its words is; give --window") from error

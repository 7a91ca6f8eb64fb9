"""What a user names to stand beside a bundle: another bundle, a matrix, or anything that turns texts into vectors."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.bundle.folder import sha256_of
from embedpipe.bundle.manifest import MANIFEST_NAME
from embedpipe.errors import InputError
from embedpipe.probes.baselines import Rival, Subject
from embedpipe.probes.rows import Row
from embedpipe.probes.subject import BundleLike, subject_of
from embedpipe.tasks.shapes import Classification, DocumentSimilarity, Inference, SentenceSimilarity, Task
from embedpipe.words.bag import BagEncoder, plain_average
from embedpipe.words.table import WordVectors

__all__ = ["CheckedEncoder", "Encode", "named_rivals", "read_rival", "rival_fingerprint", "texts_of", "with_rivals"]

Vectors = NDArray[np.float32]
Encode = Callable[[list[str]], Any]
"""Texts to a matrix with a row for each; what comes back is checked."""

_FORMS = "expected the folder of a bundle, a .npy file, or package.module:function"
_TAKEN = (
    "words",
    "encoder",
    "SIF average",
    "plain average",
    "random encoder",
    "random vectors",
    "random word",
    "spelling",
    "majority",
    "tf-idf",
    "tf-idf of text_b alone",
)


def named_rivals(
    specs: Sequence[str], open_bundle: Callable[[Path], BundleLike], beside: Path | None = None
) -> dict[str, object]:
    """Return what the command line names, by the name that it has in tables.

    That is the last part of a path; where two would be named alike, with the folder that it lies in, and where that is
    not enough the whole.

    Parameters
    ----------
    specs : as `read_rival` takes them.
    open_bundle : opens the folder of a bundle.
    beside : the bundle that they stand beside, whose name none of them has.
    """
    short = [Path(spec).name for spec in specs]
    taken = [*short, "" if beside is None else beside.resolve().name]
    longer = [_in_folder(spec) if taken.count(name) > 1 else name for name, spec in zip(short, specs, strict=True)]
    names = [spec if longer.count(name) > 1 else name for name, spec in zip(longer, specs, strict=True)]
    return {name: read_rival(spec, open_bundle) for name, spec in zip(names, specs, strict=True)}


def _in_folder(spec: str) -> str:
    path = Path(spec)
    return "/".join(path.resolve().parts[-2:]) if path.exists() else spec


def read_rival(spec: str, open_bundle: Callable[[Path], BundleLike]) -> object:
    """Return the bundle, the matrix or the callable that `spec` names.

    Parameters
    ----------
    spec : the folder of a bundle; a ``.npy`` file; or ``package.module:name``, which is imported, from the current
        folder too.
    open_bundle : opens the folder of a bundle.

    Raises
    ------
    InputError
        If it is none of these or cannot be read.
    """
    path = Path(spec)
    if path.is_dir():
        return open_bundle(path)
    if path.is_file():
        return _read_matrix(path)
    module, colon, name = spec.partition(":")
    if colon and all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
        return _imported(spec, module, name)
    raise InputError(f"no such file or folder, and no name of a function; {_FORMS}", spec)


def rival_fingerprint(spec: str) -> str | None:
    """Return a hash of what `spec` names; None for a function, which may give something else the next time."""
    path = Path(spec)
    if path.is_dir() and (path / MANIFEST_NAME).is_file():
        return sha256_of(path / MANIFEST_NAME)
    return sha256_of(path) if path.is_file() else None


def with_rivals(subject: Subject, named: Mapping[str, object], tasks: Sequence[Task | Row]) -> Subject:
    """Return the subject with rivals.

    Parameters
    ----------
    subject : what is probed.
    named : by the name for tables, a `Rival`; a bundle (its words, and its encoder or else its SIF average); word
        vectors; a float matrix with one row for each token of the subject's vocabulary (words, and their plain average)
        or for each text of the only task, in the order of `texts_of`; an object with ``encode``; or a callable that
        takes a list of texts.
    tasks : what will be measured.

    Raises
    ------
    InputError
        For a name that a baseline has, a matrix of another number of rows, or anything else.
    """
    for name in named:
        if name in _TAKEN:
            raise InputError(f"'{name}' is the name of a system that stands in every table; give the rival another")
    asked = [task for task in tasks if not isinstance(task, Row)]
    return replace(subject, against={name: _rival(name, thing, asked, subject) for name, thing in named.items()})


def texts_of(task: Task) -> list[str]:
    """Return the texts of a task, those of the first column before those of the second; none of a task of words.

    >>> texts_of(SentenceSimilarity("t", ["a", "b"], ["c", "d"], np.zeros(2)))
    ['a', 'b', 'c', 'd']
    """
    if isinstance(task, SentenceSimilarity | Inference):
        return [*task.texts_a, *task.texts_b]
    return list(task.texts) if isinstance(task, Classification | DocumentSimilarity) else []


@dataclass(frozen=True)
class CheckedEncoder:
    """An encoder from outside; what it returns is made float32, or refused under its name.

    Examples
    --------
    >>> CheckedEncoder("lengths", lambda texts: [[len(text)] for text in texts]).encode(["a", "bcd"]).tolist()
    [[1.0], [3.0]]
    """

    name: str
    function: Encode

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 of shape (n, dim).

        Raises
        ------
        InputError
            If the function fails or returns anything but a finite number for each text and dimension.
        """
        try:
            found = self.function(list(texts))
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise InputError(f"'{self.name}' failed on {len(texts):,} texts: {reason}") from error
        return _checked(self.name, found, len(texts))


@dataclass(frozen=True)
class _GivenRows:
    """The vectors of the texts of one task, looked up by text."""

    name: str
    rows: Mapping[str, int]
    matrix: Vectors

    def encode(self, texts: Sequence[str]) -> Vectors:
        unknown = [text for text in texts if text not in self.rows]
        if unknown:
            raise InputError(
                f"'{self.name}' has rows for the texts of one task, and {len(unknown):,} of {len(texts):,} texts that "
                f"are asked for are not among them, the first: {unknown[0][:60]!r}"
            )
        return self.matrix[[self.rows[text] for text in texts]]


def _rival(name: str, thing: object, tasks: Sequence[Task], subject: Subject) -> Rival:
    if isinstance(thing, Rival):
        return thing
    if isinstance(thing, np.ndarray):
        return _of_matrix(name, thing, tasks, subject)
    if hasattr(thing, "parts") and hasattr(thing, "codec"):
        other = subject_of(thing, subject.seed)  # type: ignore[arg-type]
        return Rival(words=other.words, encoder=other.encoder or other.sif)
    if isinstance(thing, WordVectors):
        return Rival(words=thing)
    if isinstance(thing, type):
        raise InputError(f"'{name}' is a class; name an object of it, or a function that takes a list of texts")
    encode = getattr(thing, "encode", thing)
    if not callable(encode) or isinstance(thing, str | bytes):
        raise InputError(f"'{name}' is of type {type(thing).__name__}, which cannot be called and has no 'encode'")
    return Rival(encoder=CheckedEncoder(name, encode))


def _of_matrix(name: str, matrix: NDArray[Any], tasks: Sequence[Task], subject: Subject) -> Rival:
    vocabulary = None if subject.words is None else subject.words.vocabulary
    n = len(matrix) if matrix.ndim else 0
    n_tokens = 0 if vocabulary is None else len(vocabulary)
    texts = texts_of(tasks[0]) if len(tasks) == 1 else []
    if n == n_tokens and n == len(texts):
        raise InputError(f"'{name}' has {n:,} rows: is that a row for each token, or for each text? Both number {n:,}")
    if vocabulary is not None and n == n_tokens:
        vectors = _checked(name, matrix, n)
        words = WordVectors(vocabulary, vectors)
        if subject.codec is None:
            return Rival(words=words)
        return Rival(words=words, encoder=BagEncoder(subject.codec, plain_average(vectors)))  # type: ignore[arg-type]
    if texts and n == len(texts):
        return Rival(encoder=_GivenRows(name, {text: i for i, text in enumerate(texts)}, _checked(name, matrix, n)))
    of_texts = (
        f"or {len(texts):,}, one for each text of {tasks[0].name}"
        if texts
        else "(or, with one task of texts, one for each of its texts)"
    )
    raise InputError(
        f"'{name}' has {n:,} rows; expected {n_tokens:,}, one for each token of the vocabulary, {of_texts}"
    )


def _checked(name: str, found: Any, n: int) -> Vectors:
    """Return what a rival gave as float32 of shape (n, dim)."""
    try:
        matrix = np.asarray(found)
    except ValueError as error:
        raise InputError(f"'{name}' gave rows of different lengths; expected a matrix of {n:,} rows") from error
    if matrix.ndim != 2 or len(matrix) != n or (n and not matrix.shape[1]):
        raise InputError(f"'{name}' gave an array of shape {matrix.shape}; expected ({n:,}, dim), a row for each text")
    if matrix.dtype.kind not in "fiub":
        raise InputError(f"'{name}' gave values of type {matrix.dtype}; expected real numbers")
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(matrix, dtype=np.float32)
    faulty = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(faulty):
        raise InputError(
            f"'{name}' gave {len(faulty):,} of {n:,} rows that hold NaN or infinity, the first is row {faulty[0]:,}"
        )
    return vectors


def _read_matrix(path: Path) -> NDArray[Any]:
    if path.suffix != ".npy":
        raise InputError(f"is a file, but no .npy; {_FORMS}", path)
    try:
        matrix: NDArray[Any] = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"cannot be read as a .npy array of numbers: {error}", path) from error
    return matrix


def _imported(spec: str, module: str, name: str) -> object:
    """Import what the user named; the current folder is looked in first, as ``python -m`` does."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found: object = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InputError(f"cannot be imported: {error}; {_FORMS}", spec) from error
    finally:
        sys.path.remove(here)
    return found

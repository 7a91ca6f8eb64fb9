"""Word vectors written in the formats that other programs read: word2vec text and binary, GloVe text.

None of them has an escape for a space inside a token, so such a token is refused on writing. The four specials are not
written: their rows are zero and their names mean nothing elsewhere. Text is UTF-8, numbers keep all of float32.
"""

import gzip
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from embedpipe.bundle.save import flush
from embedpipe.errors import OutputError
from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.table import WordVectors

__all__ = [
    "ExportFormat",
    "write_glove",
    "write_vectors",
    "write_word2vec_binary",
    "write_word2vec_text",
]

ExportFormat = Literal["word2vec", "word2vec-binary", "glove", "fasttext-vec"]
"""``fasttext-vec`` is word2vec text under the name that fastText gives it."""


def write_vectors(path: Path, words: WordVectors, format_: ExportFormat = "word2vec", *, force: bool = False) -> None:
    """Write the ordinary words in one of the formats, compressed where the name ends in ``.gz``.

    Parameters
    ----------
    path : the file; it stands there whole or not at all.
    words : most frequent first.
    format_ : what to write.
    force : replace a file that stands there.

    Raises
    ------
    OutputError
        If a file stands there, it cannot be written, or a token holds white space; nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> from embedpipe.text.vocabulary import Vocabulary
    >>> table = np.array([[0, 0]] * 4 + [[1, 0.5]], dtype=np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_vectors(Path(folder) / "v", WordVectors(Vocabulary.from_counts({"cat": 3}), table))
    ...     print((Path(folder) / "v").read_text())
    1 2
    cat 1 0.5
    <BLANKLINE>
    """
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; name a file to write")
    if path.exists() and not force:
        raise OutputError(f"{path}: stands there already; --force replaces it")
    if format_ == "word2vec-binary":
        write_word2vec_binary(path, words)
    elif format_ == "glove":
        write_glove(path, words)
    else:
        write_word2vec_text(path, words)


def write_word2vec_text(path: Path, words: WordVectors) -> None:
    """Write a header ``n dim`` and one line ``token x y ...`` per word, most frequent first.

    Raises
    ------
    OutputError
        If a token holds white space; nothing is written then.
    """
    rows = _rows(path, words)
    with _whole_file(path) as file:
        file.write(b"%d %d\n" % (len(words) - len(SPECIALS), words.dim))
        _write_lines(file, rows)


def write_glove(path: Path, words: WordVectors) -> None:
    """Write GloVe text: as `write_word2vec_text`, without the header."""
    rows = _rows(path, words)
    with _whole_file(path) as file:
        _write_lines(file, rows)


def write_word2vec_binary(path: Path, words: WordVectors) -> None:
    """Write a header ``n dim``, then per word its token, a space and little-endian float32 numbers."""
    rows = _rows(path, words)
    with _whole_file(path) as file:
        file.write(b"%d %d\n" % (len(words) - len(SPECIALS), words.dim))
        for token, row in rows:
            file.write(token.encode() + b" " + row.astype("<f4").tobytes() + b"\n")


def _rows(path: Path, words: WordVectors) -> Iterable[tuple[str, NDArray[np.float32]]]:
    tokens = words.vocabulary.tokens[len(SPECIALS) :]
    for token in tokens:
        if not token or any(c.isspace() for c in token):
            raise OutputError(
                f"{path}: token {token!r} is empty or holds white space, which this format cannot hold; "
                "the vectors in the bundle (safetensors) keep every token"
            )
    return zip(tokens, words.vectors[len(SPECIALS) :], strict=True)


def _write_lines(file: BinaryIO, rows: Iterable[tuple[str, NDArray[np.float32]]]) -> None:
    for token, row in rows:
        # Nine significant digits give back the same float32.
        numbers = " ".join(["%.9g"] * len(row)) % tuple(row.tolist())
        file.write(f"{token} {numbers}\n".encode())


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """Write beside `path` and put the file there only when it is complete."""
    if path.suffix.lower() in (".bz2", ".xz", ".zst", ".zip"):
        raise OutputError(f"{path}: only gzip is written; end the name in .gz, or in none of its kind")
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            if path.suffix.lower() == ".gz":
                # Neither name nor time goes into the file: the same vectors give the same bytes.
                with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield file
        flush(partial)
        os.replace(partial, path)  # noqa: PTH105 - atomic on every system
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)

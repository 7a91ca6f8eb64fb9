"""Word vectors that another program wrote: what a reader returns, and how readers put it together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import InputError
from embedpipe.words.subword import Subwords

__all__ = ["Collected", "ForeignFormat", "ForeignVectors", "check_collected", "foreign_ngrams"]

_ROWS = 8_192

ForeignFormat = Literal["word2vec", "word2vec-binary", "glove", "fasttext-vec", "fasttext-bin", "gensim"]
"""``fasttext-vec`` is word2vec text under the name that fastText gives it."""


@dataclass(frozen=True, slots=True)
class ForeignVectors:
    """Tokens with their vectors, none twice, every number finite.

    Attributes
    ----------
    tokens : in the order of the file, which most programs write by falling frequency.
    vectors : float32 array of shape (len(tokens), dim).
    format : what the file was taken for.
    counts : uint64 array of shape (len(tokens),), or None: of files, only fastText's binary models hold counts.
    ngrams : rows of character n-grams, those that no word was hashed into too; None where there are none. Of files,
        only fastText's binary models hold them.
    """

    tokens: list[str]
    vectors: NDArray[np.float32]
    format: ForeignFormat
    counts: NDArray[np.uint64] | None = None
    ngrams: Subwords | None = None

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self.vectors.shape[1])


class Collected:
    """Rows and tokens as a reader meets them, checked block by block.

    The array grows in place, so that what a damaged header promises is never allocated.

    Parameters
    ----------
    path : the file, for messages.
    dim : width of a row.
    where : says where row *i* stands: a message that begins with it and, for text, the line.
    """

    def __init__(self, path: Path, dim: int, where: Callable[[int], tuple[str, int | None]]) -> None:
        self.path, self.dim, self.where = path, dim, where
        self.tokens: list[str] = []
        self._seen: set[str] = set()
        self._rows = np.empty((0, dim), dtype=np.float32)

    def add(self, tokens: Sequence[bytes], rows: NDArray[np.float32]) -> None:
        """Take the next rows, float32 of shape (len(tokens), dim).

        Raises
        ------
        InputError
            Naming the row: a token that is empty, not UTF-8 or there already; a number that is not finite.
        """
        start = len(self.tokens)
        if not (finite := np.isfinite(rows).all(axis=1)).all():
            i = int(np.argmin(finite))
            raise self.error(start + i, f"token '{tokens[i].decode(errors='replace')}': a number is not finite")
        try:
            decoded = [token.decode() for token in tokens]
        except UnicodeDecodeError:
            decoded = [self._decoded(token, start + i) for i, token in enumerate(tokens)]
        self._seen.update(decoded)
        if len(self._seen) != start + len(decoded) or "" in self._seen:
            raise self._repeated(decoded)
        self.tokens += decoded
        if len(self.tokens) > len(self._rows):
            self._resize(max(len(self.tokens), len(self._rows) * 9 // 8))
        self._rows[start : start + len(rows)] = rows

    def vectors(self) -> NDArray[np.float32]:
        """Return the rows, float32 of shape (n, dim); nothing is added afterwards."""
        self._resize(len(self.tokens))
        return self._rows

    def error(self, row: int, message: str) -> InputError:
        """Return the error that names row `row`, counted from 0."""
        where, line = self.where(row)
        return InputError(f"{where}{message}", self.path, line)

    def _resize(self, n: int) -> None:
        # NumPy moves the rows where they are (realloc); no other array looks at them yet.
        self._rows.resize((n, self.dim), refcheck=False)

    def _decoded(self, token: bytes, row: int) -> str:
        try:
            return token.decode()
        except UnicodeDecodeError as error:
            raise self.error(row, f"token {token!r} is not UTF-8 ({error.reason}); convert the file first") from error

    def _repeated(self, decoded: list[str]) -> InputError:
        seen = {token: i for i, token in enumerate(self.tokens)}
        for row, token in enumerate(decoded, len(self.tokens)):
            if not token or token in seen:
                break
            seen[token] = row
        if not token:
            return self.error(row, "a token is empty")
        where, line = self.where(seen[token])
        first = f"line {line}" if line else where.rstrip(": ")
        return self.error(row, f"token '{token}' stands twice, first in {first}; keep one of the two")


def check_collected(tokens: Sequence[str], vectors: NDArray[np.float32], source: str) -> None:
    """Hold vectors from memory to what `Collected` asks of a file; raise `InputError` naming the first bad entry."""
    collected = Collected(Path(source), vectors.shape[1], lambda row: (f"entry {row + 1}: ", None))
    collected.add([token.encode("utf-8", "surrogatepass") for token in tokens], vectors)


def foreign_ngrams(table: NDArray[np.float32], shortest: int, longest: int, source: Path | str) -> Subwords | None:
    """Return the n-grams of another program's model, by fastText's hash; None where it has none.

    Parameters
    ----------
    table : float32 array of shape (buckets, dim).
    shortest, longest : characters of an n-gram as the model says; a longest of 0 is none, a shortest of 0 is 1.

    Raises
    ------
    InputError
        Naming the row, for a number that is not finite.
    """
    shortest = max(shortest, 1)
    if not len(table) or longest < shortest:
        return None
    for start in range(0, len(table), _ROWS):
        if not (finite := np.isfinite(table[start : start + _ROWS]).all(axis=1)).all():
            row = start + int(np.argmin(finite))
            raise InputError(f"n-gram row {row + 1} of {len(table):,}: a number is not finite", source)
    return Subwords(table, shortest, longest)

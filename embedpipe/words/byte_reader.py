"""A stream cut into pieces: so many bytes, or all up to a mark."""

from pathlib import Path
from typing import BinaryIO

from embedpipe.errors import InputError

__all__ = ["ByteReader"]

_BLOCK = 1 << 22


class ByteReader:
    """Pieces of a binary file in order, read in large blocks.

    Parameters
    ----------
    file : opened for reading.
    path : for messages.

    Examples
    --------
    >>> import io
    >>> reader = ByteReader(io.BytesIO(b"cat\\0rest"), Path("x.bin"))
    >>> reader.until(b"\\0", "word 1"), reader.take(2, "word 2")
    (b'cat', b're')
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._held, self._at = b"", 0

    def take(self, n: int, what: str) -> bytes:
        """Return the next `n` bytes; raise `InputError` naming `what` if the file ends before."""
        if self._at + n > len(self._held):
            self._fill(n)
            if n > len(self._held):
                raise InputError(f"{what}: the file is cut short or damaged; get it again", self._path)
        piece = self._held[self._at : self._at + n]
        self._at += n
        return piece

    def until(self, mark: bytes, what: str, longest: int = 10_000) -> bytes:
        """Return what stands before the next `mark`, and pass it; raise `InputError` if none follows soon."""
        end = self._held.find(mark, self._at, self._at + longest)
        if end < 0:
            self._fill(longest)
            end = self._held.find(mark, 0, longest)
            if end < 0:
                raise InputError(f"{what}: the file is cut short or damaged; get it again", self._path)
        piece = self._held[self._at : end]
        self._at = end + len(mark)
        return piece

    def rest(self, n: int) -> bytes:
        """Return the next bytes, at most `n`; fewer where the file ends."""
        if self._at + n > len(self._held):
            self._fill(n)
        return self.take(min(n, len(self._held) - self._at), "")

    def _fill(self, n: int) -> None:
        blocks = [self._held[self._at :]]
        n_held = len(blocks[0])
        # By blocks, so that a length from a damaged file is not allocated before it is found to be missing.
        while n_held < n and (block := self._file.read(_BLOCK)):
            blocks.append(block)
            n_held += len(block)
        self._held, self._at = b"".join(blocks), 0

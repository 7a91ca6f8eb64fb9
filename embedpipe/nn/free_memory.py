"""Memory of the processor that is free goes back to the system while a training runs."""

import ctypes
import mmap
import sys
from pathlib import Path

__all__ = ["FreeMemory"]

_GROWTH = 1 << 28
"""Bytes."""
_RESIDENT = Path("/proc/self/statm")
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" and _RESIDENT.exists() else None


class FreeMemory:
    """Gives free memory back at first and as it grows, where the C library is glibc, which would keep it.

    Batches differ in length, and so do the pieces that a step takes and frees: glibc keeps them all, and takes new ones
    where none of them fits. One encoder held 4.7 GB where 2.6 are enough (docs/experiments/sentences.md).

    Examples
    --------
    >>> memory = FreeMemory()
    >>> memory.give_back()
    """

    def __init__(self) -> None:
        self._needed = _trimmed()

    def give_back(self) -> None:
        """Give back what is free, if the process has grown by a quarter of a gibibyte since that was last done."""
        held = _resident()
        self._needed = _trimmed() if held > self._needed + _GROWTH else min(self._needed, held)


def _trimmed() -> int:
    """Give back what is free; return the bytes that the process then holds."""
    if _trim is not None:
        _trim(0)
    return _resident()


def _resident() -> int:
    """Return the bytes of this process that lie in memory and are of no file, 0 where it cannot give any back."""
    if _trim is None:
        return 0
    resident, of_files = map(int, _RESIDENT.read_text().split()[1:3])
    return (resident - of_files) * mmap.PAGESIZE

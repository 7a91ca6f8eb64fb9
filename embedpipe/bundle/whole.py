"""Single files that stand under their name only when they are whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedpipe.errors import OutputError

__all__ = ["put_in_place", "temporary_sibling", "writable"]


@contextmanager
def writable(path: Path) -> Iterator[Path]:
    """Yield the file that `path` leads to; what the system refuses meanwhile is said of it.

    Raises
    ------
    OutputError
        If its folder does not exist, it is something else than a file, or the system refuses to write (a full disk).
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device (write to it with -o - and >)"
        raise OutputError(f"{path}: cannot be written: it is {what}")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: cannot be written: the folder {path.parent} does not exist")
    try:
        yield path
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def temporary_sibling(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` that becomes `path` when the block ends well and is removed when it does not.

    Raises
    ------
    OutputError
        As `writable`.
    """
    with writable(path) as target:
        temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            yield temporary
            put_in_place(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def put_in_place(whole: Path, target: Path) -> None:
    """Rename a file to `target` once it is safe on the disk."""
    with open(whole, "rb") as file:
        os.fsync(file.fileno())
    whole.replace(target)

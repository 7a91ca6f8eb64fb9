"""Saving a bundle so that at every moment the old one or the new one stands whole under its name."""

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from embedpipe.bundle.folder import sha256_of
from embedpipe.bundle.manifest import MANIFEST_NAME, FileEntry, Manifest
from embedpipe.errors import BundleError

__all__ = ["flush", "remove_leftovers", "replace_folder", "save_bundle", "seal"]


def save_bundle(target: Path, files: Mapping[str, Path], manifest: Callable[[dict[str, FileEntry]], Manifest]) -> None:
    """Write a bundle: copy into a temporary sibling, flush to disk, manifest last, then swap it into place.

    Parameters
    ----------
    target : where the bundle shall stand; an existing folder is replaced.
    files : name in the bundle -> the file to copy.
    manifest : makes the manifest from the entries of the copied files.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f"{_prefix(target)}{os.getpid()}"
    try:
        temporary.mkdir()
        entries = {}
        for name, source in sorted(files.items()):
            copy = temporary / name
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, copy)
            entries[name] = seal(copy)
        for folder in {(temporary / name).parent for name in files}:
            flush(folder)
        path = temporary / MANIFEST_NAME
        path.write_text(manifest(entries).to_json(), encoding="utf-8")
        flush(path)
        flush(temporary)
        replace_folder(temporary, target)
        flush(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def seal(path: Path) -> FileEntry:
    """Flush a file that is written to disk, and return its size and hash."""
    flush(path)
    return FileEntry(path.stat().st_size, sha256_of(path))


def replace_folder(new: Path, target: Path) -> None:
    """Put the folder `new` under the name `target`; what stood there is gone afterwards.

    Linux and macOS swap two folders in one step. Elsewhere the old folder is moved aside first, and put back if the
    second step fails.
    """
    if not target.exists():
        new.rename(target)
        return
    if not target.is_dir():
        raise BundleError(f"{target}: a file stands where the bundle should be written; remove it or choose another -o")
    if _exchange(new, target):
        shutil.rmtree(new)
        return
    aside = target.with_name(f"{_prefix(target)}old")
    target.rename(aside)
    try:
        new.rename(target)
    except OSError:
        aside.rename(target)
        raise
    shutil.rmtree(aside)


def remove_leftovers(target: Path) -> None:
    """Remove what killed runs left beside `target`; put the old bundle back where a kill fell between two renames."""
    aside = target.with_name(f"{_prefix(target)}old")
    if aside.is_dir() and not target.exists():
        aside.rename(target)
    if target.parent.is_dir():
        for leftover in target.parent.iterdir():
            if leftover.name.startswith(_prefix(target)) and leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, have reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot flush a folder; the files in it are flushed already.
        if error.errno not in (errno.EINVAL, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def _prefix(target: Path) -> str:
    return f".{target.name}.embedpipe-"


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the system cannot."""
    names: tuple[Any, ...]
    if sys.platform == "linux":
        at_cwd, exchange = -100, 2
        name, names = (
            "renameat2",
            (at_cwd, os.fsencode(one.absolute()), at_cwd, os.fsencode(other.absolute()), exchange),
        )
    elif sys.platform == "darwin":
        swap = 2
        name, names = "renamex_np", (os.fsencode(one), os.fsencode(other), swap)
    else:
        return False
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    return function is not None and function(*names) == 0

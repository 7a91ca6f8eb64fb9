"""What was measured before, kept by what it depends on, so that it need not be measured twice."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from embedpipe.bundle.folder import work_folder
from embedpipe.errors import BundleError
from embedpipe.probes.findings import Findings, read_findings, write_findings

if TYPE_CHECKING:
    from embedpipe.bundle.manifest import Manifest
    from embedpipe.probes.measure import MeasureSettings

__all__ = ["ProbeCache", "cache_folder", "cache_key", "code_fingerprint"]

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch")
_MEASURED = ("words.", "encoder/", "vocabulary.", "tokenizer_spec.")
"""How the names of those files begin that a figure depends on; not those of the generator, or of older figures."""
_APART = ("cli", "generation", "integrations")
"""Rooms of the package that no figure depends on."""
_PACKAGE = Path(__file__).parents[1]


class ProbeCache:
    """Findings by key, one JSON file each.

    Parameters
    ----------
    folder : where they lie; made when the first is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> Findings | None:
        """Return what was kept under a key; None where nothing was, or the file is damaged."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            return read_findings(path)
        except (BundleError, OSError):
            return None

    def put(self, key: str, findings: Findings) -> None:
        """Keep findings under a key; the file is written whole or not at all.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".json", dir=self.folder)
        os.close(handle)
        partial = Path(name)
        try:
            write_findings(partial, findings)
            partial.replace(self._path(key))
        finally:
            with suppress(FileNotFoundError):
                partial.unlink()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def cache_folder(bundle: Path) -> Path:
    """Return where the measurements of a bundle are kept.

    In its working folder, where that stands and can be written; otherwise in the user's cache
    (``$XDG_CACHE_HOME/embedpipe/probes``, by default under ``~/.cache``).
    """
    work = work_folder(bundle)
    if work.is_dir() and os.access(work, os.W_OK):
        return work / "probes.cache"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "embedpipe" / "probes"


def cache_key(
    manifest: "Manifest",
    task: Mapping[str, str],
    settings: "MeasureSettings",
    rivals: Sequence[str] = (),
) -> str:
    """Return the name under which a measurement is kept: a hash of all that its figures depend on.

    Parameters
    ----------
    manifest : of the bundle; it has the hash of each file.
    task : what tells the task from others: its name, the hash of its content, and how it is made of its files.
    settings : how it is measured.
    rivals : a fingerprint of each system that stands beside the bundle.

    Returns
    -------
    str
        40 hexadecimal digits. The code of the probes and the versions of the libraries that they call are among
        what is hashed; where the bundle lies is not.
    """
    files = {name: entry.sha256 for name, entry in manifest.files.items() if name.startswith(_MEASURED)}
    whole = {
        "files": files,
        "task": dict(task),
        "settings": asdict(settings),
        "rivals": list(rivals),
        "code": code_fingerprint(),
        "libraries": {library: _version(library) for library in _LIBRARIES},
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:40]


@cache
def code_fingerprint() -> str:
    """Return a hash of the code that figures come from: all of the package but the rooms that only use them or others.

    Vectors are made by words, sentences, networks and text. A constant that someone has to raise by hand is forgotten
    sooner or later.
    """
    whole = hashlib.sha256(_version("embedpipe").encode())
    for path in sorted(_PACKAGE.rglob("*.py")):
        if path.relative_to(_PACKAGE).parts[0] in _APART:
            continue
        whole.update(path.relative_to(_PACKAGE).as_posix().encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""

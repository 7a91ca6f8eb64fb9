"""The manifest: what a bundle holds, how it was made, and the size and hash of every file."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from embedpipe.errors import BundleError

__all__ = ["FORMAT_VERSION", "MANIFEST_NAME", "FileEntry", "Manifest", "StageRecord", "read_manifest"]

FORMAT_VERSION = 2
"""1 had no words.json, and one step between trained and published words, the setting words.whitening."""
MANIFEST_NAME = "manifest.json"
_KIND = "embedpipe-bundle"
_FILE_NAME = re.compile(r"(?:(?:encoder|generator|vae|vae_decoder)/)?[A-Za-z0-9_-][A-Za-z0-9_.-]*\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Size in bytes and SHA-256 of one file."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class StageRecord:
    """How one stage was made and how it ended; it stays as it was when a later run keeps the stage.

    Attributes
    ----------
    fingerprint : of the inputs and settings.
    summary, result : the result in one line and in numbers.
    seconds : how long it took.
    reproducible : whether the same inputs, in the same circumstances, give the same bytes.
    device, threads, versions : the circumstances: ``cpu`` or ``cuda``, processor threads, libraries that took part.
    """

    fingerprint: str
    summary: str
    seconds: float
    result: dict[str, Any] = field(default_factory=dict)
    reproducible: bool = False
    device: str = "cpu"
    threads: int = 1
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything a bundle says about itself.

    Attributes
    ----------
    created_by : program and version.
    command : the command line or call that made the bundle.
    preset, seed : as resolved.
    reproducible, reproducible_reason : whether every stage was made so that the same inputs give the same bytes, and
        why or why not.
    sources : the sources as they were named.
    corpus : counts of the prepared text.
    stages : one record per part, by stage name.
    scores : headline scores of the probes.
    files : size and hash of every file but the manifest.
    """

    created_by: str
    command: str
    preset: str
    seed: int
    reproducible: bool
    reproducible_reason: str
    sources: list[str]
    corpus: dict[str, Any]
    stages: dict[str, StageRecord]
    scores: dict[str, float]
    files: dict[str, FileEntry]

    def to_json(self) -> str:
        """Return the manifest as indented JSON."""
        content = {"format": _KIND, "format_version": FORMAT_VERSION, **asdict(self)}
        return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def read_manifest(bundle: Path) -> Manifest:
    """Return the manifest of a bundle folder, checked for kind, version, types and plain file names.

    Raises
    ------
    BundleError
        If there is no bundle, it is not embedpipe's, was written by a newer version, or was edited.
    """
    path = bundle / MANIFEST_NAME
    if not bundle.exists():
        raise BundleError(f"{bundle}: no such bundle; make one with: embedpipe run SOURCE -o {bundle}")
    if not path.is_file():
        raise BundleError(
            f"{bundle}: not a bundle: it has no {MANIFEST_NAME}; name a folder that a run has written, or make one "
            "with: embedpipe run SOURCE -o BUNDLE"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.pop("format", None) != _KIND:
            raise BundleError(f"{path}: not the manifest of an embedpipe bundle")
        version = content.pop("format_version", None)
        if not isinstance(version, int) or version < 1:
            raise BundleError(f"{path}: format_version is {version!r}, expected a positive whole number")
        if version > FORMAT_VERSION:
            raise BundleError(
                f"{path}: written in format {version} by {content.get('created_by', 'a newer embedpipe')}; this "
                f"program reads up to format {FORMAT_VERSION}: pip install --upgrade embedpipe"
            )
        files = {name: FileEntry(**entry) for name, entry in content.pop("files").items()}
        stages = {name: StageRecord(**record) for name, record in content.pop("stages").items()}
        manifest = Manifest(files=files, stages=stages, **content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path}: damaged manifest: {error}") from error
    _check_files(path, manifest.files)
    return manifest


def _check_files(path: Path, files: Mapping[str, FileEntry]) -> None:
    for name, entry in files.items():
        if not _FILE_NAME.match(name) or name == MANIFEST_NAME:
            raise BundleError(f"{path}: lists a file with the name {name!r}, which no bundle holds")
        if not isinstance(entry.size, int) or entry.size < 0 or not _SHA256.match(str(entry.sha256)):
            raise BundleError(f"{path}: size or sha256 of '{name}' is not one")

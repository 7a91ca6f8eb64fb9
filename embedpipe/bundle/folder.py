"""Opening and verifying a bundle: only listed, plain files of the listed size are ever read."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from embedpipe.bundle.manifest import MANIFEST_NAME, Manifest, read_manifest
from embedpipe.bundle.table import problem_with_table
from embedpipe.errors import BundleError

__all__ = ["BundleFolder", "FileCheck", "sha256_of", "unlisted_files", "verify_bundle", "work_folder"]


class BundleFolder:
    """A bundle on disk, its manifest read and the size of every listed file checked.

    Parameters
    ----------
    path : the bundle's folder.

    Raises
    ------
    BundleError
        Naming the file and the check that failed.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.manifest: Manifest = read_manifest(self.path)
        for name in self.manifest.files:
            problem = _problem_with(self.path, self.manifest, name)
            if problem:
                raise BundleError(f"{self.path / name}: {problem}; the bundle is damaged, make it again")

    def __contains__(self, name: str) -> bool:
        return name in self.manifest.files

    def file(self, name: str, part: str) -> Path:
        """Return the path of a listed file; `part` names the stage that writes it, for the message."""
        if name not in self.manifest.files:
            made = ", ".join(self.manifest.stages) or "nothing"
            raise BundleError(
                f"{self.path}: has no {name}: the stage '{part}' was not part of the run that made it (it has: "
                f"{made}); run the same command again with --stages {','.join([*self.manifest.stages, part])}"
            )
        return self.path / name

    def folder(self, name: str, part: str) -> Path:
        """Return the path of a sub-folder that holds a model's config.json and model.safetensors."""
        for file in ("config.json", "model.safetensors"):
            self.file(f"{name}/{file}", part)
        return self.path / name


def work_folder(target: Path) -> Path:
    """Return the working folder of the bundle `target`: ``BUNDLE.work`` beside it, whether or not it is there.

    >>> work_folder(Path("wiki.bundle")).name
    'wiki.bundle.work'
    """
    path = target.resolve() if target.name in ("", "..") else target
    return path.with_name(path.name + ".work")


@dataclass(frozen=True, slots=True)
class FileCheck:
    """The outcome of one file's check; `problem` is empty where all is well."""

    file: str
    size: int
    problem: str


def verify_bundle(path: Path) -> list[FileCheck]:
    """Return one check per file of the bundle: listed, present, a plain file, of the listed size and hash.

    A file that stands in the folder without being listed is a problem too, though nothing ever reads it, and so is an
    encoder that was made over other words than those of the bundle.
    """
    manifest = read_manifest(path)
    checks = []
    for name, entry in manifest.files.items():
        problem = _problem_with(path, manifest, name)
        if not problem and sha256_of(path / name) != entry.sha256:
            problem = "its sha256 is not the one in the manifest: it was changed after the bundle was made"
        if not problem and name == "encoder/config.json":
            problem = problem_with_table(path / name, path / "words.safetensors")
        checks.append(FileCheck(name, entry.size, problem))
    for name in unlisted_files(path, manifest):
        checks.append(FileCheck(name, (path / name).lstat().st_size, "it is not listed in the manifest"))
    return checks


def unlisted_files(path: Path, manifest: Manifest) -> list[str]:
    """Return the names of the files that stand in a bundle's folder and are not of the bundle."""
    names = (file.relative_to(path).as_posix() for file in sorted(path.rglob("*")) if not file.is_dir())
    return [name for name in names if name != MANIFEST_NAME and name not in manifest.files]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _problem_with(bundle: Path, manifest: Manifest, name: str) -> str:
    path = bundle / name
    if path.is_symlink() or (path.parent != bundle and path.parent.is_symlink()):
        return "it is a link, and a bundle holds plain files only"
    if not path.is_file():
        return "the manifest lists it, but it is missing"
    size = path.stat().st_size
    if size != manifest.files[name].size:
        return f"it has {size:,} bytes, the manifest says {manifest.files[name].size:,}"
    return ""

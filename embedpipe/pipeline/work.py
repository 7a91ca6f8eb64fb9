"""The working folder of a run: one sub-folder per finished stage, put in place in one step.

It stands beside the bundle as ``BUNDLE.work`` and holds what the next run can use again: the prepared text and
every finished stage. It may be deleted at any time.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from embedpipe.bundle.folder import BundleFolder, sha256_of, work_folder
from embedpipe.bundle.manifest import FileEntry, StageRecord
from embedpipe.bundle.save import flush, remove_leftovers, replace_folder, seal
from embedpipe.errors import BundleError, OutputError

__all__ = ["OPTIONAL_FILES", "STAGE_FILES", "WorkFolder"]

STAGE_FILES: dict[str, tuple[str, ...]] = {
    "text": ("vocabulary.json", "tokenizer_spec.json"),
    "words": ("words.safetensors", "words.json"),
    "sentences": ("encoder/config.json", "encoder/model.safetensors"),
    "generation": ("generator/config.json", "generator/model.safetensors"),
    "latent": (
        "vae/config.json",
        "vae/model.safetensors",
        "vae_decoder/config.json",
        "vae_decoder/model.safetensors",
    ),
    "probes": ("probes.json",),
}
"""Files of a bundle that each stage writes, under their names in the bundle."""

OPTIONAL_FILES: dict[str, tuple[str, ...]] = {"words": ("training.safetensors",)}
"""Files that a stage gives to the bundle where its settings ask for them."""

_STAGE_OF_FILE = {
    file: stage for files_of in (STAGE_FILES, OPTIONAL_FILES) for stage, files in files_of.items() for file in files
}
_RECORD = "stage.json"
_LOCK = "embedpipe.lock"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WorkFolder:
    """The working folder of the bundle `target`; also the `Parts` of a bundle that is not saved yet.

    Parameters
    ----------
    target : the bundle.
    stages : the stages of this run; what others left behind here is not a part of its bundle.

    Attributes
    ----------
    path : the folder.
    writes : all that a run writes: the bundle and this folder.
    """

    def __init__(self, target: Path, stages: Sequence[str] = tuple(STAGE_FILES)) -> None:
        self.path = work_folder(target)
        self.writes = (target, self.path)
        self.stages = tuple(stages)

    def stage(self, stage: str) -> Path:
        """Return the folder of a stage's output."""
        return self.path / stage

    def checkpoint(self, stage: str) -> Path:
        """Return the folder in which a stage keeps what an interrupted run goes on from."""
        return self.path / f"{stage}.checkpoint"

    def remove_checkpoint(self, stage: str) -> None:
        """Remove what a stage kept while it was made, now that it stands finished."""
        shutil.rmtree(self.checkpoint(stage), ignore_errors=True)

    def file(self, name: str, part: str) -> Path:
        """Return the path of a file under its name in the bundle."""
        return self.stage(part) / name

    folder = file

    def __contains__(self, name: str) -> bool:
        stage = _STAGE_OF_FILE.get(name)
        return stage in self.stages and self.file(name, stage).is_file()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one run; a second run on the same output is an `OutputError`.

        Where nothing but the lock stands in it at the end, it is removed. A folder of this name that holds other files
        and no lock of a run is never touched: also an `OutputError`.
        """
        file = self.path / _LOCK
        if self.path.exists() and not file.is_file() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise OutputError(f"{self.path}: exists and is not the working folder of a run; choose another -o")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{self.path}: no folder can be made here ({error.strerror}); choose another -o"
            ) from error
        with open(file, "a+", encoding="utf-8") as lock:
            if not _lock(lock.fileno(), file):
                lock.seek(0)
                raise OutputError(f"{self.path}: another run (process {lock.read().strip()}) is writing this bundle")
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            self._remove_leftovers()
            try:
                yield
            finally:
                if not any(entry.is_dir() for entry in self.path.iterdir()):
                    (self.path / "stdin").unlink(missing_ok=True)
                if [entry.name for entry in self.path.iterdir()] == [_LOCK]:
                    file.unlink()
                    self.path.rmdir()

    def _remove_leftovers(self) -> None:
        """Remove what killed runs left half-written; a stage set aside by a kill between two renames comes back."""
        for stage in STAGE_FILES:
            remove_leftovers(self.stage(stage))
        for name in (*STAGE_FILES, "bundle"):
            shutil.rmtree(self._partial(name), ignore_errors=True)

    def record(self, stage: str) -> StageRecord | None:
        """Return the record of a stage that stands here finished and undamaged, None otherwise."""
        content = self._read(stage)
        if content is None:
            return None
        record, entries = content
        folder = self.stage(stage)
        if set(STAGE_FILES[stage]) <= entries.keys() and all(_intact(folder / name, entries[name]) for name in entries):
            return record
        return None

    def entries(self, stages: Iterable[str]) -> dict[str, FileEntry]:
        """Return the size and hash, as they were written, of the files that finished stages give to the bundle."""
        found = {}
        for stage in stages:
            _, entries = self._read(stage) or (None, {})
            found.update({name: entries[name] for name in _given_by(stage) if name in entries})
        return found

    def _read(self, stage: str) -> tuple[StageRecord, dict[str, FileEntry]] | None:
        try:
            content = json.loads((self.stage(stage) / _RECORD).read_text(encoding="utf-8"))
            entries = {name: FileEntry(**entry) for name, entry in content["files"].items()}
            return StageRecord(**content["record"]), entries
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def _partial(self, stage: str) -> Path:
        return self.path / f"{stage}.partial"

    @contextmanager
    def writing(self, stage: str) -> Iterator[Path]:
        """Yield an empty folder to write a stage into; it is removed if the stage does not `finish`.

        Raises
        ------
        OutputError
            If the disk is full.
        """
        partial = self._partial(stage)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise OutputError(
                f"{error.filename or partial}: {error.strerror}: free some space and run the same command again "
                "(finished stages are kept)"
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def finish(self, stage: str, partial: Path, record: StageRecord) -> None:
        """Put a written stage in place, flushed to disk; its record, with size and hash of every file, is last."""
        for name in STAGE_FILES[stage]:
            if not (partial / name).is_file():
                raise BundleError(f"the stage '{stage}' did not write {name}")
        files = {
            path.relative_to(partial).as_posix(): asdict(seal(path))
            for path in sorted(partial.rglob("*"))
            if path.is_file()
        }
        content = {"record": asdict(record), "files": files}
        path = partial / _RECORD
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False), encoding="utf-8")
        flush(path)
        for folder in (partial, *(path for path in partial.iterdir() if path.is_dir())):
            flush(folder)
        replace_folder(partial, self.stage(stage))
        flush(self.path)

    def share(self, folder: Path, stage: str) -> None:
        """Take a finished stage over from the working folder of another bundle, in place of one that stands here."""
        with self.writing(stage) as partial:
            shutil.copytree(folder, partial, copy_function=_link, dirs_exist_ok=True)
            replace_folder(partial, self.stage(stage))

    def restore(self, stage: str, bundle: BundleFolder) -> StageRecord | None:
        """Take a stage back from a bundle that has it; None if a file there is not the one that was saved."""
        record = bundle.manifest.stages[stage]
        with self.writing(stage) as partial:
            for name in _given_by(stage):
                if name not in bundle and name not in STAGE_FILES[stage]:
                    continue
                copy = partial / name
                copy.parent.mkdir(exist_ok=True)
                shutil.copyfile(bundle.file(name, stage), copy)
                if not _intact(copy, bundle.manifest.files[name]):
                    return None
            self.finish(stage, partial, record)
        return record


def _link(source: str, target: str) -> None:
    """Give a file a second name, or copy it where the file system cannot; files of stages are never changed."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _given_by(stage: str) -> tuple[str, ...]:
    return STAGE_FILES[stage] + OPTIONAL_FILES.get(stage, ())


def _intact(path: Path, entry: FileEntry) -> bool:
    return path.is_file() and path.stat().st_size == entry.size and sha256_of(path) == entry.sha256


def _lock(descriptor: int, file: Path) -> bool:
    """Lock an open file; False where another holds it, or has removed it since it was opened."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system: runs are not kept apart there
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return file.exists() and os.path.samestat(os.fstat(descriptor), file.stat())

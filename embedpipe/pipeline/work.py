"""The working folder of a run: one sub-folder per finished stage, put in place in one step.

It stands beside the bundle as ``BUNDLE.work`` and holds what the next run can use again: the prepared text and
every finished stage. It may be deleted at any time.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from embedpipe.bundle.manifest import StageRecord
from embedpipe.bundle.save import replace_folder
from embedpipe.errors import BundleError, OutputError

__all__ = ["STAGE_FILES", "WorkFolder"]

STAGE_FILES: dict[str, tuple[str, ...]] = {
    "text": ("vocabulary.json", "tokenizer_spec.json"),
    "words": ("words.safetensors",),
    "sentences": ("encoder/config.json", "encoder/model.safetensors"),
    "generation": ("generator/config.json", "generator/model.safetensors"),
    "probes": ("probes.json",),
}
"""Files of a bundle that each stage writes, under their names in the bundle."""

_STAGE_OF_FILE = {file: stage for stage, files in STAGE_FILES.items() for file in files}
_RECORD = "stage.json"


class WorkFolder:
    """The working folder of the bundle `target`; also the `Parts` of a bundle that is not saved yet.

    Parameters
    ----------
    target : the bundle.
    stages : the stages of this run; what others left behind here is not a part of its bundle.
    """

    def __init__(self, target: Path, stages: Sequence[str] = tuple(STAGE_FILES)) -> None:
        self.path = target.with_name(target.name + ".work")
        self.stages = tuple(stages)

    def stage(self, stage: str) -> Path:
        """Return the folder of a stage's output."""
        return self.path / stage

    def file(self, name: str, part: str) -> Path:
        """Return the path of a file under its name in the bundle."""
        return self.stage(part) / name

    folder = file

    def __contains__(self, name: str) -> bool:
        stage = _STAGE_OF_FILE.get(name)
        return stage in self.stages and self.file(name, stage).is_file()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one run; a second run on the same output is an `OutputError`."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{self.path}: no folder can be made here ({error.strerror}); choose another -o"
            ) from error
        with open(self.path / "lock", "a+", encoding="utf-8") as lock:
            if not _lock(lock.fileno()):
                lock.seek(0)
                raise OutputError(f"{self.path}: another run (process {lock.read().strip()}) is writing this bundle")
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            self._remove_leftovers()
            yield

    def _remove_leftovers(self) -> None:
        """Remove what killed runs left half-written."""
        for entry in self.path.iterdir():
            if entry.is_dir() and entry.name not in STAGE_FILES:
                shutil.rmtree(entry, ignore_errors=True)

    def record(self, stage: str) -> StageRecord | None:
        """Return the record of a stage that stands finished here, None otherwise."""
        try:
            return StageRecord(**json.loads((self.stage(stage) / _RECORD).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    @contextmanager
    def writing(self, stage: str) -> Iterator[Path]:
        """Yield an empty folder to write a stage into; it is removed if the stage does not `finish`."""
        partial = self.path / f"{stage}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def finish(self, stage: str, partial: Path, record: StageRecord) -> None:
        """Put a written stage in place; its record is written last."""
        for name in STAGE_FILES[stage]:
            if not (partial / name).is_file():
                raise BundleError(f"the stage '{stage}' did not write {name}")
        content = json.dumps(asdict(record), ensure_ascii=False, indent=1, allow_nan=False)
        (partial / _RECORD).write_text(content, encoding="utf-8")
        replace_folder(partial, self.stage(stage))

    def restore(self, stage: str, bundle: Path, record: StageRecord) -> None:
        """Take a stage's files back from a bundle that has them."""
        with self.writing(stage) as partial:
            for name in STAGE_FILES[stage]:
                copy = partial / name
                copy.parent.mkdir(exist_ok=True)
                shutil.copyfile(bundle / name, copy)
            self.finish(stage, partial, record)


def _lock(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:  # not a POSIX system: runs are not kept apart there
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

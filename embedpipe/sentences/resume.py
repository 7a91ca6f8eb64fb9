"""An output that survives a kill: kept under a hidden name, beside a record of what it holds, until it is whole.

After every chunk of lines the record says how many lines and bytes are good and what the lines were (a hash). Going on
cuts the file there, reads the same lines again without encoding them, and appends; chunks begin at the same lines, so
the finished file has the bytes of an uninterrupted run.
"""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from embedpipe.bundle.whole import put_in_place, writable
from embedpipe.errors import OutputError
from embedpipe.sentences.files import FileFormat, VectorWriter, make_writer

__all__ = ["NOTHING", "Done", "Partial", "open_partial"]


@dataclass(frozen=True, slots=True)
class Done:
    """What stands in an output.

    Parameters
    ----------
    lines, empty, unknown : lines encoded, those without text, and those without a known word.
    digest : hash of the lines.
    """

    lines: int = 0
    empty: int = 0
    unknown: int = 0
    digest: str = ""


NOTHING = Done()


class Partial:
    """An output that is being written.

    Parameters
    ----------
    file : its hidden file, which ends after what is done.
    writer : appends to `file`.
    record : the path of the record.
    made_of : what the vectors depend on besides the lines.
    done : what `file` holds.
    """

    def __init__(
        self, file: BinaryIO, writer: VectorWriter, record: Path, made_of: Mapping[str, object], done: Done
    ) -> None:
        self.done = done
        self._file, self._writer, self._record, self._made_of = file, writer, record, made_of

    def write(self, texts: list[str], vectors: NDArray[np.float32], done: Done) -> None:
        """Append the rows of `texts`, after which the file holds what `done` says."""
        self._writer.write(texts, vectors)
        self._file.flush()
        record = {"made_of": self._made_of, "bytes": self._file.tell(), "done": asdict(done)}
        beside = self._record.with_suffix(".new")
        beside.write_text(json.dumps(record), encoding="utf-8")
        beside.replace(self._record)


@contextmanager
def open_partial(
    path: Path, format_: FileFormat, dim: int, made_of: Mapping[str, str | int], *, resume: bool
) -> Iterator[Partial]:
    """Yield what writes vectors to `path`, which appears only when the block ends well.

    When it does not, what was written stays, once a chunk of lines is recorded, to be gone on with.

    Parameters
    ----------
    path, format_, dim : as `open_writer` takes them.
    made_of : what the vectors depend on besides the lines, by name.
    resume : go on with what an earlier call left, if it left anything.

    Raises
    ------
    OutputError
        If there is something to go on with and `resume` is not set, or it is made of something else; if another
        process is writing it; if `path` cannot be written.
    """
    with writable(path) as target:
        hidden, record = (target.with_name(f".{target.name}.{ending}") for ending in ("part", "part.json"))
        hidden.touch()
        with open(hidden, "r+b") as file:
            _lock(file, target)
            n_bytes, done = _left(record, hidden, target, made_of, resume=resume)
            file.truncate(n_bytes)
            file.seek(n_bytes)
            try:
                writer = make_writer(file, format_, dim, done.lines if done.lines else None)
                yield Partial(file, writer, record, made_of, done)
                whole = writer.close()
            except BaseException:
                if not record.exists():
                    hidden.unlink(missing_ok=True)
                raise
            put_in_place(whole, target)
            record.unlink(missing_ok=True)
            hidden.unlink(missing_ok=True)


def _lock(file: BinaryIO, target: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(f"{target}: another process is writing this file; wait for it, or name another") from error


def _left(
    record: Path, hidden: Path, target: Path, made_of: Mapping[str, str | int], *, resume: bool
) -> tuple[int, Done]:
    """Return how many bytes of the hidden file are good and what they hold."""
    if not record.exists():
        return 0, NOTHING
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        n_bytes, done, found = int(content["bytes"]), Done(**content["done"]), dict(content["made_of"])
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{record}: not the record of a partial output; delete it to begin again") from error
    if not resume:
        raise OutputError(
            f"{target}: an interrupted run left {done.lines:,} lines of it; go on with --resume, or delete {record}"
        )
    for name, value in made_of.items():
        if found.get(name) != value:
            raise OutputError(
                f"{target}: what an interrupted run left has {name} {found.get(name)!r}, not {value!r}; run it again "
                f"as it was, or delete {record} to begin again"
            )
    if hidden.stat().st_size < n_bytes:
        raise OutputError(f"{hidden}: is shorter than {record} says; delete that file to begin again")
    return n_bytes, done

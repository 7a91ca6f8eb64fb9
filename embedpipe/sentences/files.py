"""Vectors to a file, a chunk at a time, under a temporary name until the file is whole; needs no torch."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, get_args

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from embedpipe.errors import ConfigError, MissingExtraError, OutputError

__all__ = ["FileFormat", "VectorWriter", "as_numbers", "format_of", "json_line", "open_writer", "temporary_sibling"]

FileFormat = Literal["npy", "jsonl", "parquet", "safetensors"]


class VectorWriter(Protocol):
    """Takes texts and their vectors chunk by chunk; `close` completes the file."""

    def write(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Append rows; `vectors` is float32 of shape (len(texts), dim)."""

    def close(self) -> None:
        """Complete the file."""


def format_of(path: Path) -> FileFormat:
    """Return the format that the ending of `path` stands for.

    >>> format_of(Path("vectors.npy"))
    'npy'

    Raises
    ------
    ConfigError
        If it stands for none.
    """
    for known in get_args(FileFormat):
        if path.suffix.lower() == f".{known}":
            return known  # type: ignore[no-any-return]
    endings = ", ".join(f".{known}" for known in get_args(FileFormat))
    raise ConfigError(f"{path}: the ending names no format; use one of {endings}, or say --format")


def json_line(text: str, vector: NDArray[np.float32]) -> str:
    """Return one line of JSON.

    >>> json_line("a", np.array([0.6, 0.8], np.float32))
    '{"text": "a", "vector": [0.600000024, 0.800000012]}'
    """
    return json.dumps({"text": text, "vector": as_numbers(vector)}, ensure_ascii=False)


def as_numbers(vector: NDArray[np.float32]) -> list[float]:
    """Return the components with nine significant digits, which give back the same float32."""
    return [float(f"{x:.9g}") for x in vector.tolist()]


@contextmanager
def temporary_sibling(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` that becomes `path` when the block ends well and is removed when it does not.

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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def open_writer(path: Path, format_: FileFormat, dim: int) -> Iterator[VectorWriter]:
    """Yield a writer of `format_` to `path`, which appears only when all is written.

    Parameters
    ----------
    format_ : ``npy`` (one float32 array of shape (n, dim)), ``jsonl`` and ``parquet`` (columns text and vector), or
        ``safetensors`` (one tensor ``vectors``); all but the last are written in constant memory.
    """
    writers: dict[str, Any] = {
        "npy": _Npy,
        "jsonl": _JsonLines,
        "parquet": _Parquet,
        "safetensors": _Safetensors,
    }
    with temporary_sibling(path) as temporary, open(temporary, "w+b") as file:
        writer: VectorWriter = writers[format_](file, dim)
        try:
            yield writer
        except BaseException:
            with suppress(Exception):
                writer.close()
            raise
        writer.close()


class _Npy:
    def __init__(self, file: BinaryIO, dim: int) -> None:
        self.file, self.n, self.dim = file, 0, dim
        self.start = self._header()

    def _header(self) -> int:
        self.file.seek(0)
        shape = {"descr": "<f4", "fortran_order": False, "shape": (self.n, self.dim)}
        npy.write_array_header_1_0(self.file, shape)
        return self.file.tell()

    def write(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self.n += len(texts)
        self.file.write(vectors.astype("<f4", order="C", copy=False).tobytes())

    def close(self) -> None:
        # NumPy leaves room in the header for the first axis to grow, so it can be patched in place.
        if self._header() != self.start:
            raise OutputError(f"{self.file.name}: the .npy header changed its length; this is a fault of embedpipe")


class _JsonLines:
    def __init__(self, file: BinaryIO, dim: int) -> None:  # noqa: ARG002
        self.file = file

    def write(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self.file.writelines(f"{json_line(*row)}\n".encode() for row in zip(texts, vectors, strict=True))

    def close(self) -> None:
        """Nothing to complete: the last line is whole."""


class _Parquet:
    def __init__(self, file: BinaryIO, dim: int) -> None:
        try:
            import pyarrow as pa
            from pyarrow.parquet import ParquetWriter
        except ImportError as error:
            raise MissingExtraError("pyarrow", "parquet") from error
        self.pa = pa
        self.vector = pa.list_(pa.float32(), dim)
        self.schema = pa.schema([("text", pa.string()), ("vector", self.vector)])
        self.file = ParquetWriter(file, self.schema)

    def write(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        flat = self.pa.array(vectors.ravel(), type=self.pa.float32())
        column = self.pa.FixedSizeListArray.from_arrays(flat, type=self.vector)
        text = self.pa.array(texts, type=self.pa.string())
        self.file.write_table(self.pa.Table.from_arrays([text, column], schema=self.schema))

    def close(self) -> None:
        self.file.close()


class _Safetensors:
    def __init__(self, file: BinaryIO, dim: int) -> None:
        self.file, self.chunks = file, [np.empty((0, dim), dtype=np.float32)]

    def write(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:  # noqa: ARG002
        self.chunks.append(vectors)

    def close(self) -> None:
        from safetensors.numpy import save

        self.file.write(save({"vectors": np.concatenate(self.chunks)}))

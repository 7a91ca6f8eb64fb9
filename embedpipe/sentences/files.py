"""Vectors to a file, a chunk at a time, under a temporary name until the file is whole; needs no torch."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, get_args

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from embedpipe.bundle.whole import temporary_sibling
from embedpipe.errors import ConfigError, MissingExtraError

__all__ = [
    "FileFormat",
    "VectorWriter",
    "as_numbers",
    "format_of",
    "json_line",
    "make_writer",
    "open_writer",
]

FileFormat = Literal["npy", "jsonl", "parquet", "safetensors"]
_SAFETENSORS_HEADER = 120
"""Bytes of the header, filled up with spaces as the format allows: 128 with its length."""


class VectorWriter(Protocol):
    """Takes texts and their vectors chunk by chunk; `close` completes the file."""

    def write(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Append rows; `vectors` is float32 of shape (len(texts), dim)."""

    def close(self) -> Path:
        """Complete the file and return where it lies."""


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
def open_writer(path: Path, format_: FileFormat, dim: int) -> Iterator[VectorWriter]:
    """Yield a writer of `format_` to `path`, which appears only when all is written, in constant memory.

    Parameters
    ----------
    format_ : ``npy`` (one float32 array of shape (n, dim)), ``jsonl`` and ``parquet`` (columns text and vector), or
        ``safetensors`` (one tensor ``vectors``).
    """
    with temporary_sibling(path) as temporary, open(temporary, "w+b") as file:
        writer = make_writer(file, format_, dim)
        yield writer
        whole = writer.close()
        if whole != temporary:
            whole.replace(temporary)


def make_writer(file: BinaryIO, format_: FileFormat, dim: int, n: int | None = None) -> VectorWriter:
    """Return a writer that appends to `file`: an empty one, or one that holds `n` rows and ends after them."""
    if format_ == "jsonl":
        return _JsonLines(file)
    if format_ == "parquet":
        return _Parquet(file, dim, begins=n is None)
    return _Matrix(file, dim, _npy_header if format_ == "npy" else _safetensors_header, n)


class _Matrix:
    """A header, which has room for any number of rows and is written again at the end, and the numbers."""

    def __init__(self, file: BinaryIO, dim: int, header: Callable[[int, int], bytes], n: int | None) -> None:
        self.file, self.dim, self.header, self.n = file, dim, header, n or 0
        if n is None:
            file.write(header(0, dim))

    def write(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self.n += len(texts)
        self.file.write(vectors.astype("<f4", order="C", copy=False).tobytes())

    def close(self) -> Path:
        self.file.seek(0)
        self.file.write(self.header(self.n, self.dim))
        self.file.flush()
        return Path(self.file.name)


def _npy_header(n: int, dim: int) -> bytes:
    file = BytesIO()
    npy.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (n, dim)})
    return file.getvalue()


def _safetensors_header(n: int, dim: int) -> bytes:
    tensor = {"dtype": "F32", "shape": [n, dim], "data_offsets": [0, 4 * n * dim]}
    return _SAFETENSORS_HEADER.to_bytes(8, "little") + json.dumps({"vectors": tensor}).encode().ljust(
        _SAFETENSORS_HEADER
    )


class _JsonLines:
    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def write(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self.file.writelines(f"{json_line(*row)}\n".encode() for row in zip(texts, vectors, strict=True))

    def close(self) -> Path:
        self.file.flush()
        return Path(self.file.name)


class _Parquet:
    """An Arrow stream, which unlike Parquet can be cut and gone on with, made into a Parquet file at the end."""

    def __init__(self, file: BinaryIO, dim: int, *, begins: bool) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet
        except ImportError as error:
            raise MissingExtraError("pyarrow", "parquet") from error
        self.pa, self.file = pa, file
        self.vector = pa.list_(pa.float32(), dim)
        self.schema = pa.schema([("text", pa.string()), ("vector", self.vector)])
        if begins:
            file.write(self.schema.serialize())

    def write(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        flat = self.pa.array(vectors.ravel(), type=self.pa.float32())
        column = self.pa.FixedSizeListArray.from_arrays(flat, type=self.vector)
        text = self.pa.array(texts, type=self.pa.string())
        self.file.write(self.pa.RecordBatch.from_arrays([text, column], schema=self.schema).serialize())

    def close(self) -> Path:
        self.file.flush()
        whole = Path(f"{self.file.name}.parquet")
        try:
            with open(self.file.name, "rb") as stream, self.pa.parquet.ParquetWriter(whole, self.schema) as parquet:
                for batch in self.pa.ipc.open_stream(stream):
                    parquet.write_batch(batch)
        except BaseException:
            whole.unlink(missing_ok=True)
            raise
        return whole

"""safetensors files, written with the library and read as memory maps.

The format (8 bytes of header length, a JSON header, then the raw tensors) is read here without the library, because
its NumPy interface copies each tensor into memory, and a query wants a few rows of a large table.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import BundleError, OutputError

__all__ = ["map_tensors", "private_map", "save_tensors"]

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_MAX_HEADER = 100_000_000


def save_tensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as one safetensors file; the same arrays give the same bytes.

    Raises
    ------
    OutputError
        If the file cannot be written, as on a full disk.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file({name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}, path)
    except SafetensorError as error:
        raise OutputError(
            f"{path}: cannot be written ({error}); free some space and run the same command again (finished stages "
            "are kept)"
        ) from error


def map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file as read-only memory maps.

    Raises
    ------
    BundleError
        If the file is missing, truncated or not a safetensors file of the dtypes that embedpipe writes.
    """
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(size - 8, _MAX_HEADER):
                raise BundleError(f"{path}: truncated or not a safetensors file (header of {length} bytes)")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        start, data = 8 + length, size - 8 - length
        return {name: _map(path, name, entry, start, data) for name, entry in header.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path}: cannot be read as a safetensors file: {error}") from error


def private_map(tensor: NDArray[Any]) -> NDArray[Any]:
    """Return the same numbers for one's own use, where writing to them reaches neither the file nor other readers.

    Parameters
    ----------
    tensor : a whole array of `map_tensors`, of which only the pages that are written to are then copied; any other
        array is copied now.
    """
    if not isinstance(tensor, np.memmap) or tensor.filename is None:
        return np.array(tensor)
    return np.memmap(tensor.filename, tensor.dtype, mode="c", offset=tensor.offset, shape=tensor.shape)


def _map(path: Path, name: str, entry: Mapping[str, Any], start: int, size: int) -> NDArray[Any]:
    dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(int(n) for n in entry["shape"])
    begin, end = entry["data_offsets"]
    if min(shape, default=0) < 0 or not 0 <= begin <= end <= size:
        raise BundleError(f"{path}: tensor '{name}' lies outside the file: it was truncated or edited")
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise BundleError(f"{path}: tensor '{name}' of shape {shape} does not fill {end - begin} bytes")
    if begin == end:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype=dtype, mode="r", offset=start + begin, shape=shape).reshape(shape)

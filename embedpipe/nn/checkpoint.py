"""What an interrupted training goes on from: its whole state, and the best weights so far.

A checkpoint is a folder::

    last-300.safetensors   the state after step 300, never changed once written
    best-200.safetensors   the weights that were best by evaluation, those of step 200
    checkpoint.json        which of them count, all that is no tensor, and what the training was made of

The JSON file is replaced in one step after the tensors are on disk, so that a kill at any moment leaves the checkpoint
before it or the one after it.
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.bundle.save import flush
from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError
from embedpipe.nn.distributed import is_first

__all__ = ["Checkpoints", "Saved", "Stateful", "fingerprint_of", "pack", "unpack"]

_FILE = "checkpoint.json"
_CHUNK = 1 << 24


class Stateful(Protocol):
    """What is carried from step to step beside the model and its optimizers, such as the state of a language model."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return the state: dictionaries, lists, numbers, text, None and tensors."""
        ...

    def load_state_dict(self, state: Any) -> None:
        """Take over what `state_dict` gave; its tensors are on the CPU."""
        ...


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint that was read: the step, the state after it, and the best weights (empty where none are kept)."""

    step: int
    state: Any
    best: dict[str, Tensor]


class Checkpoints:
    """The checkpoint of one training, in a folder of its own; of several processes all read and the first one writes.

    Parameters
    ----------
    folder : made when the first checkpoint is saved.
    fingerprint : of all that the training depends on; a checkpoint of another is not read.
    every_seconds : how far apart checkpoints between evaluations lie.
    """

    def __init__(self, folder: Path, fingerprint: str, every_seconds: float = 60.0) -> None:
        self.folder, self.fingerprint, self.every_seconds = folder, fingerprint, every_seconds
        self._last = time.monotonic()
        self._best: Path | None = None

    def due(self) -> bool:
        """Return whether it is time for another checkpoint."""
        return time.monotonic() - self._last >= self.every_seconds

    def save(self, step: int, state: Mapping[str, Any], best_step: int, best: Mapping[str, Tensor]) -> None:
        """Make the state after `step` the checkpoint; the best weights are written where they are new.

        Raises
        ------
        OutputError
            If the disk is full.
        """
        if not is_first():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        tree, tensors = pack(state)
        last = self._written(f"last-{step}", tensors)
        best_file = self.folder / f"best-{best_step}.safetensors" if best else None
        if best_file is not None and best_file != self._best:
            self._written(f"best-{best_step}", {name: _array(tensor) for name, tensor in best.items()})
        kept = None if best_file is None else best_file.name
        content = {"fingerprint": self.fingerprint, "step": step, "last": last.name, "best": kept, "state": tree}
        written = self.folder / f"{_FILE}.partial"
        written.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
        flush(written)
        written.replace(self.folder / _FILE)
        flush(self.folder)
        self._best, self._last = best_file, time.monotonic()
        self._keep_only(last, best_file)

    def load(self) -> Saved | None:
        """Return the checkpoint; None if there is none, it is damaged, or it is of another training."""
        try:
            content = json.loads((self.folder / _FILE).read_text(encoding="utf-8"))
            if content["fingerprint"] != self.fingerprint:
                return None
            last = self.folder / Path(content["last"]).name
            self._best = None if content["best"] is None else self.folder / Path(content["best"]).name
            state = unpack(content["state"], map_tensors(last))
            best = {} if self._best is None else {n: _tensor(t) for n, t in map_tensors(self._best).items()}
            step = int(content["step"])
        except (OSError, ValueError, TypeError, KeyError, BundleError):
            self._best = None
            return None
        self._keep_only(last, self._best)
        return Saved(step, state, best)

    def remove(self) -> None:
        """Remove the checkpoint, if there is one."""
        if is_first():
            shutil.rmtree(self.folder, ignore_errors=True)
        self._best = None

    def _written(self, name: str, tensors: Mapping[str, NDArray[Any]]) -> Path:
        file = self.folder / f"{name}.safetensors"
        save_tensors(file, tensors)
        flush(file)
        return file

    def _keep_only(self, *files: Path | None) -> None:
        for other in self.folder.glob("*-*.safetensors"):
            if is_first() and other not in files:
                other.unlink()


def fingerprint_of(*content: object) -> str:
    """Return the SHA-256 of arrays, by type, shape and bytes, and of JSON-able content.

    >>> fingerprint_of(np.zeros(2), {"steps": 3}) == fingerprint_of(np.zeros(2), {"steps": 3})
    True
    >>> fingerprint_of(np.zeros(2)) == fingerprint_of(np.zeros(2, np.float32))
    False
    """
    digest = hashlib.sha256()
    for part in content:
        head = [str(part.dtype), *part.shape] if isinstance(part, np.ndarray) else part
        digest.update(json.dumps(head, sort_keys=True, ensure_ascii=False).encode() + b"\n")
        if isinstance(part, np.ndarray):
            flat = part.reshape(-1)
            for start in range(0, len(flat), _CHUNK):
                digest.update(np.ascontiguousarray(flat[start : start + _CHUNK]).data)
    return digest.hexdigest()


def pack(state: Any) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Return a tree of dictionaries, lists, tensors and numbers as JSON and named arrays.

    Keys need not be text, numbers may be infinite or NaN, tensors may be of bfloat16; tuples become lists.

    >>> tree, arrays = pack({0: [1.5, float("inf")], "w": torch.tensor([2])})
    >>> tree
    {'dict': [[0, [1.5, {'float': 'inf'}]], ['w', {'tensor': '0', 'dtype': 'int64'}]]}
    >>> unpack(tree, arrays)
    {0: [1.5, inf], 'w': tensor([2])}
    """
    arrays: dict[str, NDArray[Any]] = {}

    def packed(value: Any) -> Any:
        if isinstance(value, Tensor):
            name = str(len(arrays))
            arrays[name] = _array(value)
            return {"tensor": name, "dtype": str(value.dtype).removeprefix("torch.")}
        if isinstance(value, Mapping):
            return {"dict": [[key, packed(entry)] for key, entry in value.items()]}
        if isinstance(value, list | tuple):
            return [packed(entry) for entry in value]
        if isinstance(value, float) and not math.isfinite(value):
            return {"float": str(float(value))}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise TypeError(f"a {type(value).__name__} cannot be kept in a checkpoint")

    return packed(state), arrays


def unpack(tree: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return what `pack` was given, its tensors as copies on the CPU."""
    if isinstance(tree, list):
        return [unpack(entry, arrays) for entry in tree]
    if not isinstance(tree, dict):
        return tree
    if "tensor" in tree:
        tensor = _tensor(arrays[tree["tensor"]])
        return tensor.view(torch.bfloat16) if tree["dtype"] == "bfloat16" else tensor
    if "float" in tree:
        return float(tree["float"])
    return {key: unpack(entry, arrays) for key, entry in tree["dict"]}


def _array(tensor: Tensor) -> NDArray[Any]:
    plain = tensor.detach().cpu()
    array: NDArray[Any] = (plain.contiguous().view(torch.int16) if plain.dtype == torch.bfloat16 else plain).numpy()
    return array


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array))

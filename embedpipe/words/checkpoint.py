"""What an interrupted training goes on from: the tables after the last epoch, and after the best one.

A checkpoint is a folder::

    epoch-3.safetensors   the tables after an epoch (0: as they started), never changed once written
    checkpoint.json       which of them count, the losses so far, and what the training was made of

The JSON file is replaced in one step after the tables are on disk, so that a kill at any moment leaves the checkpoint
before it or the one after it.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedpipe.bundle.save import flush
from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError

__all__ = ["Checkpoint", "load_checkpoint", "remove_checkpoint", "save_checkpoint"]

_FILE = "checkpoint.json"
Tables = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Checkpoint:
    """A training after a whole number of epochs.

    Parameters
    ----------
    epoch : finished epochs; 0 where an earlier training goes on and none is finished yet.
    losses : held-out loss after each of them; empty where none is measured.
    tables : after the last of them.
    best : after the epoch that is kept so far.
    """

    epoch: int
    losses: list[float]
    tables: Tables
    best: Tables


def save_checkpoint(
    folder: Path, fingerprint: str, epoch: int, losses: Sequence[float], tables: Tables, kept_epoch: int
) -> None:
    """Write the tables after `epoch` and make them the checkpoint; those of `kept_epoch` stay beside them.

    Parameters
    ----------
    folder : of the checkpoint, made where it is missing.
    fingerprint : of all that the training depends on.
    epoch, losses, tables : as in `Checkpoint`.
    kept_epoch : the epoch that is kept so far; an earlier one than `epoch` was saved in its turn.

    Raises
    ------
    OutputError
        If the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = _tables_file(folder, epoch)
    save_tensors(file, tables)
    flush(file)
    content = {"fingerprint": fingerprint, "epoch": epoch, "losses": list(losses), "kept_epoch": kept_epoch}
    written = folder / f"{_FILE}.partial"
    written.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
    flush(written)
    written.replace(folder / _FILE)
    flush(folder)
    for other in folder.glob("epoch-*.safetensors"):
        if other not in (file, _tables_file(folder, kept_epoch)):
            other.unlink()


def load_checkpoint(folder: Path, fingerprint: str, shapes: Mapping[str, tuple[int, ...]]) -> Checkpoint | None:
    """Return the checkpoint in `folder`; None if there is none, it is damaged, or it is of another training.

    Parameters
    ----------
    folder : of the checkpoint.
    fingerprint : of the training that would go on.
    shapes : of its tables.
    """
    try:
        content = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        if content["fingerprint"] != fingerprint:
            return None
        epoch, kept_epoch = int(content["epoch"]), int(content["kept_epoch"])
        losses = [float(loss) for loss in content["losses"]]
        tables = _read(_tables_file(folder, epoch), shapes)
        best = tables if kept_epoch == epoch else _read(_tables_file(folder, kept_epoch), shapes)
        return Checkpoint(epoch, losses, tables, best)
    except (OSError, ValueError, TypeError, KeyError, BundleError):
        return None


def remove_checkpoint(folder: Path) -> None:
    """Remove the checkpoint in `folder`, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)


def _tables_file(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch}.safetensors"


def _read(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Tables:
    tables = {name: np.array(table) for name, table in map_tensors(path).items()}
    if {name: (table.shape, table.dtype) for name, table in tables.items()} != {
        name: (shape, np.dtype(np.float32)) for name, shape in shapes.items()
    }:
        raise BundleError(f"{path}: holds other tables than the training has")
    return tables

"""The epochs of a training: train, measure, keep the best, save, and stop when it gets no better."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import ConfigError
from embedpipe.runtime import Evaluated, Listener, Step, Stopped
from embedpipe.words.checkpoint import Checkpoint, load_checkpoint, remove_checkpoint, save_checkpoint
from embedpipe.words.gensim_model import GensimModel
from embedpipe.words.heldout import HeldOut

__all__ = ["run_epochs"]

_STAGE = "words"
_DIVERGED = 100.0
"""Times the loss of vectors of zeros from which a training is lost; a bad one on a small text may reach a few."""


def run_epochs(
    model: GensimModel,
    text: Path,
    sample: HeldOut | None,
    *,
    checkpoint: Path | None,
    fingerprint: str,
    listener: Listener,
) -> tuple[list[float], int]:
    """Train `model` for its epochs, or until `patience` of them brought no lower loss, and leave it at the one kept.

    Parameters
    ----------
    model : the model, as it starts.
    text : one sentence per line.
    sample : what the loss is measured on after each epoch; needed where the model's configuration has a patience.
    checkpoint : folder to keep finished epochs in and to go on from, or None.
    fingerprint : of the training; a checkpoint of another is replaced.
    listener : is given the loss and the progress after each epoch.

    Returns
    -------
    list of float
        The loss after each epoch; empty without a sample.
    int
        The epoch kept, counted from 1: the one of the lowest loss with a patience, else the last.

    Raises
    ------
    ConfigError
        If the loss is not a number any more.
    """
    config, losses = model.config, list[float]()
    epoch = kept = 0
    best: Mapping[str, NDArray[np.float32]] = {}
    if checkpoint is not None and (saved := _resumed(checkpoint, fingerprint, model, listener)) is not None:
        epoch, losses, best = saved.epoch, saved.losses, saved.best
        kept = _kept_epoch(epoch, losses, config.patience)
    first, began = epoch, time.perf_counter()
    while epoch < config.epochs and not _stalled(epoch, kept, config.patience):
        model.train_epoch(text, epoch)
        epoch += 1
        note = f"{(epoch - first) * model.n_tokens / max(time.perf_counter() - began, 1e-9):,.0f} words/s"
        if sample is not None:
            losses.append(_measure(model, sample, epoch))
            note = f"held-out loss {losses[-1]:.4f}, {note}"
        kept = _kept_epoch(epoch, losses, config.patience)
        if config.patience and kept == epoch:
            best = {name: table.copy() for name, table in model.tables.items()}
        if checkpoint is not None:
            save_checkpoint(checkpoint, fingerprint, epoch, losses, model.tables, kept)
        if sample is not None:
            listener(Evaluated(_STAGE, "held-out loss", losses[-1], epoch))
        listener(Step(_STAGE, epoch, note))
    if epoch < config.epochs:
        reason = f"no lower held-out loss in {config.patience} epochs; epoch {kept} is kept"
        listener(Stopped(_STAGE, reason))
    if kept < epoch:
        model.set_tables(best)
    return losses, kept


def _resumed(folder: Path, fingerprint: str, model: GensimModel, listener: Listener) -> Checkpoint | None:
    saved = load_checkpoint(folder, fingerprint, {name: table.shape for name, table in model.tables.items()})
    if saved is not None:
        model.set_tables(saved.tables)
        listener(Step(_STAGE, saved.epoch, f"goes on after epoch {saved.epoch}"))
    elif folder.exists():
        remove_checkpoint(folder)
        listener(Step(_STAGE, 0, "begins anew: the epochs kept are of other text or settings, or damaged"))
    return saved


def _measure(model: GensimModel, sample: HeldOut, epoch: int) -> float:
    loss = sample.loss(model.vectors(sample.inputs), model.outputs(sample.outputs))
    if not loss < _DIVERGED * sample.loss_of_zeros:
        raise ConfigError(
            f"words: the held-out loss is {loss:g} after epoch {epoch}, vectors of zeros have "
            f"{sample.loss_of_zeros:g}: the training has diverged, "
            f"lower words.learning_rate, which is {model.config.learning_rate}"
        )
    return loss


def _kept_epoch(epoch: int, losses: list[float], patience: int) -> int:
    return 1 + int(np.argmin(losses)) if patience else epoch


def _stalled(epoch: int, kept: int, patience: int) -> bool:
    return 0 < patience <= epoch - kept

"""The epochs of a training: train, measure, keep the best, save, and stop when it gets no better."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import ConfigError
from embedpipe.runtime import Evaluated, Listener, Step, Stopped
from embedpipe.words.checkpoint import Checkpoint, load_checkpoint, remove_checkpoint, save_checkpoint
from embedpipe.words.gensim_model import GensimModel
from embedpipe.words.heldout import HeldOut

if TYPE_CHECKING:
    from embedpipe.config import WordsConfig

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
    goes_on: bool = False,
    listener: Listener,
) -> tuple[float | None, list[float], int]:
    """Train `model` for its epochs, or until `patience` of them brought no lower loss, and leave it at the one kept.

    The loss rises and falls with the learning rate, which falls evenly over all epochs: patience runs in the second
    half of them alone, when the rate is half of what it was or less.

    Parameters
    ----------
    model : the model, as it starts.
    text : one sentence per line.
    sample : what the loss is measured on after each epoch; needed where the model's configuration has a patience.
    checkpoint : folder to keep finished epochs in and to go on from, or None.
    fingerprint : of the training; a checkpoint of another is replaced.
    goes_on : the model starts from an earlier training: its loss is measured before the first epoch too, and where it
        or that of an epoch is the lowest these tables are kept.
    listener : is given the loss and the progress after each epoch.

    Returns
    -------
    float or None
        The loss before the first epoch; None without a sample or where the model does not go on.
    list of float
        The loss after each epoch; empty without a sample.
    int
        The epoch kept, counted from 1: the one of the lowest loss with a patience or where the model goes on, the start
        (0) among them, else the last.

    Raises
    ------
    ConfigError
        If the loss is not a number any more.
    """
    config, losses = model.config, list[float]()
    epoch = kept = 0
    best: Mapping[str, NDArray[np.float32]] = {}
    before = _measure(model, sample, 0) if goes_on and sample is not None else None
    keeps_best = config.patience > 0 or before is not None
    if before is not None:
        best = _copied(model)
        listener(Step(_STAGE, 0, f"held-out loss {before:.4f} before the first epoch"))
    if checkpoint is not None:
        if (saved := _resumed(checkpoint, fingerprint, model, listener)) is not None:
            epoch, losses, best = saved.epoch, saved.losses, saved.best
            kept = _kept_epoch(before, losses) if keeps_best else epoch
        elif before is not None:
            save_checkpoint(checkpoint, fingerprint, 0, [], model.tables, 0)
    first, began = epoch, time.perf_counter()
    while epoch < config.epochs and not _stalled(losses, config):
        model.train_epoch(text, epoch)
        epoch += 1
        note = f"{(epoch - first) * model.n_tokens / max(time.perf_counter() - began, 1e-9):,.0f} words/s"
        if sample is not None:
            losses.append(_measure(model, sample, epoch))
            note = f"held-out loss {losses[-1]:.4f}, {note}"
        kept = _kept_epoch(before, losses) if keeps_best else epoch
        if keeps_best and kept == epoch:
            best = _copied(model)
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
    return before, losses, kept


def _copied(model: GensimModel) -> dict[str, NDArray[np.float32]]:
    return {name: table.copy() for name, table in model.tables.items()}


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


def _kept_epoch(before: float | None, losses: list[float]) -> int:
    return int(np.argmin([np.inf if before is None else before, *losses]))


def _stalled(losses: list[float], config: "WordsConfig") -> bool:
    """Return whether the epochs of the second half have had no lower loss than an earlier one of them for long."""
    late = losses[(config.epochs - 1) // 2 :]
    return bool(late) and 0 < config.patience < len(late) - int(np.argmin(late))

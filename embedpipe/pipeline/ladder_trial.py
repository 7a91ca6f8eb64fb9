"""One rung under one seed: made once, kept in a folder, and read again while all that it depends on is the same."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.bundle.save import flush, replace_folder
from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError, ConfigError
from embedpipe.pipeline.ladder_prepare import Prepared
from embedpipe.pipeline.ladder_rungs import Rung, rung_config
from embedpipe.runtime import DeviceName, Listener, resolve_device, seeded

__all__ = ["Trial", "budget_of", "make_trial", "read_trial", "write_trial"]

_RECORD, _LOSSES = "trial.json", "losses.safetensors"


@dataclass(frozen=True)
class Trial:
    """What came of one rung under one seed.

    Parameters
    ----------
    losses : float64 of shape (rows, time): nats of each token of the test sample.
    seconds : of training; evaluations do not count.
    n_tokens : training tokens that were read, repeats counted.
    n_parameters : numbers that were learnt; of counts, how many are kept.
    timeline : seconds of training, and the perplexity on the validation sample after them.
    notes : what else is to be known, such as how a cache was tuned.
    warnings : what makes the figure doubtful.
    """

    losses: NDArray[np.float64]
    seconds: float
    n_tokens: int
    n_parameters: int
    timeline: tuple[tuple[float, float], ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def perplexity(self) -> float:
        """On the test sample."""
        return float(np.exp(self.losses.mean()))

    @property
    def tokens_per_second(self) -> float:
        """Training tokens read in a second."""
        return self.n_tokens / self.seconds if self.seconds else 0.0


def budget_of(rung: Rung, prepared: Prepared, seconds: float) -> float:
    """Return the seconds that a rung is given."""
    return seconds + prepared.word_seconds if rung.longer else seconds


def make_trial(
    rung: Rung,
    prepared: Prepared,
    folder: Path,
    below: Path,
    *,
    seconds: float,
    seed: int,
    device: DeviceName,
    listener: Listener,
) -> Trial:
    """Train a rung under one seed and measure it.

    Parameters
    ----------
    folder : where the network is left for rungs that go on from it.
    below : the folder of the rung that this one goes on from, where it does.
    seconds : its budget.

    Raises
    ------
    ConfigError
        If not one step is taken within the budget.
    DeviceError
        If the device is lost or too small.
    """
    from embedpipe.nn.memory import device_errors

    made = {"network": _trained}
    with device_errors("finished rungs are kept"):
        return made[rung.kind](rung, prepared, folder, seconds=seconds, seed=seed, device=device, listener=listener)


def _trained(
    rung: Rung,
    prepared: Prepared,
    folder: Path,
    *,
    seconds: float,
    seed: int,
    device: DeviceName,
    listener: Listener,
) -> Trial:
    from embedpipe.generation.evaluation import token_losses
    from embedpipe.generation.part import save_generator
    from embedpipe.generation.train import train_language_model

    text, config = prepared.text, rung_config(rung, prepared.config.generation)
    vectors = prepared.vectors
    if vectors is None or rung.dim:
        vectors = np.zeros((len(text.vocabulary), rung.dim or prepared.config.words.dim), np.float32)
    with seeded(seed, deterministic=prepared.config.reproducible):
        trained = train_language_model(
            vectors,
            text.vocabulary,
            text.train,
            text.validation,
            text.test,
            config,
            seed=seed,
            device=resolve_device(device),
            seconds=seconds,
            listener=listener,
        )
    if not trained.n_tokens_seen:
        raise ConfigError(f"rung '{rung.name}': not one step was taken in {seconds:g} seconds; give more (--seconds)")
    warnings = []
    steps = trained.n_tokens_seen / (config.batch * config.bptt)
    if steps < _FEW_STEPS:
        warnings.append(f"fewer than {_FEW_STEPS} steps fit into {seconds:g} seconds: give more (--seconds)")
    if trained.stopped:
        warnings.append(trained.stopped)
    if min(trained.timeline, key=lambda point: point[1])[0] == 0:
        warnings.append("no evaluation was better than the untrained network, which is what is measured")
    save_generator(folder / "generator", trained.model)
    return Trial(
        token_losses(trained.model, prepared.scored.tokens),
        trained.timeline[-1][0],
        trained.n_tokens_seen,
        sum(parameter.numel() for parameter in trained.model.parameters()),
        trained.timeline,
        warnings=tuple(warnings),
    )


_FEW_STEPS = 50


def write_trial(folder: Path, partial: Path, trial: Trial, fingerprint: str) -> None:
    """Put a finished trial in place: losses and record beside what `partial` holds already."""
    save_tensors(partial / _LOSSES, {"losses": trial.losses})
    content = {
        "fingerprint": fingerprint,
        "seconds": trial.seconds,
        "n_tokens": trial.n_tokens,
        "n_parameters": trial.n_parameters,
        "timeline": [list(point) for point in trial.timeline],
        "notes": list(trial.notes),
        "warnings": list(trial.warnings),
    }
    path = partial / _RECORD
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for written in (partial / _LOSSES, path, partial):
        flush(written)
    replace_folder(partial, folder)


def read_trial(folder: Path, fingerprint: str) -> Trial | None:
    """Return the trial that stands in `folder`; None where none does, or one of other settings, or a damaged one."""
    try:
        content: Mapping[str, Any] = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        if content["fingerprint"] != fingerprint:
            return None
        return Trial(
            np.array(map_tensors(folder / _LOSSES)["losses"]),
            float(content["seconds"]),
            int(content["n_tokens"]),
            int(content["n_parameters"]),
            tuple((float(at), float(value)) for at, value in content["timeline"]),
            tuple(content["notes"]),
            tuple(content["warnings"]),
        )
    except (OSError, ValueError, KeyError, TypeError, BundleError):
        return None

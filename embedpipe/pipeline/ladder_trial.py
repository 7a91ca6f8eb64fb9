"""One rung under one seed: made once, kept in a folder, and read again while all that it depends on is the same."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.bundle.save import flush, replace_folder
from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError, ConfigError
from embedpipe.generation.units import perplexity_of
from embedpipe.pipeline.ladder_prepare import Prepared
from embedpipe.pipeline.ladder_rungs import RUNGS, Rung, rung_config
from embedpipe.runtime import DeviceName, Listener, resolve_device, seeded

__all__ = ["Below", "Trial", "budget_of", "make_trial", "read_trial", "width_of", "write_trial"]

_RECORD, _LOSSES, _NETWORK = "trial.json", "losses.safetensors", "generator"
_ORDER = 5
_TUNED_TOKENS = 10_000
_FEW_STEPS = 50


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
        return perplexity_of(float(self.losses.mean()))

    @property
    def tokens_per_second(self) -> float:
        """Training tokens read in a second."""
        return self.n_tokens / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Below:
    """The rung that a cache goes on from: what came of it under the same seed, and its folder."""

    trial: Trial
    folder: Path


def budget_of(rung: Rung, prepared: Prepared, seconds: float) -> float:
    """Return the seconds that a rung is given."""
    return seconds + prepared.word_seconds if rung.longer else seconds


def width_of(rung: Rung, prepared: Prepared) -> int:
    """Return the width of the word table of a rung; 0 for counts."""
    return 0 if rung.kind == "counts" else rung.dim or prepared.dim


def make_trial(
    rung: Rung,
    prepared: Prepared,
    folder: Path,
    below: Below | None,
    *,
    seconds: float,
    seed: int,
    device: DeviceName,
    listener: Listener,
) -> Trial:
    """Train a rung under one seed and measure it.

    Parameters
    ----------
    folder : where the network is left, if others go on from it.
    below : what a cache goes on from; None elsewhere.
    seconds : its budget.

    Raises
    ------
    ConfigError
        If not one step is taken within the budget.
    DeviceError
        If the device is lost or too small.
    """
    from embedpipe.nn.memory import device_errors

    with device_errors("finished rungs are kept"):
        if rung.kind == "counts":
            return _counted(prepared)
        if rung.kind == "cache":
            assert below is not None
            return _cached(prepared, below, device)
        return _trained(rung, prepared, folder, seconds=seconds, seed=seed, device=device, listener=listener)


def _counted(prepared: Prepared) -> Trial:
    """Count n-grams; the same under every seed."""
    from embedpipe.generation.ngrams.kneser_ney import KneserNey

    tokens, began = prepared.text.train.tokens, time.perf_counter()
    model = KneserNey.fit(tokens, len(prepared.text.vocabulary), order=_ORDER)
    seconds = time.perf_counter() - began
    watched = perplexity_of(float(model.losses(prepared.watched.tokens).mean()))
    return Trial(model.losses(prepared.scored.tokens), seconds, len(tokens), _n_grams(tokens), ((seconds, watched),))


def _n_grams(tokens: NDArray[np.uint32]) -> int:
    """Return how many different n-grams of up to five tokens a stream has.

    >>> _n_grams(np.array([4, 5, 4, 5, 4], dtype=np.uint32))  # 4, 5, 45, 54, 454, 545, 4545, 5454, 45454
    9
    """
    numbers = np.unique(tokens, return_inverse=True)[1].astype(np.int64)
    n_tokens = int(numbers.max()) + 1
    total, longer = n_tokens, numbers
    for length in range(1, _ORDER):
        found, longer = np.unique(longer[:-1] * n_tokens + numbers[length:], return_inverse=True)
        total += len(found)
    return total


def _cached(prepared: Prepared, below: Below, device: DeviceName) -> Trial:
    """Give a trained network a cache, tuned on the validation split in rows as long as those of the test."""
    from embedpipe.generation.cache import cached_losses, tune_cache
    from embedpipe.generation.evaluation import held_out
    from embedpipe.generation.part import load_generator

    model = load_generator(below.folder / _NETWORK, len(prepared.text.vocabulary)).to(resolve_device(device))
    began = time.perf_counter()
    length = prepared.scored.tokens.shape[1] - 1
    cache = tune_cache(
        model,
        held_out(prepared.text.validation.tokens, limit=_TUNED_TOKENS, rows=max(1, _TUNED_TOKENS // length)).tokens,
    )
    tuned = time.perf_counter() - began
    watched = perplexity_of(float(cached_losses(model, prepared.watched.tokens, cache).mean()))
    note = (
        f"theta {cache.theta:g}, weight {cache.weight:g}, tuned on the validation split in {tuned:.1f} s, not counted"
    )
    return Trial(
        cached_losses(model, prepared.scored.tokens, cache),
        below.trial.seconds,
        below.trial.n_tokens,
        below.trial.n_parameters,
        ((below.trial.seconds, watched),),
        notes=(note,),
    )


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
    from embedpipe.generation.part import save_generator
    from embedpipe.generation.train import train_language_model

    text, config = prepared.text, rung_config(rung, prepared.config.generation)
    vectors = prepared.vectors
    if vectors is None or rung.dim:
        vectors = np.zeros((len(text.vocabulary), width_of(rung, prepared)), np.float32)
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
            baselines=False,
            listener=listener,
        )
    if not trained.n_tokens_seen:
        raise ConfigError(f"rung '{rung.name}': not one step was taken in {seconds:g} s; give more (--seconds)")
    warnings = []
    steps = trained.n_tokens_seen / (config.batch * config.bptt)
    if steps < _FEW_STEPS:
        warnings.append(f"fewer than {_FEW_STEPS} steps fit into {seconds:g} s: give more (--seconds)")
    if trained.stopped:
        warnings.append(trained.stopped)
    if min(trained.timeline, key=lambda point: point[1]) is trained.timeline[0]:
        warnings.append("no evaluation was better than the untrained network, which is what is measured")
    if any(other.kind == "cache" and other.against == rung.name for other in RUNGS.values()):
        save_generator(folder / _NETWORK, trained.model)
    return Trial(
        trained.losses,
        trained.timeline[-1][0],
        trained.n_tokens_seen,
        sum(parameter.numel() for parameter in trained.model.parameters()),
        trained.timeline,
        warnings=tuple(warnings),
    )


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

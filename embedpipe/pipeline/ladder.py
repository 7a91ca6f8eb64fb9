"""Every rung trained on one corpus within one budget of seconds, and what each step is worth."""

import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embedpipe.config import PresetName
from embedpipe.errors import ConfigError
from embedpipe.pipeline.ladder_prepare import Prepared, ladder_folder, prepare_ladder
from embedpipe.pipeline.ladder_result import Ladder, ladder_result
from embedpipe.pipeline.ladder_rungs import RUNGS, Rung, choose_rungs, rung_config
from embedpipe.pipeline.ladder_trial import Below, Trial, budget_of, make_trial, read_trial, width_of, write_trial
from embedpipe.pipeline.ladder_write import write_ladder
from embedpipe.pipeline.plan import fingerprint
from embedpipe.pipeline.provenance import versions_of
from embedpipe.runtime import (
    DeviceName,
    Listener,
    StageFinished,
    StageSkipped,
    StageStarted,
    Stopped,
    check_alone,
    n_torch_threads,
    resolve_device,
    silent,
)

__all__ = ["ladder"]

_VERSION = 2
"""Raised whenever trials of an older version cannot stand beside new ones."""


def ladder(
    sources: Sequence[str],
    output: str | Path,
    *,
    rungs: Sequence[str] = ("all",),
    seconds: float = 60.0,
    seeds: int = 3,
    preset: PresetName | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 1,
    device: DeviceName = "auto",
    download: bool = False,
    listener: Listener = silent,
) -> Ladder:
    """Train every rung on one corpus for the same seconds under several seeds, and compare them on one held-out sample.

    Equal for all: the text and its vocabulary, the word vectors where a rung begins with them, the sample of the
    validation split that chooses the best state, the sample of the test split that is reported, seconds, device and
    threads. Evaluations are not counted in the seconds, which the learning rate follows. Rungs of counts take the
    seconds that counting takes. Seeds are the outer loop, so that what else the machine does falls on all rungs alike.

    Parameters
    ----------
    sources : as `run` takes them.
    output : folder with ``ladder.json``, ``ladder.md`` and ``ladder.html``, written anew after every seed, and with all
        finished rungs, from which a later call with the same arguments goes on.
    rungs : names of rungs or of groups of them, or ``all`` (`RUNGS`, `GROUPS`). Others that stand finished in `output`
        under the same conditions and all seeds stay in the result.
    seconds : of training for each rung and seed.
    seeds : trainings of each rung.
    preset : what the base takes its sizes from; by default it is chosen by the size of the corpus.
    settings : laid over preset and base, so also below every rung that changes one thing.
    seed : of the text, the word vectors and the first training; the others follow it.
    device : where networks are trained.
    download : allow sources to be fetched from the network.
    listener : is called with progress events.

    Raises
    ------
    ConfigError
        For an unknown rung or setting, seconds that are too few for one step, and in several processes.
    InputError, NotEnoughDataError
        For sources that cannot be read or are too small.
    OutputError
        If `output` holds something else, cannot be written, or another call is writing it.

    Examples
    --------
    >>> from embedpipe.pipeline.ladder import ladder
    >>> found = ladder(["builtin:wikipedia"], "wiki.ladder", rungs=["ladder"], seconds=20)  # doctest: +SKIP
    """
    check_alone("a ladder is trained")
    if isinstance(sources, str):
        raise TypeError("sources is a list of sources: wrap the string in a list")
    if not (math.isfinite(seconds) and seconds > 0 and seeds > 0):
        raise ConfigError(f"{seconds:g} seconds and {seeds} seeds are no budget; give a number above 0 of both")
    chosen = choose_rungs(rungs)
    resolved: DeviceName = "cuda" if resolve_device(device).type == "cuda" else "cpu"
    folder, work = ladder_folder(Path(output))
    with work.locked():
        prepared = prepare_ladder(
            [os.fspath(source) for source in sources],
            work,
            words=any(_begins_with_vectors(rung) for rung in chosen),
            preset=preset,
            settings=settings or {},
            seed=seed,
            download=download,
            listener=listener,
        )
        chosen = _with_finished(chosen, prepared, folder, seconds, range(seed, seed + seeds), resolved)
        trials: dict[str, list[Trial]] = {rung.name: [] for rung in chosen}
        for k in range(seeds):
            for place, rung in enumerate(chosen):
                if rung.kind == "counts" and k:
                    trials[rung.name].append(trials[rung.name][0])
                    continue
                told = f"{rung.name} ({k * len(chosen) + place + 1} of {seeds * len(chosen)})"
                below = None
                if rung.kind == "cache":
                    below = Below(trials[rung.against][k], _place(folder, rung.against, seed + k))
                trial = _trial(rung, prepared, folder, below, seconds, seed + k, resolved, told=told, listener=listener)
                trials[rung.name].append(trial)
            found = ladder_result(trials, chosen, _conditions(prepared, sources, seconds, k + 1, resolved), seed=seed)
            write_ladder(folder, found)
        return found


def _begins_with_vectors(rung: Rung) -> bool:
    return rung.longer or (rung.kind != "counts" and rung.settings.get("start") != "random")


def _trial(
    rung: Rung,
    prepared: Prepared,
    folder: Path,
    below: Below | None,
    seconds: float,
    seed: int,
    device: DeviceName,
    *,
    told: str,
    listener: Listener,
) -> Trial:
    """Return a trial that stands finished, or make it."""
    own, given = _place(folder, rung.name, seed), budget_of(rung, prepared, seconds)
    depends_on = _fingerprint(rung, prepared, below, given, seed, device)
    kept = read_trial(own, depends_on)
    if kept is not None:
        listener(StageSkipped(told, _summary(kept)))
        return kept
    partial = own.with_name(f".{own.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    listener(StageStarted(told))
    try:
        trial = make_trial(rung, prepared, partial, below, seconds=given, seed=seed, device=device, listener=listener)
        write_trial(own, partial, trial, depends_on)
    except KeyboardInterrupt:
        listener(Stopped(told, "interrupted; finished rungs are kept, the same command goes on here"))
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    listener(StageFinished(told, _summary(trial), trial.seconds))
    return trial


def _with_finished(
    chosen: Sequence[Rung], prepared: Prepared, folder: Path, seconds: float, seeds: range, device: DeviceName
) -> list[Rung]:
    """Return the chosen rungs with the others that stand finished under the same conditions."""
    kept = {rung.name for rung in chosen}
    for rung in RUNGS.values():
        own = seeds[:1] if rung.kind == "counts" else seeds
        if rung.name not in kept and all(_finished(rung, prepared, folder, seconds, seed, device) for seed in own):
            kept.add(rung.name)
    return [rung for rung in RUNGS.values() if rung.name in kept]


def _finished(
    rung: Rung, prepared: Prepared, folder: Path, seconds: float, seed: int, device: DeviceName
) -> Trial | None:
    """Return the trial of a rung if it stands finished."""
    below = None
    if rung.kind == "cache":
        trial = _finished(RUNGS[rung.against], prepared, folder, seconds, seed, device)
        if trial is None:
            return None
        below = Below(trial, _place(folder, rung.against, seed))
    given = budget_of(rung, prepared, seconds)
    return read_trial(_place(folder, rung.name, seed), _fingerprint(rung, prepared, below, given, seed, device))


def _place(folder: Path, name: str, seed: int) -> Path:
    return folder / "ladder.work" / "rungs" / f"{name}-seed-{seed}"


def _fingerprint(
    rung: Rung, prepared: Prepared, below: Below | None, seconds: float, seed: int, device: DeviceName
) -> str:
    """Return the fingerprint of all that a trial depends on."""
    config = rung_config(rung, prepared.config.generation).model_dump(mode="json")
    given: list[object] = [seconds, seed, device, n_torch_threads(), prepared.config.reproducible]
    if rung.kind == "counts":
        config, given = {}, []
    if below is not None:
        # A training by seconds ends with other weights each time, and a cache belongs to those that it was tuned for.
        given += [below.trial.perplexity, below.trial.n_tokens]
    prints = dict(prepared.prints) if _begins_with_vectors(rung) else {"text": prepared.prints["text"]}
    width = width_of(rung, prepared)
    return fingerprint(_VERSION, rung.name, rung.kind, width, config, given, prints, versions_of("generation"))


def _summary(trial: Trial) -> str:
    return f"perplexity {trial.perplexity:,.1f} on held-out text, {trial.tokens_per_second:,.0f} tokens/s"


def _conditions(
    prepared: Prepared, sources: Sequence[str], seconds: float, seeds: int, device: DeviceName
) -> dict[str, Any]:
    """Return what was equal for all rungs."""
    text, scored = prepared.text, prepared.scored
    return {
        "sources": [Path(source).name if ":" not in source else source for source in map(os.fspath, sources)],
        "seconds": seconds,
        "seeds": seeds,
        "preset": prepared.config.preset,
        "vocabulary": len(text.vocabulary),
        "training_tokens": text.train.n_tokens,
        "test_tokens": scored.n_scored,
        "test_rows": len(scored.tokens),
        "unknown_share": scored.unknown_share,
        "word_vector_seconds": prepared.word_seconds,
        "device": device,
        "threads": n_torch_threads(),
        "versions": versions_of("generation"),
    }

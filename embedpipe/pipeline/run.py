"""The main job, from sources to a bundle."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

from embedpipe.bundle.folder import BundleFolder, unlisted_files
from embedpipe.bundle.manifest import StageRecord
from embedpipe.bundle.save import remove_leftovers
from embedpipe.bundle.table import problem_with_table
from embedpipe.config import RECORDED, STAGES, PipelineConfig, PresetName
from embedpipe.errors import OutputError
from embedpipe.loading import Bundle
from embedpipe.pipeline.assemble import assemble
from embedpipe.pipeline.conflict import STARTS_FROM, check_conflict
from embedpipe.pipeline.latent_inputs import LATENT, kept_latent
from embedpipe.pipeline.plan import close_stages, existing_bundle, fingerprints, read_options
from embedpipe.pipeline.provenance import NEURAL, threads_of, versions_of
from embedpipe.pipeline.stages import RUNNERS, Job
from embedpipe.pipeline.together import calling_others
from embedpipe.pipeline.word_start import check_start, sized_settings, start_prints, start_settings
from embedpipe.pipeline.work import WorkFolder
from embedpipe.presets import take_preset
from embedpipe.runtime import (
    DeviceName,
    Listener,
    Saved,
    StageFinished,
    StageSkipped,
    Stopped,
    UpToDate,
    resolve_device,
    silent,
)
from embedpipe.tasks.builtin import check_tasks
from embedpipe.tasks.labelled import read_labelled_tasks
from embedpipe.text.readers import expand_sources, fingerprint_source

__all__ = ["make_stage", "run"]

Stage = Literal["text", "words", "sentences", "generation", "probes"]


def run(
    sources: Sequence[str],
    output: str | Path,
    *,
    preset: PresetName | None = None,
    settings: Mapping[str, Any] | None = None,
    stages: Sequence[str] = STAGES,
    seed: int | None = None,
    reproducible: bool | None = None,
    device: DeviceName = "auto",
    force: bool = False,
    resume: bool = True,
    download: bool = False,
    listener: Listener = silent,
    command: str = "",
) -> Bundle:
    """Make a bundle from raw text: prepare, train, probe, save. Finished stages are not made again.

    Parameters
    ----------
    sources : paths, globs, ``-`` or ``scheme:name`` as the command line takes them.
    output : folder of the bundle. Beside it, ``OUTPUT.work`` keeps what the next run can use again.
    preset : size of the models; ``auto`` chooses by the number of training tokens. Overrides the preset of
        `settings`; where neither names one it is ``auto``.
    settings : values laid over the preset, nested by section: ``{"words": {"epochs": 3}}``.
    stages : which stages to make; those that they need are added.
    seed : overrides the seed of `settings`.
    reproducible : one Word2Vec worker and deterministic kernels; overrides `settings`.
    device : where the neural stages train.
    force : replace a bundle made from other inputs or settings, and leave out a generative model that was trained
        into it.
    resume : go on with a stage that was interrupted from its checkpoint; if not, checkpoints are discarded.
    download : allow sources to be fetched from the network.
    listener : is called with progress events.
    command : how the run was called, recorded in the bundle.

    Returns
    -------
    Bundle
        The saved bundle, opened.

    Raises
    ------
    ConfigError
        For an unknown or wrong setting.
    InputError, NotEnoughDataError
        For sources that cannot be read or are too small.
    OutputError
        If `output` was made from other inputs or settings, cannot be written, or another run is writing it.

    Examples
    --------
    >>> import embedpipe
    >>> bundle = embedpipe.run(["builtin:toy-en"], "toy.bundle")  # doctest: +SKIP
    """
    if isinstance(sources, str):
        raise TypeError("sources is a list of sources: wrap the string in a list")
    if not os.fspath(output):
        raise OutputError("the name of the output is empty; name a folder to write, such as my.bundle")
    sources = [os.fspath(source) for source in sources]
    target, planned = Path(output).resolve(), close_stages(stages)
    over = dict(settings or {})
    over.update({} if seed is None else {"seed": seed})
    over.update({} if reproducible is None else {"reproducible": reproducible})
    chosen = take_preset(over, preset)
    first = "tiny" if chosen == "auto" else chosen
    asked = start_settings(PipelineConfig.of(first, over), over)
    config = PipelineConfig.of(first, asked)
    resolved: DeviceName = "cuda" if NEURAL & set(planned) and resolve_device(device).type == "cuda" else "cpu"

    # What cannot be written or read is refused before anything is made.
    check_start(config, target)
    existing_bundle(target, force=force)
    work = WorkFolder(target, planned)
    options = read_options(config, work, download=download)
    expand_sources(sources, options)
    if "probes" in planned:
        check_tasks(config.probes.tasks)
    if "sentences" in planned:
        read_labelled_tasks(config.sentences)
    with work.locked():
        remove_leftovers(target)
        for stage in () if resume else planned:
            work.remove_checkpoint(stage)
        existing = existing_bundle(target, force=force)
        source_prints = [fingerprint_source(source, options) for source in sources]
        starts = start_prints(config)
        prints = fingerprints(config, ["text"], source_prints, starts)
        if existing and not force:
            check_conflict(existing, planned, prints, config, source_prints, starts)
        job = Job(sources, config, work, resolved, download, listener, starts)
        if chosen == "auto" or config.text.continue_from:
            text = _known(existing, work, "text", prints["text"]) or make_stage(job, "text", prints["text"])
            job.config, job.chosen = sized_settings(chosen, asked, int(text.result["train"]["tokens"]))
        prints = fingerprints(job.config, planned, source_prints, starts)
        if existing and not force:
            check_conflict(existing, planned, prints, job.config, source_prints, starts)
        command = command or f"embedpipe.run({list(sources)!r}, {str(output)!r})"
        records = _complete(job, planned, prints, existing, force=force)
        if records is None:
            listener(UpToDate("bundle", str(output)))
        else:
            assemble(job, target, records, command)
            listener(Saved("bundle", str(output)))
        return Bundle(BundleFolder(target))


def _complete(
    job: Job,
    planned: Sequence[str],
    prints: Mapping[str, str],
    existing: BundleFolder | None,
    *,
    force: bool,
) -> dict[str, StageRecord] | None:
    """Return the records of all stages, each kept or made; None if the existing bundle is already what is asked."""
    kept = {} if existing is None else existing.manifest.stages
    made, extended = [stage for stage in kept if stage in STAGES], LATENT in kept
    as_asked = set(made) == set(planned) and not (extended and force)
    if existing and as_asked and all(kept[s].fingerprint == prints[s] for s in planned):
        for stage in kept:
            job.listener(StageSkipped(stage, kept[stage].summary))
        return None
    foreign = unlisted_files(existing.path, existing.manifest) if existing and not force else []
    if existing and foreign:
        raise OutputError(
            f"{existing.path}: holds {', '.join(foreign)}, not of the bundle, which replacing it would remove; move it "
            "away, or use --force"
        )
    records = {}
    for stage in planned:
        record, in_bundle = job.work.record(stage), kept.get(stage)
        if record is None or record.fingerprint != prints[stage]:
            record = None
            if stage != "text" and existing and in_bundle and in_bundle.fingerprint == prints[stage]:
                record = job.work.restore(stage, existing)
        if record is None or _of_other_parts(job, stage):
            record = make_stage(job, stage, prints[stage])
        elif stage not in job.made:
            job.listener(StageSkipped(stage, record.summary))
        job.work.remove_checkpoint(stage)
        records[stage] = record
    if existing and extended:
        records.update(kept_latent(job.work, existing, prints, job.listener, force=force))
    return {stage: records[stage] for stage in RECORDED if stage in records}


def _of_other_parts(job: Job, stage: str) -> bool:
    """Return whether a finished stage reads words or an encoder that had to be made anew, and came out otherwise."""
    if stage == "probes":
        return not {"words", "sentences"}.isdisjoint(job.made)
    encoder, words = job.work.file("encoder/config.json", "sentences"), job.work.file("words.safetensors", "words")
    return stage == "sentences" and bool(problem_with_table(encoder, words))


def make_stage(job: Job, stage: str, fingerprint: str) -> StageRecord:
    """Make one stage, put it in place in the working folder and return its record."""
    start = time.perf_counter()
    with job.work.writing(stage) as partial:
        try:
            with _device_errors(stage), calling_others(job, stage):
                outcome = RUNNERS[stage](job, partial)
        except KeyboardInterrupt:
            own = " and its checkpoint" if job.work.checkpoint(stage).is_dir() else ""
            reason = f"interrupted; the stages before it{own} are kept, the same command goes on here"
            job.listener(Stopped(stage, reason))
            raise
        seconds = time.perf_counter() - start
        record = StageRecord(
            fingerprint,
            outcome.summary,
            round(seconds, 3),
            {**outcome.result, STARTS_FROM: job.starts[stage]} if stage in job.starts else outcome.result,
            reproducible=job.config.reproducible or stage == "text",
            device=job.device if stage in NEURAL else "cpu",
            threads=outcome.threads or threads_of(stage),
            versions=versions_of(stage),
        )
        job.work.finish(stage, partial, record)
    job.made[stage] = record
    job.listener(StageFinished(stage, outcome.summary, seconds))
    return record


def _device_errors(stage: str) -> AbstractContextManager[None]:
    """Say what is kept where the device is lost or too small for a stage that torch trains."""
    if stage not in NEURAL:
        return nullcontext()
    from embedpipe.nn.memory import device_errors

    return device_errors("finished stages and the last checkpoint are kept")


def _known(existing: BundleFolder | None, work: WorkFolder, stage: str, fingerprint: str) -> StageRecord | None:
    in_bundle = existing.manifest.stages.get(stage) if existing else None
    for record in (work.record(stage), in_bundle):
        if record is not None and record.fingerprint == fingerprint:
            return record
    return None

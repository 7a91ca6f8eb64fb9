"""Going on with the training of a bundle's sentence encoder, on labelled data and on the text where it is at hand."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedpipe.bundle.folder import BundleFolder, sha256_of
from embedpipe.bundle.manifest import MANIFEST_NAME, StageRecord
from embedpipe.bundle.recorded import recorded_config
from embedpipe.bundle.save import remove_leftovers
from embedpipe.config import PipelineConfig
from embedpipe.errors import BundleError, ConfigError
from embedpipe.loading import Bundle, text_beside
from embedpipe.pipeline.changed import Changed, check_target, save_changed, source_and_target
from embedpipe.pipeline.conflict import WENT_ON
from embedpipe.pipeline.decoder import begins_as_generator, decoder_for
from embedpipe.pipeline.plan import fingerprint
from embedpipe.pipeline.probe_again import probe_again
from embedpipe.pipeline.provenance import threads_of, versions_of
from embedpipe.pipeline.train_command import OPTIONS, train_commands
from embedpipe.pipeline.work import STAGE_FILES, WorkFolder
from embedpipe.probes.findings import Findings
from embedpipe.probes.leaks.labelled_texts import labelled_texts
from embedpipe.probes.leaks.training_text import TrainingText
from embedpipe.probes.rows import stage_result, summary
from embedpipe.runtime import (
    DeviceName,
    Listener,
    Saved,
    StageFinished,
    StageStarted,
    UpToDate,
    resolve_device,
    seeded,
    silent,
)
from embedpipe.settings import overlay
from embedpipe.tasks.labelled import labelled_files

if TYPE_CHECKING:
    from embedpipe.sentences.labelled import Labelled
    from embedpipe.sentences.trained import TrainedEncoder
    from embedpipe.text.prepared import PreparedText

__all__ = ["train_sentences"]

_SHAPE = ("architecture", "hidden", "layers", "heads", "pooling", "dim", "residual", "beside", "moments")
_ENCODER = STAGE_FILES["sentences"]
_SWAP = "swap.json"


def train_sentences(
    bundle: str | Path,
    *,
    pairs: Sequence[str] = (),
    inference: Sequence[str] = (),
    scores: Sequence[str] = (),
    output: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    device: DeviceName = "auto",
    resume: bool = True,
    force: bool = False,
    listener: Listener = silent,
) -> Bundle:
    """Go on training the sentence encoder of a bundle; one without an encoder begins with its SIF average.

    Where the prepared text lies beside the bundle, the label-free objectives go on too, denoising through the generator
    of the bundle, where it has one: that is begun with, trained along and thrown away. What the bundle's probes
    measured is measured again; a task that can no longer be measured is a row that says so. The bundle is written anew
    as a whole and swapped into place; its words and generator stay as they are, byte for byte.

    Parameters
    ----------
    bundle : folder of the bundle.
    pairs, inference, scores : files of labelled data, as the settings of the same names take them. A kind that is not
        given is taken from `settings`; the files that the bundle was made with are not learnt from again.
    output : folder of the new bundle; without one the bundle is replaced. Beside it, ``OUTPUT.work`` keeps what an
        interrupted training goes on from.
    settings : values laid over those that the bundle was made with: ``{"sentences": {"steps": 300}}``. Those that fix
        the shape of an encoder are for a bundle without one.
    device : where to train.
    resume : go on with an interrupted training from its checkpoint; if not, it is discarded.
    force : replace a bundle that stands at `output`.
    listener : is called with progress events.

    Returns
    -------
    Bundle
        The saved bundle, opened.

    Raises
    ------
    BundleError
        If the bundle cannot be opened, is damaged, or has no words.
    InputError, NotEnoughDataError
        If a file of labelled data cannot be read, or there is nothing to learn from.
    ConfigError
        For a wrong setting, one of another stage, or one that an encoder already fixes, and in several processes.
    OutputError
        If something stands at `output`, or another run is writing it.
    DeviceError
        If the device is lost, or too small for one row at a time; the bundle is left as it was.

    Examples
    --------
    >>> from embedpipe.pipeline.train_sentences import train_sentences
    >>> bundle = train_sentences("wiki.bundle", pairs=["paraphrases.tsv"])  # doctest: +SKIP
    """
    from embedpipe.nn.memory import device_errors
    from embedpipe.sentences.labelled import read_labelled
    from embedpipe.sentences.part import save_encoder

    noted = resume and output is not None and _swapped_in(Path(output).resolve()) is not None
    # A bundle that an earlier call wrote in its last moment is no hindrance to the same call; to another it is, below.
    source, target = source_and_target(bundle, output, force=force or noted)
    asked = _with_files(settings or {}, {"pairs": pairs, "inference": inference, "scores": scores})
    work = WorkFolder(target)
    with work.locked():
        remove_leftovers(target)
        if not resume:
            work.remove_checkpoint("sentences")
        # Opened again, for another run may have written it before this one held the folder.
        source = BundleFolder(source.path)
        before = recorded_config(source.file("config.toml", "text"))
        config = _config(source, before, asked)
        labelled, text = read_labelled(config.sentences, Bundle(source).codec), text_beside(Bundle(source))
        prints = {str(path): sha256_of(path) for path in labelled_files(config.sentences)}
        begun_from = None if target == source.path else sha256_of(source.path / MANIFEST_NAME)
        asked_for = fingerprint(
            config.sentences.model_dump(mode="json"), config.seed, list(prints.values()), begun_from
        )
        if _swapped_in(target) == asked_for:
            _finish(work, text, shared=target != source.path)
            listener(UpToDate("bundle", str(output or bundle)))
            return Bundle(BundleFolder(target))
        check_target(source, target, force=force)
        start = time.perf_counter()
        listener(StageStarted("sentences", config.sentences.steps, "step"))
        with device_errors(f"{source.path} is as it was, and the last checkpoint is kept"):
            trained = _trained(Bundle(source), text, config, labelled, device, work.checkpoint("sentences"), listener)
        listener(StageFinished("sentences", trained.summary, time.perf_counter() - start))
        with work.writing("bundle") as new:
            records = dict(source.manifest.stages)
            records["sentences"] = _record(source, before, config, trained, prints, device, time.perf_counter() - start)
            (new / "encoder").mkdir()
            save_encoder(new / "encoder", trained.network, Bundle(source).bag.vectors)
            findings = Findings()
            if "probes" in records:
                parts = Bundle(Changed(source, new, _ENCODER))
                findings, records["probes"] = _probed(parts, text, config, records["sentences"], listener)
            _note_swap(work, asked_for, records["sentences"])
            save_changed(source, new, target, config, records, findings, train_commands(target.name, records))
        _finish(work, text, shared=target != source.path)
    listener(Saved("bundle", str(output or bundle)))
    return Bundle(BundleFolder(target))


def _note_swap(work: WorkFolder, asked_for: str, record: StageRecord) -> None:
    """Note beside the checkpoint which training is about to be swapped in, for a kill may fall before it is removed.

    Its record is noted and not its encoder, which is that of before where no step made it better.
    """
    folder = work.checkpoint("sentences")
    folder.mkdir(parents=True, exist_ok=True)
    note = {"asked_for": asked_for, "record": fingerprint(asdict(record))}
    (folder / _SWAP).write_text(json.dumps(note), encoding="utf-8")


def _swapped_in(target: Path) -> str | None:
    """Return what an earlier call asked for that was killed after its bundle stood at `target`; None without one."""
    try:
        note = json.loads((WorkFolder(target).checkpoint("sentences") / _SWAP).read_text(encoding="utf-8"))
        record = BundleFolder(target).manifest.stages["sentences"]
        return str(note["asked_for"]) if note["record"] == fingerprint(asdict(record)) else None
    except (OSError, ValueError, TypeError, KeyError, BundleError):
        return None


def _finish(work: WorkFolder, text: "PreparedText | None", *, shared: bool) -> None:
    """Share the text with a new bundle; remove the checkpoint last, for the note in it says that this is to be done."""
    if text is not None and shared:
        work.share(text.path, "text")
    work.remove_checkpoint("sentences")


def _with_files(settings: Mapping[str, Any], files: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
    """Return `settings` with the files of each kind; where none are given, those of `settings`, not of the bundle."""
    own = settings.get("sentences", {})
    if not isinstance(own, Mapping):
        return settings
    return overlay(settings, {"sentences": {kind: list(given) or own.get(kind, []) for kind, given in files.items()}})


def _config(source: BundleFolder, before: PipelineConfig, settings: Mapping[str, Any]) -> PipelineConfig:
    """Return the configuration of the bundle with `settings` laid over it."""
    others = [key for key in settings if key != "sentences"]
    if others:
        raise ConfigError(
            f"'{others[0]}' cannot be set here: only the sentence encoder is trained, by settings sentences.KEY=VALUE"
        )
    config = PipelineConfig.of(before.preset, overlay(before.model_dump(mode="json"), settings))
    if _ENCODER[0] not in source:
        return config
    for key in _SHAPE:
        was, now = getattr(before.sentences, key), getattr(config.sentences, key)
        if was != now:
            raise ConfigError(
                f"sentences.{key} is {was!r} in {source.path}, whose encoder is gone on with, and cannot become "
                f"{now!r}; make another encoder with: embedpipe run ... --set sentences.{key}={now}"
            )
    if before.sentences.architecture == "bag":
        raise ConfigError(
            f"{source.path}: its encoder is a bag, the SIF average, which has nothing to train; make another one with: "
            "embedpipe run ... --set sentences.architecture=bilstm"
        )
    return config


def _trained(
    bundle: Bundle,
    text: "PreparedText | None",
    config: PipelineConfig,
    labelled: "Sequence[Labelled]",
    device: DeviceName,
    checkpoint: Path,
    listener: Listener,
) -> "TrainedEncoder":
    from embedpipe.sentences.train import train_encoder

    start = bundle.sentence_network if _ENCODER[0] in bundle.parts else None
    train, validation, test = (None, None, None) if text is None else (text.train, text.validation, text.test)
    with seeded(config.seed, deterministic=config.reproducible):
        return train_encoder(
            bundle.bag,
            train,
            validation,
            test,
            config.sentences,
            seed=config.seed,
            device=resolve_device(device),
            labelled=labelled,
            start=start,
            decoder=decoder_for(bundle, bundle.vocabulary, config, trained=True),
            checkpoint=checkpoint,
            listener=listener,
        )


def _record(
    source: BundleFolder,
    before: PipelineConfig,
    config: PipelineConfig,
    trained: "TrainedEncoder",
    prints: Mapping[str, str],
    device: DeviceName,
    seconds: float,
) -> StageRecord:
    """Return the record of the training, with one entry for it and for each that it goes on from."""
    old = source.manifest.stages.get("sentences")
    encoder = None if old is None else {name: source.manifest.files[name].sha256 for name in _ENCODER}
    was, now = (one.sentences.model_dump(mode="json") for one in (before, config))
    changed = {key: value for key, value in now.items() if value != was[key] and key not in OPTIONS}
    this = {"from": encoder, **{kind: now[kind] for kind in OPTIONS}, "settings": changed, "sha256": dict(prints)}
    if begins_as_generator(Bundle(source), config):
        this["decoder"] = {name: source.manifest.files[name].sha256 for name in STAGE_FILES["generation"]}
    trainings = [*(old.result.get(WENT_ON, []) if old else []), this]
    return StageRecord(
        fingerprint(WENT_ON, old.fingerprint if old else None, list(prints.values()), now, config.seed),
        trained.summary,
        round(seconds, 3),
        {**trained.result, WENT_ON: trainings},
        reproducible=config.reproducible and (old is None or old.reproducible),
        device=resolve_device(device).type,
        threads=threads_of("sentences"),
        versions=versions_of("sentences"),
    )


def _probed(
    parts: Bundle, text: "PreparedText | None", config: PipelineConfig, sentences: StageRecord, listener: Listener
) -> tuple[Findings, StageRecord]:
    """Return what the probes find now, and their record; `sentences` is the one of the encoder."""
    start = time.perf_counter()
    training = None if text is None else TrainingText.of(text)
    findings = probe_again(
        parts,
        text,
        config.probes,
        seed=config.seed,
        training=training,
        labelled=labelled_texts(config.sentences, sentences.result[WENT_ON]),
        listener=listener,
    )
    seconds = time.perf_counter() - start
    record = StageRecord(
        fingerprint("probes", sentences.fingerprint, config.probes.model_dump(mode="json"), config.seed),
        summary(findings.rows),
        round(seconds, 3),
        stage_result(findings.rows),
        reproducible=config.reproducible,
        threads=threads_of("probes"),
        versions=versions_of("probes"),
    )
    listener(StageFinished("probes", record.summary, seconds))
    return findings, record

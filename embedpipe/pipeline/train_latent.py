"""Training the generative model of a bundle's sentences, on the text beside it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedpipe.bundle.folder import BundleFolder
from embedpipe.bundle.manifest import StageRecord
from embedpipe.bundle.recorded import recorded_config
from embedpipe.bundle.save import remove_leftovers
from embedpipe.config import STAGES, PipelineConfig
from embedpipe.errors import BundleError, ConfigError, NotEnoughDataError
from embedpipe.loading import Bundle, text_beside
from embedpipe.pipeline.assemble import again_command
from embedpipe.pipeline.changed import save_changed, source_and_target
from embedpipe.pipeline.latent_inputs import latent_inputs
from embedpipe.pipeline.plan import fingerprint
from embedpipe.pipeline.provenance import threads_of, versions_of
from embedpipe.pipeline.train_command import train_commands
from embedpipe.pipeline.work import STAGE_FILES, WorkFolder
from embedpipe.probes.findings import Findings, read_findings
from embedpipe.runtime import (
    DeviceName,
    Listener,
    Saved,
    StageFinished,
    StageStarted,
    resolve_device,
    seeded,
    silent,
)
from embedpipe.settings import overlay

if TYPE_CHECKING:
    from embedpipe.generation.vae.start import ReaderStart
    from embedpipe.generation.vae.train import TrainedVAE
    from embedpipe.text.prepared import PreparedText

__all__ = ["train_latent"]

_STAGE = "latent"
_GENERATOR, _ENCODER = STAGE_FILES["generation"][0], STAGE_FILES["sentences"][0]


def train_latent(
    bundle: str | Path,
    *,
    output: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    device: DeviceName = "auto",
    resume: bool = True,
    force: bool = False,
    listener: Listener = silent,
) -> Bundle:
    """Train a generative model p(x | z) of the sentences of a bundle, and put it into the bundle.

    Its decoder begins as the bundle's generator, and what reads a sentence as the network of its encoder, where it has
    one. A generative model that the bundle has is replaced. All other parts stay as they are, byte for byte.

    Parameters
    ----------
    bundle : folder of the bundle, with its prepared text in ``BUNDLE.work``.
    output : folder of the new bundle; without one the bundle is replaced. Beside it, ``OUTPUT.work`` keeps what an
        interrupted training goes on from.
    settings : values laid over those that the bundle was made with: ``{"latent": {"steps": 300}}``.
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
        If the bundle cannot be opened, is damaged, or has no words or no generator.
    NotEnoughDataError
        If its prepared text is not there, or has no sentence that is short enough.
    ConfigError
        For a wrong setting, or one of another stage, and in several processes.
    OutputError
        If something stands at `output`, or another run is writing it.
    DeviceError
        If the device is lost or too small; the bundle is left as it was.

    Examples
    --------
    >>> from embedpipe.pipeline.train_latent import train_latent
    >>> bundle = train_latent("wiki.bundle", settings={"latent": {"dim": 16}})  # doctest: +SKIP
    """
    from embedpipe.generation.vae.part import save_vae
    from embedpipe.nn.memory import device_errors

    source, target = source_and_target(bundle, output, force=force)
    work = WorkFolder(target)
    with work.locked():
        remove_leftovers(target)
        if not resume:
            work.remove_checkpoint(_STAGE)
        # Opened again, for another run may have written it before this one held the folder.
        source = BundleFolder(source.path)
        _check_generator(source)
        before = recorded_config(source.file("config.toml", "text"))
        config = _config(before, settings or {})
        text = _text(source)
        start = time.perf_counter()
        listener(StageStarted(_STAGE, config.latent.steps, "step"))
        with device_errors(f"{source.path} is as it was, and the last checkpoint is kept"):
            trained = _trained(Bundle(source), text, config, device, work.checkpoint(_STAGE), listener)
        listener(StageFinished(_STAGE, trained.summary, time.perf_counter() - start))
        if target != source.path:
            work.share(text.path, "text")  # before the bundle stands there, for a kill may fall between the two
        with work.writing("bundle") as new:
            records = dict(source.manifest.stages)
            records[_STAGE] = _record(source, config, trained, device, time.perf_counter() - start)
            save_vae(new / "vae", new / "vae_decoder", trained.model)
            findings = read_findings(source.file("probes.json", "probes")) if "probes" in records else Findings()
            run = again_command(source.manifest.sources, target.name, records, download=False)
            save_changed(source, new, target, config, records, findings, train_commands(target.name, records, run))
        work.remove_checkpoint(_STAGE)
    listener(Saved("bundle", str(output or bundle)))
    return Bundle(BundleFolder(target))


def _config(before: PipelineConfig, settings: Mapping[str, Any]) -> PipelineConfig:
    """Return the configuration of the bundle with `settings` laid over it."""
    others = [key for key in settings if key != _STAGE]
    if others:
        raise ConfigError(
            f"'{others[0]}' cannot be set here: only the generative model is trained, by settings latent.KEY=VALUE"
        )
    return PipelineConfig.of(before.preset, overlay(before.model_dump(mode="json"), settings))


def _check_generator(source: BundleFolder) -> None:
    if _GENERATOR not in source:
        stages = ",".join(stage for stage in STAGES if stage in source.manifest.stages or stage == "generation")
        raise BundleError(
            f"{source.path}: has no generator, which the generative model begins as; make it first, with the sources "
            f"and settings of the bundle: embedpipe run SOURCE... -o {source.path.name} --stages {stages}"
        )


def _text(source: BundleFolder) -> "PreparedText":
    text = text_beside(Bundle(source))
    if text is None:
        raise NotEnoughDataError(
            f"{source.path}.work: holds no prepared text, which a generative model is trained on; run the command that "
            "made the bundle once more, which prepares it again"
        )
    return text


def _trained(
    bundle: Bundle,
    text: "PreparedText",
    config: PipelineConfig,
    device: DeviceName,
    checkpoint: Path,
    listener: Listener,
) -> "TrainedVAE":
    from embedpipe.generation.vae.train import train_vae

    with seeded(config.seed, deterministic=config.reproducible):
        return train_vae(
            bundle.generator.model,
            _reader(bundle),
            bundle.vocabulary,
            text.train,
            text.validation,
            text.test,
            config.latent,
            seed=config.seed,
            device=resolve_device(device),
            checkpoint=checkpoint,
            listener=listener,
        )


def _reader(bundle: Bundle) -> "ReaderStart | None":
    """Return what the reader begins as; None where there is no encoder, or one of another width."""
    from embedpipe.generation.vae.start import reader_of

    if _ENCODER not in bundle.parts:
        return None
    network = bundle.encoder.network
    return reader_of(network) if network.shape.word_dim == bundle.generator.model.shape.dim else None


def _record(
    source: BundleFolder, config: PipelineConfig, trained: "TrainedVAE", device: DeviceName, seconds: float
) -> StageRecord:
    now, plain = config.latent.model_dump(mode="json"), type(config.latent)().model_dump(mode="json")
    inputs = latent_inputs(source.manifest.stages)
    return StageRecord(
        fingerprint(_STAGE, 1, inputs, now, config.seed, config.reproducible),
        trained.summary,
        round(seconds, 3),
        {
            **trained.result,
            "settings": {key: value for key, value in now.items() if value != plain[key]},
            "inputs": inputs,
        },
        reproducible=config.reproducible,
        device=resolve_device(device).type,
        threads=threads_of(_STAGE),
        versions=versions_of(_STAGE),
    )

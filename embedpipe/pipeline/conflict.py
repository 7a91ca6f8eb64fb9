"""Whether a bundle that stands there is what a run would make, and if not, in what it differs."""

from collections.abc import Mapping, Sequence
from typing import Any

from embedpipe.bundle.folder import BundleFolder
from embedpipe.bundle.manifest import StageRecord
from embedpipe.bundle.recorded import recorded_config
from embedpipe.config import STAGES, PipelineConfig
from embedpipe.errors import BundleError, OutputError
from embedpipe.pipeline.decoder import DECODER_SETTINGS
from embedpipe.pipeline.plan import fingerprints
from embedpipe.pipeline.provenance import versions_of
from embedpipe.tasks.builtin import task_files
from embedpipe.tasks.labelled import labelled_files

__all__ = ["STARTS_FROM", "WENT_ON", "check_conflict"]

_MOST = 5
STARTS_FROM = "starts_from"
"""Where the result of a stage holds the hashes of the files, other than sources, that it was made from."""
WENT_ON = "went_on"
"""Where the result of `sentences` holds the trainings that went on after the run, the first one first."""


def check_conflict(
    existing: BundleFolder,
    planned: Sequence[str],
    prints: Mapping[str, str],
    config: PipelineConfig,
    source_prints: Sequence[str],
    starts: Mapping[str, Any],
) -> None:
    """Raise `OutputError` if `existing` was made from other inputs or settings than are asked for.

    A run that adds stages to a bundle is no conflict; it measures anew.

    Parameters
    ----------
    existing : the bundle that stands where the run writes.
    planned : the stages of the run.
    prints : the fingerprints that are known so far, by stage.
    config : the settings, as far as they shape the stages in `prints`.
    source_prints : the fingerprints of the sources.
    starts : by stage, the hashes of the files that words start from.
    """
    records = existing.manifest.stages
    unplanned = [stage for stage in records if stage not in planned and stage in STAGES]
    if unplanned:
        union = ",".join(stage for stage in STAGES if stage in records or stage in planned)
        raise OutputError(
            f"{existing.path}: holds the stage '{unplanned[0]}', which this run does not make; to keep it, run again "
            f"with --stages {union}; otherwise choose another -o, or replace the bundle with --force"
        )
    adds_stages = any(stage not in records for stage in planned)
    changed = [
        stage
        for stage, record in records.items()
        if record.fingerprint != prints.get(stage, record.fingerprint) and not (stage == "probes" and adds_stages)
    ]
    if changed and changed[0] == "sentences" and records["sentences"].result.get(WENT_ON):
        raise OutputError(
            f"{existing.path}: its encoder was trained further (embedpipe train sentences) after the run that made it, "
            "and this run would undo that; choose another -o, or go back to the encoder of the run with --force"
        )
    if changed:
        differing = ", ".join(_differences(existing, changed, config, source_prints, starts))
        raise OutputError(
            f"{existing.path}: was made from other inputs or settings (stage '{changed[0]}')"
            f"{': ' if differing else ''}{differing}; choose another -o, or replace it with --force"
        )


def _differences(
    existing: BundleFolder,
    stages: Sequence[str],
    config: PipelineConfig,
    source_prints: Sequence[str],
    starts: Mapping[str, Any],
) -> list[str]:
    """Return what about `stages` is not as it was, such as ``seed 1 -> 9``; nothing where it cannot be told."""
    before = _recorded(existing)
    if before is None:
        return []
    found = []
    records = existing.manifest.stages
    if "text" in stages and _other_content(records["text"], before, source_prints):
        found.append("the content of the sources")
    same_paths = _start_of(before) == _start_of(config)
    if same_paths and any(starts.get(stage) != records[stage].result.get(STARTS_FROM) for stage in stages):
        found.append(f"the content of {_start_of(config)}")
    found += _changed(_settings(before, stages), _settings(config, stages))
    if not found and list(stages) == ["probes"] and task_files(config.probes.tasks):
        found.append("the content of a task file")
    if not found and "sentences" in stages and labelled_files(config.sentences):
        found.append("the content of a file of labelled data")
    for stage in stages:
        if not found and config.reproducible:
            found = _changed(records[stage].versions, versions_of(stage))
    return found if len(found) <= _MOST else [*found[:_MOST], f"and {len(found) - _MOST} more settings"]


def _other_content(text: StageRecord, before: PipelineConfig, source_prints: Sequence[str]) -> bool:
    """Return whether the sources are known not to hold what they held."""
    now = versions_of("text")
    counted = now if before.reproducible else ["embedpipe"]
    same_code = all(text.versions.get(library) == now[library] for library in counted)
    starts = {"text": text.result[STARTS_FROM]} if STARTS_FROM in text.result else {}
    return same_code and fingerprints(before, ["text"], source_prints, starts)["text"] != text.fingerprint


def _start_of(config: PipelineConfig) -> str:
    return config.text.continue_from or config.words.vectors


def _recorded(existing: BundleFolder) -> PipelineConfig | None:
    """Return the configuration that a bundle was made with; None if this program does not understand it."""
    try:
        return recorded_config(existing.file("config.toml", "text"))
    except BundleError:
        return None


def _settings(config: PipelineConfig, stages: Sequence[str]) -> dict[str, Any]:
    """Return the settings that shape `stages`, by their full names."""
    content = config.model_dump(mode="json")
    top = ["seed", "reproducible"] if list(stages) == ["text"] else ["preset", "seed", "reproducible"]
    sections = {f"{stage}.{key}": value for stage in stages for key, value in content[stage].items()}
    if "sentences" in stages and config.sentences.denoising:
        sections |= {f"generation.{key}": content["generation"][key] for key in DECODER_SETTINGS}
    return {key: content[key] for key in top} | sections


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [f"{key} {before.get(key)} -> {value}" for key, value in now.items() if before.get(key) != value]

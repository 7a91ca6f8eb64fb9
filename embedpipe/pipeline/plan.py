"""What a run has to do: its stages, their fingerprints, how sources are read, the bundle that stands there already."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embedpipe.bundle.folder import BundleFolder, sha256_of
from embedpipe.bundle.manifest import MANIFEST_NAME
from embedpipe.config import STAGES, PipelineConfig
from embedpipe.errors import BundleError, ConfigError, OutputError
from embedpipe.pipeline.decoder import DECODER_SETTINGS
from embedpipe.pipeline.provenance import versions_of
from embedpipe.pipeline.work import WorkFolder
from embedpipe.tasks.builtin import task_files
from embedpipe.tasks.labelled import labelled_files
from embedpipe.text.readers import ReadOptions

__all__ = ["NEEDS", "close_stages", "existing_bundle", "fingerprint", "fingerprints", "read_options"]

NEEDS: dict[str, tuple[str, ...]] = {
    "text": (),
    "words": ("text",),
    "sentences": ("text", "words"),
    "generation": ("text", "words"),
    "probes": ("text", "words", "sentences"),
}
"""What each stage reads, where it is part of the run; `probes` can do without an encoder."""

_STAGE_VERSION = {"text": 4, "words": 5, "sentences": 7, "generation": 3, "probes": 3}
"""Raised whenever a stage's code changes what it writes, so that old outputs are not taken for new ones."""


def close_stages(stages: Sequence[str]) -> tuple[str, ...]:
    """Return `stages` in order together with the stages that they cannot do without.

    >>> close_stages(["generation"])
    ('text', 'words', 'generation')
    """
    if isinstance(stages, str):
        raise TypeError("stages is a list of stages: wrap the string in a list")
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown or not stages:
        raise ConfigError(f"unknown stage '{', '.join(unknown)}': --stages takes a list of {', '.join(STAGES)}")
    wanted = set(stages)
    for stage in stages:
        wanted.update(need for need in NEEDS[stage] if (stage, need) != ("probes", "sentences"))
    return tuple(stage for stage in STAGES if stage in wanted)


def fingerprint(*content: object) -> str:
    """Return the SHA-256 of JSON-able content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def fingerprints(
    config: PipelineConfig,
    stages: Sequence[str],
    source_prints: Sequence[str],
    starts: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Return the fingerprint of each stage: its inputs, its settings, the seed and the version of its code.

    `starts` are the hashes of other files that a stage starts from, by stage.

    In a reproducible run the versions of the libraries belong to it: another version may give other bytes.
    """
    prints: dict[str, str] = {}
    for stage in stages:
        inputs: Mapping[str, str] = {need: prints[need] for need in NEEDS[stage] if need in prints}
        settings = getattr(config, stage).model_dump(mode="json", exclude_none=True)
        start: object = list(source_prints) if stage == "text" else config.reproducible
        if stage == "probes":
            start = [start, {task: sha256_of(Path(task)) for task in task_files(config.probes.tasks)}]
        if stage == "sentences" and (files := labelled_files(config.sentences)):
            start = [start, [sha256_of(path) for path in files]]
        if stage == "sentences" and config.sentences.denoising:
            start = [start, {key: getattr(config.generation, key) for key in DECODER_SETTINGS}]
        if starts and stage in starts:
            start = [start, starts[stage]]
        versions = versions_of(stage) if config.reproducible else {}
        prints[stage] = fingerprint(stage, _STAGE_VERSION[stage], start, inputs, settings, config.seed, versions)
    return prints


def existing_bundle(target: Path, *, force: bool) -> BundleFolder | None:
    """Return the bundle that stands at `target`, None if nothing does (or, with `force`, a damaged one).

    Raises
    ------
    OutputError
        If something else stands there, which is never replaced, or the current folder lies in it.
    """
    if Path.cwd().is_relative_to(target):
        raise OutputError(f"{target}: the current folder lies in it; choose a folder of its own, such as -o my.bundle")
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return None
    if not (target / MANIFEST_NAME).is_file():
        raise OutputError(f"{target}: exists and is not a bundle, so it will not be replaced; choose another -o")
    try:
        return BundleFolder(target)
    except BundleError as error:
        if force:
            return None
        raise OutputError(f"{error}; --force replaces it") from error


def read_options(config: PipelineConfig, work: WorkFolder, *, download: bool) -> ReadOptions:
    """Return how the sources of a run are read: never what it writes itself, standard input kept in its folder."""
    return ReadOptions(
        encoding=config.text.encoding,
        encoding_errors=config.text.encoding_errors,
        documents=config.text.documents,
        download=download,
        exclude=work.writes,
        spool=work.path,
    )

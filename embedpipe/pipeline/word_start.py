"""What the words stage starts from: nothing, vectors of another program, or a bundle whose training goes on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.bundle.folder import BundleFolder, sha256_of
from embedpipe.bundle.recorded import recorded_config
from embedpipe.bundle.tensors import map_tensors
from embedpipe.config import PipelineConfig
from embedpipe.errors import ConfigError, OutputError
from embedpipe.loading import Bundle
from embedpipe.presets import preset_for, preset_reason, preset_settings
from embedpipe.settings import overlay
from embedpipe.text.continued import Base, load_base
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.build import BESIDE
from embedpipe.words.match import match_vectors
from embedpipe.words.part import TRAINING_FILE, WORDS_FILE, load_training
from embedpipe.words.read_vectors import find_format, read_vectors
from embedpipe.words.train import StartVectors

__all__ = ["check_start", "sized_settings", "start_prints", "start_settings", "text_base", "word_starts"]

_TEXT_FILES = ("vocabulary.json", "tokenizer_spec.json")
_SHAPES = ("architecture", "objective", "dim", "beside", "subwords")
_NGRAMS = ("shortest_ngram", "longest_ngram", "buckets")
_PUBLISHING = (
    "steps",
    "beside_window",
    "beside_negatives",
    "beside_subsample",
    "shortest_ngram",
    "longest_ngram",
    "unseen",
)


def start_settings(config: PipelineConfig, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a run with those added that what it starts from decides, whatever the preset says.

    The width is that of the file of vectors. A bundle that is continued decides the shapes of its tables; how they are
    published is as it was unless `settings` say otherwise.

    Parameters
    ----------
    config : `settings` over any preset.
    settings : what was asked for, nested by section.

    Raises
    ------
    ConfigError
        If `settings` ask for tables of another shape.
    InputError, BundleError
        If the file or the bundle is not there or damaged.
    """
    asked = settings.get("words", {})
    if config.words.vectors:
        path = Path(config.words.vectors)
        # Imported vectors come without contexts and alone: a preset's steps for two trainings say nothing about them.
        kept = {} if config.words.epochs else {"beside": "none", "steps": ["whiten:0.5"]}
        kept = {key: value for key, value in kept.items() if key not in asked}
        return _decided(config, overlay({"words": kept}, settings), {"dim": find_format(path).dim}, f"{path}")
    if config.text.continue_from:
        base = BundleFolder(Path(config.text.continue_from))
        before = recorded_config(base.file("config.toml", "text")).words
        shapes = _SHAPES + (_NGRAMS if before.subwords else ())
        kept = {key: getattr(before, key) for key in _PUBLISHING if key not in asked}
        decided = {key: getattr(before, key) for key in shapes}
        return _decided(config, overlay({"words": kept}, settings), decided, f"{base.path}, which is continued,")
    return settings


def sized_settings(chosen: str, settings: Mapping[str, Any], n_tokens: int) -> tuple[PipelineConfig, str]:
    """Return the configuration for a text of `n_tokens` training tokens, and what ``auto`` chose and why, else nothing.

    Where a bundle is continued the words were learnt from both texts and take the preset of both, where the other
    stages read the new text alone. Their learning rate starts at the new text's share of both: what it would have
    fallen to, had the new text stood at the end of the old one.

    Parameters
    ----------
    chosen : a preset, or ``auto``.
    settings : with what `start_settings` adds; a learning rate among them stays.
    n_tokens : training tokens of the new text.
    """
    auto = chosen == "auto"
    preset = preset_for(n_tokens) if auto else chosen
    config = PipelineConfig.of(preset, settings)
    base = text_base(config)
    if base is None:
        return config, preset_reason(n_tokens) if auto else ""
    n_both = n_tokens + int(base.vocabulary.counts.sum())
    words = preset_settings(preset_for(n_both) if auto else chosen, settings)["words"]
    words = {**words, "learning_rate": words["learning_rate"] * n_tokens / n_both}
    return PipelineConfig.of(preset, overlay({"words": words}, settings)), preset_reason(n_both) if auto else ""


def _decided(
    config: PipelineConfig, settings: Mapping[str, Any], decided: Mapping[str, Any], by: str
) -> Mapping[str, Any]:
    for key, value in decided.items():
        chosen = getattr(config.words, key)
        if key in settings.get("words", {}) and chosen != value:
            raise ConfigError(
                f"words.{key} is to be {chosen}, but {by} has {value}: leave words.{key} out, or start from another"
            )
    return overlay(settings, {"words": decided})


def check_start(config: PipelineConfig, target: Path) -> None:
    """Raise what will be wrong with the start of a run before anything is made.

    Parameters
    ----------
    config : with what `start_settings` adds.
    target : the bundle to write, resolved.

    Raises
    ------
    ConfigError
        If vectors are given by both settings or by none and no epochs, phrases are asked for on top of those of a
        bundle, or its tables cannot start such a training.
    OutputError
        If the run would replace the bundle that it continues.
    BundleError
        If the bundle is damaged or was not made from text.
    """
    words = config.words
    if not words.epochs and not (words.vectors or config.text.continue_from):
        raise ConfigError("words.epochs=0 trains nothing; give vectors to keep with words.vectors=PATH")
    if not config.text.continue_from:
        return
    if words.vectors:
        raise ConfigError("words.vectors and text.continue_from both say what words start from; give one of them")
    if config.text.phrases != "none":
        raise ConfigError("a bundle that is continued keeps its own phrases; leave text.phrases at none")
    path = Path(config.text.continue_from)
    if path.resolve() == target:
        raise OutputError(f"{path}: is the bundle that is continued, and would be replaced; choose another -o")
    text_base(config)
    base = BundleFolder(path)
    published = map_tensors(base.file(WORDS_FILE, "words"))["vectors"]
    if TRAINING_FILE in base:
        return
    if published.shape[1] != words.dim:
        raise ConfigError(
            f"{path}: keeps no training to go on from (words.keep_training=false), and its published vectors have "
            f"{published.shape[1]} dimensions where its training had {words.dim}: make it again with "
            "words.keep_training=true"
        )
    if not words.epochs and (words.beside != "none" or any(step.endswith("-contexts") for step in words.steps)):
        raise ConfigError(
            f"{path}: keeps no training, so that words.epochs=0 has nothing to publish but its vectors: set "
            "words.epochs to 1 or more"
        )


def start_prints(config: PipelineConfig) -> dict[str, dict[str, str]]:
    """Return, by stage, the hashes of the files that it starts from; empty for most runs."""
    if config.words.vectors:
        path = Path(config.words.vectors)
        return {"words": {path.name: sha256_of(path)}}
    if config.text.continue_from:
        files = BundleFolder(Path(config.text.continue_from)).manifest.files
        names = {"text": _TEXT_FILES, "words": (WORDS_FILE, TRAINING_FILE)}
        return {stage: {name: files[name].sha256 for name in of if name in files} for stage, of in names.items()}
    return {}


def text_base(config: PipelineConfig) -> Base | None:
    """Return the rules of the bundle that is continued, None where none is."""
    if not config.text.continue_from:
        return None
    base = BundleFolder(Path(config.text.continue_from))
    return load_base(base.file("tokenizer_spec.json", "text"), base.file("vocabulary.json", "text"))


def word_starts(config: PipelineConfig, vocabulary: Vocabulary) -> tuple[list[StartVectors | None], dict[str, Any]]:
    """Return the rows that the training and the one beside it start from, and what is to be said of them.

    Raises
    ------
    InputError
        If the file of vectors cannot be read; the message names the line.
    """
    if config.words.vectors:
        path = Path(config.words.vectors)
        vectors, known, coverage = match_vectors(read_vectors(path), vocabulary)
        return [StartVectors(vectors, None, known)] * 2, {"from": path.name, **coverage}
    if config.text.continue_from:
        return _continued(Path(config.text.continue_from), vocabulary)
    return [None, None], {}


def _continued(path: Path, vocabulary: Vocabulary) -> tuple[list[StartVectors | None], dict[str, Any]]:
    base = Bundle(BundleFolder(path))
    rows = np.fromiter((base.vocabulary.index.get(token, 0) for token in vocabulary.tokens), dtype=np.int64)
    known = rows >= len(SPECIALS)

    def start(tables: Mapping[str, NDArray[np.float32]], prefix: str = "") -> StartVectors | None:
        def by_token(name: str) -> NDArray[np.float32] | None:
            table = tables.get(prefix + name)
            return None if table is None else np.where(known[:, None], table[rows], np.float32(0))

        vectors = by_token("vectors")
        if vectors is None:
            return None
        return StartVectors(vectors, by_token("contexts"), known, by_token("own"), tables.get(prefix + "subwords"))

    said = path.name
    if TRAINING_FILE in base.parts:
        tables = load_training(base.parts.file(TRAINING_FILE, "words"), base.vocabulary)
        starts = [start(tables), start(tables, BESIDE)]
    else:
        starts = [start({"vectors": base.words.vectors})] * 2
        said += " (its published vectors: it keeps no training)"
    words, n_known = len(vocabulary) - len(SPECIALS), int(known.sum())
    return starts, {"from": said, "words": words, "known": n_known, "share_of_types": n_known / words}

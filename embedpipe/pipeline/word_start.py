"""What the words stage starts from: nothing, vectors of another program, or a bundle whose training goes on."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.bundle.folder import BundleFolder, sha256_of
from embedpipe.config import PipelineConfig
from embedpipe.errors import ConfigError, InputError
from embedpipe.loading import Bundle
from embedpipe.text.continued import Base, load_base
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.build import BESIDE
from embedpipe.words.match import match_vectors
from embedpipe.words.part import TRAINING_FILE, load_training
from embedpipe.words.read_vectors import read_vectors
from embedpipe.words.train import StartVectors

__all__ = ["check_start", "start_prints", "text_base", "word_starts"]

_BASE_FILES = ("vocabulary.json", "tokenizer_spec.json", "words.safetensors")


def check_start(config: PipelineConfig) -> None:
    """Raise what will be wrong with the start of a run before anything is made.

    Raises
    ------
    ConfigError
        If vectors are given by both settings, or phrases are asked for on top of those of a bundle.
    InputError, BundleError
        If the file or the bundle is not there or damaged.
    """
    if config.words.vectors and config.text.continue_from:
        raise ConfigError("words.vectors and text.continue_from both say what words start from; give one of them")
    if config.text.continue_from:
        if config.text.phrases != "none":
            raise ConfigError("a bundle that is continued keeps its own phrases; leave text.phrases at none")
        base = BundleFolder(Path(config.text.continue_from))
        for name in _BASE_FILES:
            base.file(name, "words" if name == "words.safetensors" else "text")
    if config.words.vectors and not Path(config.words.vectors).is_file():
        raise InputError("no such file; words.vectors names a file of word vectors", Path(config.words.vectors))
    if not config.words.epochs and not (config.words.vectors or config.text.continue_from):
        raise ConfigError("words.epochs=0 trains nothing; give vectors to keep with words.vectors=PATH")


def start_prints(config: PipelineConfig) -> dict[str, Any]:
    """Return, by stage, what its fingerprint must hold of the files that a run starts from; empty for most runs."""
    prints: dict[str, Any] = {}
    if config.text.continue_from:
        files = BundleFolder(Path(config.text.continue_from)).manifest.files
        prints["text"] = [files[name].sha256 for name in _BASE_FILES[:2]]
        prints["words"] = [files[name].sha256 for name in ("words.safetensors", TRAINING_FILE) if name in files]
    if config.words.vectors:
        prints["words"] = sha256_of(Path(config.words.vectors))
    return prints


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
        return [StartVectors(vectors, None, known)] * 2, {"file": path.name, **coverage}
    if config.text.continue_from:
        return _continued(Path(config.text.continue_from), vocabulary)
    return [None, None], {}


def _continued(path: Path, vocabulary: Vocabulary) -> tuple[list[StartVectors | None], dict[str, Any]]:
    base = Bundle(BundleFolder(path))
    kept = TRAINING_FILE in base.parts
    if kept:
        tables = load_training(base.parts.file(TRAINING_FILE, "words"), base.vocabulary)
    else:
        tables = {"vectors": base.words.vectors}
    rows = np.fromiter((base.vocabulary.index.get(token, 0) for token in vocabulary.tokens), dtype=np.int64)
    known = rows >= len(SPECIALS)

    def by_token(name: str) -> NDArray[np.float32] | None:
        return np.where(known[:, None], tables[name][rows], np.float32(0)) if name in tables else None

    starts: list[StartVectors | None] = []
    for prefix in ("", BESIDE):
        vectors = by_token(prefix + "vectors")
        contexts, own, subwords = (
            by_token(prefix + "contexts"),
            by_token(prefix + "own"),
            tables.get(prefix + "subwords"),
        )
        starts.append(None if vectors is None else StartVectors(vectors, contexts, known, own, subwords))
    facts = {
        "bundle": path.name,
        "from": "trained vectors" if kept else "published vectors, as the bundle keeps no others",
        "words": len(vocabulary) - len(SPECIALS),
        "known": int(known.sum()),
    }
    return starts, facts

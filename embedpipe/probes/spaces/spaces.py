"""The spaces of a bundle whose shape is looked at: words as published and as trained, sentences, random vectors."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import NotEnoughDataError
from embedpipe.probes.asked import HeldOut
from embedpipe.probes.baselines import Encoder, Subject
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.spaces.geometry import MEANING, shape_facts
from embedpipe.probes.subject import BundleLike
from embedpipe.text.split_text import read_sentences
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, UNK
from embedpipe.words.build import BESIDE
from embedpipe.words.part import TRAINING_FILE, load_training
from embedpipe.words.table import UNSTABLE, WordVectors

__all__ = ["SENTENCES", "WORDS", "bundle_geometry", "geometry_rows", "sentence_geometry", "word_geometry"]

WORDS = "words"
SENTENCES = "sentences"
Geometry = dict[str, dict[str, float]]
Vectors = NDArray[np.float32]

_MOST_WORDS = 20_000
_MOST_SENTENCES = 600
_NEIGHBOUR_SAMPLE = 2_000
_MIN_TOKENS = 5
_MIN_SENTENCES = 20
_RANDOM = "random vectors"
_NO_ROW = ("vectors", "vectors of the neighbour search", "mean cosine, low", "mean cosine, high")
_OF_NEIGHBOURS = ("hubness", "orphans", "largest hub", "neighbours of like frequency")


def bundle_geometry(
    bundle: BundleLike, subject: Subject, text: HeldOut | None, *, seed: int
) -> tuple[Geometry, list[Row]]:
    """Return facts on each space of a bundle by the name of the space, and a row for each that could not be looked at.

    Parameters
    ----------
    bundle : an opened bundle, whole or with some of its parts.
    subject : the same as the probes see it.
    text : the prepared text whose held-out sentences are encoded; None where there is none.
    seed : of the samples.
    """
    if subject.words is None:
        return {}, [skipped("geometry", "mean cosine", "the bundle has no word vectors")]
    trained = {}
    if TRAINING_FILE in bundle.parts:
        tables = load_training(bundle.parts.file(TRAINING_FILE, "words"), bundle.words.vocabulary)
        names = {"words, as trained": "vectors", "words, as trained beside": f"{BESIDE}vectors"}
        trained = {name: tables[table] for name, table in names.items() if table in tables}
    found = word_geometry(bundle.words, trained, seed=seed)
    try:
        return found | sentence_geometry(subject, text, bundle.codec.tokenizer.detokenize, seed=seed), []
    except NotEnoughDataError as error:
        return found, [skipped("geometry of sentences", "mean cosine", str(error))]


def word_geometry(words: WordVectors, trained: Mapping[str, Vectors], *, seed: int) -> Geometry:
    """Return facts on the same words in each table: as published, as trained, and in random vectors.

    Parameters
    ----------
    words : the published table; of words with a vector in each table 20,000 are looked at, and neighbours
        within 2,000 of them; drawn where there are more.
    trained : tables before post-processing by name, float32 of shape (len(vocabulary), dim).
    seed : of the samples and of the random vectors.
    """
    rng = np.random.default_rng(seed)
    everywhere = words.inverse_norms > 0
    for table in trained.values():
        everywhere &= table.any(axis=1)
    ids = np.sort(rng.permutation(np.flatnonzero(everywhere))[:_MOST_WORDS])
    tables = {WORDS: np.asarray(words.vectors[ids])}
    tables |= {name: np.asarray(table[ids]) for name, table in trained.items()}
    tables[f"{WORDS}, {_RANDOM}"] = rng.standard_normal((len(ids), words.dim), dtype=np.float32)
    sample = np.sort(rng.permutation(len(ids))[:_NEIGHBOUR_SAMPLE])
    counts = np.asarray(words.vocabulary.counts)[ids]
    found = {name: shape_facts(table, sample, counts) for name, table in tables.items()}
    if words.stability is not None and len(ids):
        stable = words.stability[ids].astype(np.float64)
        found[WORDS] |= {
            "neighbour stability": float(stable.mean()),
            "neighbour stability in text": float(np.average(stable, weights=counts)),
            "unstable words": float((stable < UNSTABLE).mean()),
        }
    return found


def sentence_geometry(
    subject: Subject, text: HeldOut | None, detokenize: Callable[[Sequence[str]], str], *, seed: int
) -> Geometry:
    """Return facts on up to 600 held-out sentences under the encoder and, beside it, the SIF average.

    Random vectors of the same number and width stand beside them: few sentences fill no wide space evenly.

    Parameters
    ----------
    subject : what encodes.
    text : the prepared text; the validation split is turned to where the test split is too small.
    detokenize : makes text of tokens.
    seed : of the draw.

    Raises
    ------
    NotEnoughDataError
        If there is no text, or fewer than 20 different sentences with 5 known tokens in either held-out split.
    """
    encoders: dict[str, Encoder | None] = {SENTENCES: subject.encoder, "sentences, SIF average": subject.sif}
    if text is None:
        raise NotEnoughDataError("the prepared text is not at hand")
    texts: list[str] = []
    for store, path in ((text.test, text.test_text), (text.validation, text.validation_text)):
        if len(texts) < _MIN_SENTENCES:
            texts = _drawn(store, path, detokenize, seed)
    if len(texts) < _MIN_SENTENCES:
        raise NotEnoughDataError(
            f"a held-out split has {len(texts)} different sentences of {_MIN_TOKENS} known words at least, "
            f"{_MIN_SENTENCES} are needed"
        )
    found = {}
    for name, encoder in encoders.items():
        if encoder is not None:
            vectors = encoder.encode(texts)
            vectors = vectors[vectors.any(axis=1)]
            found[name] = shape_facts(vectors, np.arange(len(vectors)))
    if found:
        n, dim = (int(next(iter(found.values()))[name]) for name in ("vectors", "dimensions"))
        noise = np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)
        found[f"{SENTENCES}, {_RANDOM}"] = shape_facts(noise, np.arange(n))
    return found


def geometry_rows(geometry: Mapping[str, Mapping[str, float]]) -> list[Row]:
    """Return the facts as rows of a table: those of words and of sentences, each beside the same in other spaces.

    Parameters
    ----------
    geometry : facts by name by space, as `bundle_geometry` gives them.
    """
    rows: list[Row] = []
    explained = set[str]()
    for space, system in ((WORDS, "words"), (SENTENCES, "encoder")):
        facts = geometry.get(space, {})
        beside = {
            name.removeprefix(f"{space}, "): of
            for name, of in geometry.items()
            if name != space and name.startswith(SENTENCES) == (space == SENTENCES)
        }
        for name in (name for name in MEANING if name in facts and name not in _NO_ROW):
            note = "" if name in explained else MEANING[name]
            explained.add(name)
            low, high = (facts.get(f"{name}, {end}", math.nan) for end in ("low", "high"))
            n = int(facts["vectors of the neighbour search" if name in _OF_NEIGHBOURS else "vectors"])
            nan = math.nan
            row = Row("geometry", f"{name} ({space})", facts[name], low, high, n, nan, None, nan, nan, system, note)
            found = [
                replace(row, baseline=other, baseline_value=of[name]) for other, of in beside.items() if name in of
            ]
            rows += found or [row]
    return rows


def _drawn(store: TokenStore, path: Path, detokenize: Callable[[Sequence[str]], str], seed: int) -> list[str]:
    """Return the text of different sentences with enough known tokens, drawn by seed."""
    known = np.asarray(store.tokens)
    ends = np.concatenate([[0], np.cumsum((known != UNK) & (known != EOS))])
    offsets = store.sentence_offsets.astype(np.int64)
    usable = np.flatnonzero(ends[offsets[1:]] - ends[offsets[:-1]] >= _MIN_TOKENS)
    chosen = np.sort(np.random.default_rng(seed).permutation(usable)[:_MOST_SENTENCES])
    return list(dict.fromkeys(map(detokenize, read_sentences(path, chosen.tolist()))))

"""The words on disk: tables that open as memory maps, so that a query reads what it needs, and what is known of them.

``words.safetensors``     published vectors, sentence vectors and weights; where there are, n-gram vectors and stability
``words.json``            how the vectors were made: what a query needs to know and no table says
``training.safetensors``  what training goes on from: raw word and context vectors (optional)

The sentence space is stored beside the published vectors, although one follows from the other: it costs disk and
spares every process that encodes a product over the whole table, and an encoder trained on it meets the same numbers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.bag import Bag
from embedpipe.words.calibration import Calibration
from embedpipe.words.lookup import Lookup
from embedpipe.words.subword import Subwords
from embedpipe.words.table import WordVectors, inverse_norms

__all__ = [
    "FACTS_FILE",
    "TRAINING_FILE",
    "WORDS_FILE",
    "WordFacts",
    "WordPart",
    "load_training",
    "load_words",
    "save_training",
    "save_words",
]

WORDS_FILE = "words.safetensors"
FACTS_FILE = "words.json"
TRAINING_FILE = "training.safetensors"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class WordFacts:
    """How word vectors were made.

    Attributes
    ----------
    trainer : ``word2vec``, ``fasttext`` or ``imported``.
    steps : what was done to the trained vectors, see `embedpipe.words.steps`.
    window : words on each side that training looked at.
    ngrams : shortest and longest character n-gram; empty where none have vectors.
    runs : trainings that the vectors are the mean of.
    losses : held-out loss after each epoch, one list per training: those of a run side by side, run after run.
    kept_epochs : the epoch whose vectors were kept, one per training.
    confidence : the calibration of vectors for unknown words; empty where there is none.
    start : what training started from, with the share of the vocabulary that it covered; empty where from nothing.
    """

    trainer: str = "word2vec"
    steps: tuple[str, ...] = ()
    window: int = 5
    ngrams: tuple[int, ...] = ()
    runs: int = 1
    losses: tuple[tuple[float, ...], ...] = ()
    kept_epochs: tuple[int, ...] = ()
    confidence: Mapping[str, Any] = field(default_factory=dict)
    start: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WordPart:
    """The words of a bundle, opened: `words` knows the stability of each word where there is one.

    Attributes
    ----------
    words, bag : the published vectors and the sentence space.
    facts : how they were made.
    lookup : finds a vector for any word, through n-grams where they have vectors.
    """

    words: WordVectors
    bag: Bag
    facts: WordFacts
    lookup: Lookup


def save_words(
    folder: Path,
    published: NDArray[np.float32],
    bag: Bag,
    facts: WordFacts = WordFacts(),
    *,
    stability: NDArray[np.float32] | None = None,
    subwords: Subwords | None = None,
) -> None:
    """Write ``words.safetensors`` and ``words.json`` in `folder`; same input, same bytes.

    N-grams that were trained are the tensor ``subwords``, a float32 row for each bucket; those that were fitted are
    ``ngrams``, a float16 row for each, and ``ngram_hashes``, which say of what.

    Raises
    ------
    ValueError
        If the two tables do not have the same shape.
    """
    if published.shape != bag.vectors.shape:
        raise ValueError(
            f"published vectors {published.shape} and sentence vectors {bag.vectors.shape} differ in shape"
        )
    tensors = {
        "vectors": published,
        "inverse_norms": inverse_norms(published),
        "sentence_vectors": bag.vectors,
        "sentence_weights": bag.weights,
    }
    tensors |= {} if stability is None else {"stability": stability}
    written: dict[str, NDArray[Any]] = {name: np.asarray(t, dtype=np.float32) for name, t in tensors.items()}
    if subwords is not None and subwords.hashes is not None:
        written |= {"ngrams": subwords.vectors, "ngram_hashes": subwords.hashes}
    elif subwords is not None:
        written["subwords"] = subwords.vectors
    save_tensors(folder / WORDS_FILE, written)
    content = json.dumps({"format": _FORMAT, **asdict(facts)}, ensure_ascii=False, indent=1, allow_nan=False)
    (folder / FACTS_FILE).write_text(content + "\n", encoding="utf-8")


def load_words(folder: Path, vocabulary: Vocabulary) -> WordPart:
    """Open what `save_words` wrote, memory-mapped. Where ``words.json`` is missing, as in format 1, nothing is known.

    Raises
    ------
    BundleError
        If a file is missing or damaged, or a tensor does not fit the vocabulary.
    """
    path = folder / WORDS_FILE
    tensors = map_tensors(path)
    if missing := {"vectors", "sentence_vectors", "sentence_weights"} - set(tensors):
        raise BundleError(f"{path}: tensor '{min(missing)}' is missing; make the words again")
    vectors = tensors["vectors"]
    dim = vectors.shape[1] if vectors.ndim == 2 else 1
    _check(path, tensors, vocabulary, ["sentence_weights", "stability", "inverse_norms"], (len(vocabulary),))
    _check(path, tensors, vocabulary, ["vectors", "sentence_vectors"], (len(vocabulary), dim))
    if "subwords" in tensors:
        _check(path, tensors, vocabulary, ["subwords"], (len(tensors["subwords"]), dim))
    if "ngrams" in tensors:
        _check_ngrams(path, tensors["ngrams"], tensors.get("ngram_hashes", np.zeros(0, dtype=np.uint32)), dim)
    words = WordVectors(vocabulary, vectors, stability=tensors.get("stability"))
    if "inverse_norms" in tensors:  # which older bundles leave to the first query
        words.inverse_norms = np.asarray(tensors["inverse_norms"])
    bag = Bag(tensors["sentence_vectors"], tensors["sentence_weights"])
    facts = _facts(folder / FACTS_FILE)
    return WordPart(words, bag, facts, _lookup(folder / FACTS_FILE, words, facts, tensors))


def _lookup(path: Path, words: WordVectors, facts: WordFacts, tensors: Mapping[str, NDArray[Any]]) -> Lookup:
    try:
        calibration = Calibration.from_json(dict(facts.confidence))
    except ValueError as error:
        raise BundleError(f"{path}: the calibration is damaged: {error}; make the words again") from error
    table = tensors.get("ngrams", tensors.get("subwords"))
    if table is None:
        return Lookup(words, None, calibration)
    if len(facts.ngrams) != 2:
        raise BundleError(f"{path}: does not say how long the n-grams are; make the words again")
    unit = "ngrams" in tensors or facts.steps[-1:] == ("unit",)
    shortest, longest = facts.ngrams
    return Lookup(words, Subwords(table, shortest, longest, unit, tensors.get("ngram_hashes")), calibration)


def save_training(folder: Path, tables: Mapping[str, NDArray[np.float32]]) -> None:
    """Write the raw tables of a training, by name, as ``training.safetensors`` in `folder`."""
    save_tensors(folder / TRAINING_FILE, tables)


def load_training(path: Path, vocabulary: Vocabulary) -> dict[str, NDArray[np.float32]]:
    """Open what `save_training` wrote: arrays of shape (len(vocabulary), dim), but for n-grams (``subwords``).

    Raises
    ------
    BundleError
        If the file is damaged or does not fit the vocabulary.
    """
    tensors = map_tensors(path)
    if "vectors" not in tensors or tensors["vectors"].ndim != 2:
        raise BundleError(f"{path}: holds no word vectors; make the words again")
    dim = tensors["vectors"].shape[1]
    by_word = [name for name in tensors if name != "subwords"]
    _check(path, tensors, vocabulary, by_word, (len(vocabulary), dim))
    if "subwords" in tensors:
        _check(path, tensors, vocabulary, ["subwords"], (len(tensors["subwords"]), dim))
    return tensors


def _check(
    path: Path,
    tensors: Mapping[str, NDArray[Any]],
    vocabulary: Vocabulary,
    names: Sequence[str],
    shape: tuple[int, ...],
) -> None:
    for name in (name for name in names if name in tensors):
        found = tensors[name]
        if found.shape != shape or found.dtype != np.float32:
            raise BundleError(
                f"{path}: tensor '{name}' is {found.dtype} of shape {found.shape}, "
                f"but a vocabulary of {len(vocabulary):,} tokens asks for float32 of shape {shape}"
            )


def _check_ngrams(path: Path, table: NDArray[Any], hashes: NDArray[Any], dim: int) -> None:
    expected = (hashes.size + 1, dim)
    if table.shape != expected or table.dtype != np.float16 or hashes.dtype != np.uint32:
        raise BundleError(
            f"{path}: tensor 'ngrams' is {table.dtype} of shape {table.shape}, but {hashes.size:,} n-grams of {dim} "
            f"dimensions ask for float16 of shape {expected}; make the words again"
        )
    if hashes.ndim != 1 or (hashes[1:] <= hashes[:-1]).any():
        raise BundleError(
            f"{path}: tensor 'ngram_hashes' of shape {hashes.shape} is no rising list of different n-grams; "
            "make the words again"
        )


def _facts(path: Path) -> WordFacts:
    if not path.is_file():
        return WordFacts()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("format")
        if not isinstance(version, int) or version > _FORMAT:
            raise BundleError(f"{path}: is of format {version}, this program reads up to {_FORMAT}: upgrade embedpipe")
        for name in ("steps", "ngrams", "kept_epochs"):
            content[name] = tuple(content[name])
        content["losses"] = tuple(map(tuple, content["losses"]))
        return WordFacts(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path}: does not say how words were made: {error}; make the words again") from error

"""The word vectors on disk: one safetensors file that opens as memory maps, so that a query reads what it needs.

The sentence space is stored beside the published vectors, although one follows from the other: it costs disk and
spares every process that encodes a product over the whole table, and an encoder trained on it meets the same numbers.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.bag import Bag
from embedpipe.words.table import WordVectors, inverse_norms

__all__ = ["WORDS_FILE", "load_words", "save_words"]

WORDS_FILE = "words.safetensors"


def save_words(folder: Path, published: NDArray[np.float32], bag: Bag) -> None:
    """Write the published vectors and the bag as ``words.safetensors`` in `folder`; same input, same bytes.

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
    save_tensors(folder / WORDS_FILE, {name: np.asarray(t, dtype=np.float32) for name, t in tensors.items()})


def load_words(folder: Path, vocabulary: Vocabulary) -> tuple[WordVectors, Bag]:
    """Open what `save_words` wrote, memory-mapped.

    Raises
    ------
    BundleError
        If the file is missing or damaged, or a tensor does not fit the vocabulary.
    """
    path = folder / WORDS_FILE
    tensors = map_tensors(path)
    if missing := {"vectors", "sentence_vectors", "sentence_weights"} - set(tensors):
        raise BundleError(f"{path}: tensor '{min(missing)}' is missing; make the words again")
    vectors = tensors["vectors"]
    dim = vectors.shape[1] if vectors.ndim == 2 else 1
    shapes = {
        "vectors": (len(vocabulary), dim),
        "sentence_vectors": (len(vocabulary), dim),
        "sentence_weights": (len(vocabulary),),
        "inverse_norms": (len(vocabulary),),
    }
    for name, shape in shapes.items():
        if name not in tensors:  # inverse_norms, which older bundles leave to the first query
            continue
        found = tensors[name]
        if found.shape != shape or found.dtype != np.float32:
            raise BundleError(
                f"{path}: tensor '{name}' is {found.dtype} of shape {found.shape}, "
                f"but a vocabulary of {len(vocabulary):,} tokens asks for float32 of shape {shape}"
            )
    words = WordVectors(vocabulary, vectors)
    if "inverse_norms" in tensors:
        words.inverse_norms = np.asarray(tensors["inverse_norms"])
    return words, Bag(tensors["sentence_vectors"], tensors["sentence_weights"])

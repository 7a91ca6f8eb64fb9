"""The one prepared form of a corpus: ids in a memory-mapped file, with sentence and document offsets.

A store is a folder::

    tokens.npy      uint32 ids of all sentences, one after the other, each closed by <eos>
    sentences.npy   uint64, n_sentences + 1 offsets into tokens (the closing <eos> belongs to its sentence)
    documents.npy   uint64, n_documents + 1 offsets into sentences
    begins.npy      bool, n_sentences, whether each begins a paragraph: a line of the text that was read

A next-word model reads ``tokens`` as one stream without copying; everything else slices sentences.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import BundleError

__all__ = ["TokenStore"]


class TokenStore:
    """Read-only view of a prepared corpus split.

    Parameters
    ----------
    path : the folder of the store. Nothing is read until it is used.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def _map(self, name: str, dtype: type[np.generic]) -> NDArray[Any]:
        file = self.path / f"{name}.npy"
        try:
            array: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise BundleError(f"{file}: not part of a token store: {error}; prepare the text again") from error
        if array.dtype != dtype or array.ndim != 1:
            raise BundleError(f"{file}: expected a flat {dtype.__name__} array, found {array.dtype}{array.shape}")
        return array

    @cached_property
    def tokens(self) -> NDArray[np.uint32]:
        """All ids, sentence after sentence, each closed by ``<eos>``; memory-mapped."""
        return self._map("tokens", np.uint32)

    @cached_property
    def sentence_offsets(self) -> NDArray[np.uint64]:
        """Offsets into `tokens`, shape (n_sentences + 1,)."""
        return self._map("sentences", np.uint64)

    @cached_property
    def document_offsets(self) -> NDArray[np.uint64]:
        """Offsets into the sentences, shape (n_documents + 1,)."""
        return self._map("documents", np.uint64)

    @cached_property
    def paragraph_offsets(self) -> NDArray[np.int64]:
        """Offsets into the sentences, shape (n_paragraphs + 1,). No paragraph is empty or reaches over a document."""
        begins = np.append(self._map("begins", np.bool_), True)
        begins[self.document_offsets.astype(np.int64)] = True
        return np.flatnonzero(begins)

    @property
    def n_sentences(self) -> int:
        """Number of sentences."""
        return len(self.sentence_offsets) - 1

    @property
    def n_documents(self) -> int:
        """Number of documents."""
        return len(self.document_offsets) - 1

    @property
    def n_tokens(self) -> int:
        """Number of tokens, the closing ``<eos>`` of each sentence not counted."""
        return len(self.tokens) - self.n_sentences

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """int64 array of shape (n_sentences,): tokens of each sentence without its ``<eos>``."""
        return _sizes(self.sentence_offsets) - 1

    @cached_property
    def document_of_sentence(self) -> NDArray[np.int64]:
        """int64 array of shape (n_sentences,): the document that each sentence belongs to."""
        return np.repeat(np.arange(self.n_documents), _sizes(self.document_offsets))

    def sentence(self, i: int) -> NDArray[np.uint32]:
        """Return the ids of sentence `i` without its ``<eos>``."""
        start, stop = int(self.sentence_offsets[i]), int(self.sentence_offsets[i + 1])
        return self.tokens[start : stop - 1]

    def __iter__(self) -> Iterator[NDArray[np.uint32]]:
        return (self.sentence(i) for i in range(self.n_sentences))


def _sizes(offsets: NDArray[np.uint64]) -> NDArray[np.int64]:
    signed = offsets.astype(np.int64)
    return signed[1:] - signed[:-1]

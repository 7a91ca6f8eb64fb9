"""Write a `TokenStore` piece by piece: its sizes are known before, so nothing is held in memory or written twice."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.vocabulary import EOS

__all__ = ["StoreWriter"]


class StoreWriter:
    """The four files of a `TokenStore`, open for appending; a context manager.

    Parameters
    ----------
    path : the folder, created here.
    n_tokens, n_sentences, n_documents : what the store will hold, ``<eos>`` not counted.
    """

    def __init__(self, path: Path, *, n_tokens: int, n_sentences: int, n_documents: int) -> None:
        path.mkdir(parents=True)
        self._tokens = _open(path / "tokens.npy", "<u4", n_tokens + n_sentences)
        self._sentences = _open(path / "sentences.npy", "<u8", n_sentences + 1)
        self._documents = _open(path / "documents.npy", "<u8", n_documents + 1)
        self._begins = _open(path / "begins.npy", "|b1", n_sentences)
        self._token, self._sentence = 0, 0
        _write(self._sentences, np.zeros(1, dtype="<u8"))
        _write(self._documents, np.zeros(1, dtype="<u8"))

    def append(
        self,
        ids: NDArray[np.uint32],
        lengths: NDArray[np.integer],
        documents: NDArray[np.integer],
        begins: NDArray[np.bool_],
    ) -> None:
        """Write more documents, an ``<eos>`` after each sentence.

        Parameters
        ----------
        ids : the ids of all their tokens.
        lengths : tokens in each sentence.
        documents : sentences in each document.
        begins : whether each sentence begins a paragraph.
        """
        stops = np.cumsum(lengths.astype(np.int64) + 1)
        closed = np.full(len(ids) + len(lengths), EOS, dtype=np.uint32)
        inside = np.ones(len(closed), dtype=np.bool_)
        inside[stops - 1] = False
        closed[inside] = ids
        _write(self._tokens, closed)
        _write(self._sentences, (stops + self._token).astype("<u8"))
        _write(self._documents, (np.cumsum(documents.astype(np.int64)) + self._sentence).astype("<u8"))
        _write(self._begins, begins)
        self._token += len(closed)
        self._sentence += len(lengths)

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        for file in (self._tokens, self._sentences, self._documents, self._begins):
            file.close()


def _open(path: Path, dtype: str, n: int) -> BinaryIO:
    file = open(path, "wb")  # noqa: SIM115 - closed by the writer's context
    header = {"descr": dtype, "fortran_order": False, "shape": (n,)}
    np.lib.format.write_array_header_1_0(file, header)
    return file


def _write(file: BinaryIO, content: NDArray[np.generic]) -> None:
    file.write(np.ascontiguousarray(content).data)

"""The task that a corpus makes of itself: which document does a sentence come from?"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import NotEnoughDataError
from embedpipe.tasks.builtin import DOCUMENTS
from embedpipe.tasks.shapes import Classification
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import UNK

__all__ = ["documents_task"]

_MIN_DOCUMENTS = 2
_MIN_TOKENS = 5
_MIN_SENTENCES = 8
_FOLDS = 5


class Decoder(Protocol):
    """Ids to text."""

    def decode(self, ids: NDArray[np.uint32]) -> str: ...


def documents_task(
    stores: Sequence[TokenStore],
    codec: Decoder,
    *,
    max_documents: int,
    sentences_per_document: int,
    seed: int,
) -> Classification:
    """Return sentences labelled with the document that they come from, in five fixed folds.

    Parameters
    ----------
    stores : splits that no vector was trained on; one is turned to only where those before it hold fewer than two
        usable documents.
    codec : turns ids into text again; words outside the vocabulary are dropped.
    max_documents : most documents (labels); drawn by `seed` among those with 8 usable sentences at least.
    sentences_per_document : most sentences of each. Usable is a sentence with 5 known tokens, the first time only.
    seed : of the draw.

    Raises
    ------
    NotEnoughDataError
        If fewer than two documents have enough sentences.
    """
    labels: list[str] = []
    texts: list[str] = []
    folds: list[int] = []
    n_documents = 0
    for s, store in enumerate(stores):
        if n_documents >= _MIN_DOCUMENTS:
            break
        rng = np.random.default_rng([seed, s])
        for document in rng.permutation(store.n_documents).tolist():
            if n_documents == max_documents:
                break
            usable = _usable_sentences(store, document)
            if len(usable) < _MIN_SENTENCES:
                continue
            drawn = rng.permutation(len(usable))[:sentences_per_document]
            n_documents += 1
            labels += [f"document {n_documents}"] * len(drawn)
            texts += [codec.decode(usable[i]) for i in drawn]
            folds += [i % _FOLDS for i in range(len(drawn))]
    if n_documents < _MIN_DOCUMENTS:
        raise NotEnoughDataError(
            f"the held-out documents hold {n_documents} with {_MIN_SENTENCES} sentences of {_MIN_TOKENS} known "
            "words at least; the task 'documents' needs 2"
        )
    note = f"{n_documents} held-out documents, up to {sentences_per_document} sentences each"
    return Classification(DOCUMENTS, labels, texts, np.array(folds, dtype=np.int64), note)


def _usable_sentences(store: TokenStore, document: int) -> list[NDArray[np.uint32]]:
    """Return the different sentences of a document that have enough known tokens."""
    first, last = (int(store.document_offsets[document + i]) for i in (0, 1))
    found: dict[bytes, NDArray[np.uint32]] = {}
    for i in range(first, last):
        ids = np.array(store.sentence(i))
        if int((ids != UNK).sum()) >= _MIN_TOKENS:
            found.setdefault(ids.tobytes(), ids)
    return list(found.values())

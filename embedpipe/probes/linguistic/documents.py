"""Which document does a sentence come from?"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import NotEnoughDataError
from embedpipe.probes.linguistic.pool import FOLDS, Detokenizer, HeldOutSplit
from embedpipe.tasks.builtin import DOCUMENTS
from embedpipe.tasks.shapes import Classification
from embedpipe.text.split_text import read_sentences
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import UNK

__all__ = ["documents_task"]

_MIN_DOCUMENTS = 2
_MIN_TOKENS = 5
_MIN_SENTENCES = 8


def documents_task(
    splits: Sequence[HeldOutSplit],
    tokenizer: Detokenizer,
    *,
    units: str = "documents",
    max_documents: int,
    sentences_per_document: int,
    seed: int,
) -> Classification:
    """Return sentences labelled with the document that they come from, in five fixed folds.

    Parameters
    ----------
    splits : what no vector was trained on; one is turned to only where those before it hold fewer than two usable
        documents.
    tokenizer : joins the tokens of a sentence, words outside the vocabulary among them, to text.
    units : what the documents of the splits are, for the note.
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
    for s, (store, text) in enumerate(splits):
        if n_documents >= _MIN_DOCUMENTS:
            break
        rng = np.random.default_rng([seed, s])
        drawn: list[int] = []
        for document in rng.permutation(store.n_documents).tolist():
            if n_documents == max_documents:
                break
            usable = _usable_sentences(store, document)
            if len(usable) < _MIN_SENTENCES:
                continue
            chosen = [usable[i] for i in rng.permutation(len(usable))[:sentences_per_document]]
            n_documents += 1
            labels += [f"document {n_documents}"] * len(chosen)
            folds += [i % FOLDS for i in range(len(chosen))]
            drawn += chosen
        ascending = sorted(drawn)
        found = dict(zip(ascending, map(tokenizer.detokenize, read_sentences(text, ascending)), strict=True))
        texts += [found[sentence] for sentence in drawn]
    if n_documents < _MIN_DOCUMENTS:
        raise NotEnoughDataError(
            f"the held-out {units} hold {n_documents} with {_MIN_SENTENCES} sentences of {_MIN_TOKENS} known "
            f"words at least; the task 'documents' needs {_MIN_DOCUMENTS}"
        )
    note = f"{n_documents} held-out {units}, up to {sentences_per_document} sentences each"
    return Classification(DOCUMENTS, labels, texts, np.array(folds, dtype=np.int64), note)


def _usable_sentences(store: TokenStore, document: int) -> list[int]:
    """Return the numbers of the different sentences of a document that have enough known tokens."""
    first, last = (int(store.document_offsets[document + i]) for i in (0, 1))
    found: dict[bytes, int] = {}
    for i in range(first, last):
        ids: NDArray[np.uint32] = np.array(store.sentence(i))
        if int((ids != UNK).sum()) >= _MIN_TOKENS:
            found.setdefault(ids.tobytes(), i)
    return list(found.values())

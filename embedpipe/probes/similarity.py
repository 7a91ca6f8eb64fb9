"""Sentence vectors without any classifier: does the cosine of two texts follow what people say of them?"""

import math

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Subject, token_coverage
from embedpipe.probes.comparison import Parts, correlation_rows
from embedpipe.probes.rows import Row, skipped
from embedpipe.tasks.shapes import DocumentSimilarity, SentenceSimilarity

__all__ = ["document_similarity_rows", "sentence_similarity_rows"]

NO_ENCODER = "the bundle has neither a sentence encoder nor word vectors"


def sentence_similarity_rows(
    task: SentenceSimilarity, subject: Subject, *, bootstrap: int, seed: int, parts: Parts | None = None
) -> list[Row]:
    """Return the Spearman correlation of cosines with human scores, zero-shot: nothing is fitted to the scores.

    Baselines: the SIF average, the plain average, a random encoder, random vectors, and tf-idf cosines
    (document frequencies from the task's own texts). A text without a known token has cosine 0 with every other.
    """
    n, texts = len(task.scores), [*task.texts_a, *task.texts_b]
    first = np.arange(n)
    pairs = (first, first + n)
    return _rows(task.name, texts, pairs, task.scores, subject, bootstrap=bootstrap, seed=seed, parts=parts)


def document_similarity_rows(
    task: DocumentSimilarity, subject: Subject, *, bootstrap: int, seed: int, parts: Parts | None = None
) -> list[Row]:
    """Return the Pearson and Spearman correlation of cosines with human scores over all pairs of documents.

    The interval resamples documents, not pairs: the pairs that share a document are not independent. The questions of
    `parts` are the pairs, row by row above the diagonal.
    """
    texts, pairs = list(task.texts), np.triu_indices(len(task.texts), 1)
    scores = task.scores[pairs]
    return _rows(task.name, texts, pairs, scores, subject, bootstrap=bootstrap, seed=seed, documents=True, parts=parts)


def _rows(
    name: str,
    texts: list[str],
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    scores: NDArray[np.float64],
    subject: Subject,
    *,
    bootstrap: int,
    seed: int,
    documents: bool = False,
    parts: Parts | None = None,
) -> list[Row]:
    encoders = subject.encoders()
    if not encoders:
        return [skipped(name, "spearman", NO_ENCODER)]
    vectors = {system: encoder.encode(texts) for system, encoder in encoders.items()}
    systems = {system: _cosines(matrix, pairs) for system, matrix in vectors.items()}
    systems["tf-idf"] = _tfidf_cosines(texts, pairs, subject)
    empty = int((~next(iter(vectors.values())).any(axis=1)).sum())
    note = "zero-shot cosine" + (f"; {empty} of {len(texts)} texts hold no known word" if empty else "")
    if documents:
        note += f"; {len(texts)} documents, the interval resamples documents"
    rows = []
    for kind in ("pearson", "spearman") if documents else ("spearman",):
        rows += correlation_rows(
            name,
            systems,
            scores,
            coverage=token_coverage(subject.codec, texts),
            note=note,
            bootstrap=bootstrap,
            seed=seed,
            units=pairs if documents else None,
            kind="pearson" if kind == "pearson" else "spearman",
            parts=parts,
        )
    return rows


def _cosines(vectors: NDArray[np.float32], pairs: tuple[NDArray[np.int64], NDArray[np.int64]]) -> NDArray[np.float64]:
    unit = vectors.astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    cosines: NDArray[np.float64] = np.einsum("ij,ij->i", unit[pairs[0]], unit[pairs[1]])
    return cosines


def _tfidf_cosines(
    texts: list[str], pairs: tuple[NDArray[np.int64], NDArray[np.int64]], subject: Subject
) -> NDArray[np.float64]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    tokens = [subject.tokenize(text) for text in texts]
    if not any(tokens):
        return np.full(len(pairs[0]), math.nan)
    matrix = TfidfVectorizer(analyzer=_as_it_is, sublinear_tf=True).fit_transform(tokens)
    cosines: NDArray[np.float64] = np.asarray(matrix[pairs[0]].multiply(matrix[pairs[1]]).sum(axis=1)).ravel()
    return cosines


def _as_it_is(tokens: list[str]) -> list[str]:
    return tokens

"""Does what sentence vectors say of two texts follow what people say of them, without training and with?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Subject, token_coverage
from embedpipe.probes.comparison import Parts, correlation_rows
from embedpipe.probes.resampling import Correlation, correlation
from embedpipe.probes.rows import SECTION, Row, skipped
from embedpipe.probes.texts.regression import apart, features_of_pairs, predict_scores
from embedpipe.probes.words.word_lookup import pair_cosines
from embedpipe.tasks.shapes import DocumentSimilarity, SentenceSimilarity

__all__ = ["document_similarity_rows", "sentence_similarity_rows", "trained_folds"]

NO_ENCODER = "the bundle has neither a sentence encoder nor word vectors"
_KINDS: tuple[Correlation, ...] = ("spearman", "pearson")
_FOLDS = 5
_MIN_TRAINED = 50
"""Fewer pairs are not cut into folds to train on."""
_MOST_SOURCES = 12
"""More of them flood a table: their rows are for JSON and CSV alone."""

Array = NDArray[np.float64]
Systems = dict[str, Array]


def sentence_similarity_rows(
    task: SentenceSimilarity,
    subject: Subject,
    *,
    bootstrap: int,
    seed: int,
    parts: Parts | None = None,
    trained_parts: Parts | None = None,
) -> list[Row]:
    """Return the Spearman and Pearson correlation with human scores, zero-shot and by a trained regressor.

    Zero-shot (``spearman``, ``pearson``) is the cosine: nothing is fitted to the scores. ``spearman (trained)`` and
    ``pearson (trained)`` are of ridge regression on ``[|u - v|, u * v]`` (Tai et al., 2015), trained on the task's own
    training part or, where it has none, on four fifths of the pairs for the other fifth, so that no text is in two
    fifths. The two are different tasks and are never mixed. Differences of trained ones are widened for the chance in
    the training parts (`statistics.widened`). The regression on tf-idf is given its cosine too.

    Parameters
    ----------
    task : the pairs. Where it names sources, the figures are over all pairs pooled, as Reimers and Gurevych (2019)
        and Gao et al. (2021) have STS 2012 to 2016, and each source has its own; the note has the mean over sources,
        plain and weighted by their pairs, as the contests had it. Tables show the sources of the first figure alone.
    subject : what is probed.
    bootstrap, seed : of the intervals; the seed is that of the folds too.
    parts : pairs of the task that get rows of their own, bool of shape (n_pairs,) by name.
    trained_parts : the same for the trained figures; None where they are those of `parts`.

    Returns
    -------
    Rows beside the SIF average, the plain average, a random encoder, random vectors, and tf-idf (document frequencies
    from the task's own texts); trained ones also beside the zero-shot cosine. A text without a known token has cosine 0
    with every other.
    """
    encoders = subject.encoders()
    if not encoders:
        return [skipped(task.name, "spearman", NO_ENCODER)]
    train = task.train
    n, n_train = len(task.scores), 0 if train is None else len(train.scores)
    texts_a, texts_b = list(task.texts_a), list(task.texts_b)
    if train is not None:
        texts_a, texts_b = [*texts_a, *train.texts_a], [*texts_b, *train.texts_b]
    encoded = _encode(texts_a + texts_b, subject)
    pairs = np.arange(2 * (n + n_train)).reshape(2, -1).T
    systems = encoded.cosines(pairs[:n])
    coverage = token_coverage(subject.codec, [*task.texts_a, *task.texts_b])
    empty = int((~encoded.first[pairs[:n].ravel()].any(axis=1)).sum())
    known = f"; {empty} of {2 * n} texts hold no known word" if empty else ""

    def rows(
        kind: Correlation, how: str, systems: Systems, note: str, parts: Parts | None, n_train: int | None = None
    ) -> list[Row]:
        """Rows of the whole, then of each part, whose figure is named `kind (how, part)`."""
        whole = f"{kind} ({how})" if how else kind
        found = []
        named = {whole: (np.ones(n, dtype=bool), note + _pooled(task, next(iter(systems.values())), kind))}
        for part, inside in {**_sources(task, table=not how and kind == "spearman"), **(parts or {})}.items():
            metric = f"{kind} ({how}, {part})" if how else f"{kind} ({part})"
            if 0 < inside.sum() < 3:
                found.append(skipped(task.name, metric, f"{int(inside.sum())} pairs, 3 are needed"))
            elif inside.any() and not inside.all():
                named[metric] = (inside, note)
        measured = [
            row
            for metric, (inside, said) in named.items()
            for row in correlation_rows(
                task.name,
                {system: values[inside] for system, values in systems.items()},
                task.scores[inside],
                coverage=coverage,
                note=said + known,
                bootstrap=bootstrap,
                seed=seed,
                kind=kind,
                metric=metric,
                n_train=n_train,
            )
        ]
        return measured + found

    found = [row for kind in _KINDS for row in rows(kind, "", systems, "zero-shot cosine", parts)]
    scores = task.scores if train is None else np.concatenate([task.scores, train.scores])
    folds = np.repeat(np.array([0, -1]), [n, n_train])
    if train is None:
        own = trained_folds(task, seed)
        if isinstance(own, str):
            return [*found, skipped(task.name, "spearman (trained)", own)]
        folds = own
    trained = {
        name: predict_scores(encoded.features(name, pairs), scores, folds, seed=seed)[:n] for name in encoded.tables
    }
    if subject.baselines:
        trained["zero-shot cosine"] = next(iter(systems.values()))
    note = f"ridge regression on |u - v|, u * v, {_how(folds, n_train)}"
    of_trained = parts if trained_parts is None else trained_parts
    trained_on = int((folds != np.bincount(folds[folds >= 0]).argmax()).sum())
    return found + [row for kind in _KINDS for row in rows(kind, "trained", trained, note, of_trained, trained_on)]


def trained_folds(task: SentenceSimilarity, seed: int) -> NDArray[np.int64] | str:
    """Return the folds of a regressor for a task without a training part, or in words why there are none.

    Parameters
    ----------
    task : the pairs.
    seed : that they are measured with.

    Returns
    -------
    int64 of shape (n_pairs,); pairs that share a text are in the same fold.
    """
    n = len(task.scores)
    if n < _MIN_TRAINED:
        return f"{n} pairs, {_MIN_TRAINED} are needed to train on some and test on others"
    folds = apart(task.texts_a, task.texts_b, task.scores, _FOLDS, seed=seed)
    smallest = n - int(np.bincount(folds).max())
    if 2 * smallest < _MIN_TRAINED:
        return f"so many pairs share a text that {smallest} are left to train on for the others"
    return folds


def document_similarity_rows(
    task: DocumentSimilarity, subject: Subject, *, bootstrap: int, seed: int, parts: Parts | None = None
) -> list[Row]:
    """Return the Pearson and Spearman correlation of cosines with human scores over all pairs of documents.

    The interval resamples documents, not pairs: the pairs that share a document are not independent. The questions of
    `parts` are the pairs, row by row above the diagonal.
    """
    if not subject.encoders():
        return [skipped(task.name, "spearman", NO_ENCODER)]
    texts = list(task.texts)
    units = np.triu_indices(len(texts), 1)
    encoded = _encode(texts, subject)
    systems = encoded.cosines(np.stack(units, axis=1))
    empty = int((~encoded.first.any(axis=1)).sum())
    note = "zero-shot cosine" + (f"; {empty} of {len(texts)} texts hold no known word" if empty else "")
    rows = []
    for kind in reversed(_KINDS):
        rows += correlation_rows(
            task.name,
            systems,
            task.scores[units],
            coverage=token_coverage(subject.codec, texts),
            note=f"{note}; {len(texts)} documents, the interval resamples documents",
            bootstrap=bootstrap,
            seed=seed,
            units=units,
            kind=kind,
            parts=parts,
        )
    return rows


@dataclass(frozen=True)
class _Encoded:
    """The vectors of texts by system, the probed one first; those of tf-idf are sparse."""

    tables: Mapping[str, Any]

    @property
    def first(self) -> NDArray[np.float32]:
        table: NDArray[np.float32] = next(iter(self.tables.values()))
        return table

    def cosines(self, pairs: NDArray[np.int64]) -> Systems:
        return {
            name: pair_cosines(table, pairs) if isinstance(table, np.ndarray) else _sparse_cosines(table, pairs)
            for name, table in self.tables.items()
        }

    def features(self, name: str, pairs: NDArray[np.int64]) -> Any:
        from scipy.sparse import hstack

        u, v = (self.tables[name][pairs[:, side]] for side in (0, 1))
        if isinstance(u, np.ndarray):
            return features_of_pairs(u, v)
        shared = u.multiply(v)
        return hstack([abs(u - v), shared, shared.sum(axis=1)]).tocsr()


def _encode(texts: list[str], subject: Subject) -> _Encoded:
    """Encode each different text once."""
    unique = list(dict.fromkeys(texts))
    place = {text: i for i, text in enumerate(unique)}
    rows = np.array([place[text] for text in texts])
    tables: dict[str, Any] = {name: encoder.encode(unique)[rows] for name, encoder in subject.encoders().items()}
    if subject.baselines:
        tables["tf-idf"] = _tfidf(texts, subject)
    return _Encoded(tables)


def _tfidf(texts: list[str], subject: Subject) -> Any:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

    tokens = [subject.tokenize(text) for text in texts]
    if not any(tokens):
        return csr_matrix((len(texts), 1))
    return TfidfVectorizer(analyzer=_as_it_is, sublinear_tf=True).fit_transform(tokens)


def _as_it_is(tokens: list[str]) -> list[str]:
    return tokens


def _sparse_cosines(table: Any, pairs: NDArray[np.int64]) -> Array:
    cosines: Array = np.asarray(table[pairs[:, 0]].multiply(table[pairs[:, 1]]).sum(axis=1)).ravel()
    return cosines


def _sources(task: SentenceSimilarity, *, table: bool) -> dict[str, NDArray[np.bool_]]:
    """Return the pairs of each source, in the order in which they come; named as sections where not for a table."""
    if task.sources is None:
        return {}
    sources = np.array(task.sources)
    names = list(dict.fromkeys(task.sources))
    before = "" if table and len(names) <= _MOST_SOURCES else SECTION
    return {before + name: sources == name for name in names}


def _pooled(task: SentenceSimilarity, values: Array, kind: Correlation) -> str:
    """Return how the figure sums up the sources: over all pairs pooled, and what other conventions give."""
    masks = list(_sources(task, table=True).values())
    if len(masks) < 2:
        return ""
    each = [correlation(kind, values[inside], task.scores[inside]) for inside in masks]
    sizes = [int(inside.sum()) for inside in masks]
    defined = [(value, size) for value, size in zip(each, sizes, strict=True) if math.isfinite(value)]
    if not defined:
        return "; all pairs pooled"
    mean = sum(value for value, _ in defined) / len(defined)
    weighted = sum(value * size for value, size in defined) / sum(size for _, size in defined)
    return f"; all pairs pooled (mean of {len(defined)} sources {mean:.3f}, weighted by their pairs {weighted:.3f})"


def _how(folds: NDArray[np.int64], n_train: int) -> str:
    if n_train:
        return f"trained on the {n_train:,} pairs of a given training part"
    sizes = np.bincount(folds)
    n_folds = int((sizes > 0).sum())
    return (
        f"{n_folds} folds, trained on {len(folds) - int(sizes.max()):,} pairs or more, "
        "pairs that share a text in the same fold"
    )

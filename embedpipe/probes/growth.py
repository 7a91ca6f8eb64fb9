"""The same questions asked of several bundles: figures that may be compared although the vocabularies differ."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Subject, Words
from embedpipe.probes.resampling import Correlation, bootstrap_correlations, bootstrap_means, correlation
from embedpipe.probes.rows import Row
from embedpipe.probes.texts.classification import classification_rows
from embedpipe.probes.words.analogy_answers import answer_analogies
from embedpipe.tasks.shapes import (
    Analogies,
    Classification,
    DocumentSimilarity,
    SentenceSimilarity,
    Task,
    WordSimilarity,
)
from embedpipe.text.vocabulary import SPECIALS

__all__ = ["Common", "ask_all"]

Array = NDArray[np.float64]

_MIN_QUESTIONS = 30


@dataclass(frozen=True)
class Common:
    """One figure of several subjects on the questions that all of them can answer.

    Parameters
    ----------
    task, metric : what was measured.
    n : questions that all can answer.
    coverage : for each subject, the share of all questions that it can answer; NaN for tasks of sentences.
    replicates : float64 of shape (n_subjects, 1 + n_resamples): the figure, then its bootstrap resamples, the same
        questions for all; no columns where fewer than 30 questions are left or the figure is not defined.
    """

    task: str
    metric: str
    n: int
    coverage: tuple[float, ...]
    replicates: Array

    @property
    def values(self) -> list[float]:
        """The figure of each subject; empty where there is none."""
        return [float(value) for value in self.replicates[:, 0]] if self.replicates.size else []


def ask_all(subjects: Sequence[Subject], task: Task, *, restrict: int, bootstrap: int, seed: int) -> Common:
    """Return the headline figure of each subject on one task.

    Parameters
    ----------
    subjects : each with word vectors; its encoder, or else its SIF average, answers for sentences.
    task : word pairs, analogies, texts with scores or with labels.
    restrict : analogies are asked over so many of the most frequent words of each subject.
    bootstrap : resamples of the questions.
    seed : of the resamples and the folds.

    Raises
    ------
    TypeError
        For a task of another shape.
    """
    if isinstance(task, WordSimilarity):
        return _words(subjects, task, bootstrap, seed)
    if isinstance(task, Analogies):
        return _analogies(subjects, task, restrict, bootstrap, seed)
    if isinstance(task, SentenceSimilarity):
        n = len(task.scores)
        pairs = np.arange(n), np.arange(n) + n
        return _texts(subjects, task.name, [*task.texts_a, *task.texts_b], pairs, task.scores, bootstrap, seed)
    if isinstance(task, DocumentSimilarity):
        pairs = np.triu_indices(len(task.texts), 1)
        scores = task.scores[pairs]
        return _texts(subjects, task.name, list(task.texts), pairs, scores, bootstrap, seed, documents=True)
    if isinstance(task, Classification):
        return _labels(subjects, task, bootstrap, seed)
    raise TypeError(f"{task.name}: a curve is drawn of word pairs, analogies, texts with scores or texts with labels")


def _words(subjects: Sequence[Subject], task: WordSimilarity, bootstrap: int, seed: int) -> Common:
    ids = [_ids(_words_of(subject), task.pairs) for subject in subjects]
    inside = np.stack([(of >= 0).all(axis=1) for of in ids])
    common = inside.all(axis=0)
    coverage = tuple(float(share) for share in inside.mean(axis=1))
    cosines = [_cosines(_words_of(s).vectors, of[common].T) for s, of in zip(subjects, ids, strict=True)]
    replicates = _correlated("spearman", cosines, task.scores[common], bootstrap, seed)
    return Common(task.name, "spearman", int(common.sum()), coverage, replicates)


def _analogies(subjects: Sequence[Subject], task: Analogies, restrict: int, bootstrap: int, seed: int) -> Common:
    questions = [question for section in task.sections.values() for question in section]
    ids = [_ids(_words_of(subject), questions) for subject in subjects]
    limits = [min(restrict + len(SPECIALS), len(_words_of(subject).vocabulary)) for subject in subjects]
    inside = np.stack([((of >= 0) & (of < limit)).all(axis=1) for of, limit in zip(ids, limits, strict=True)])
    common, coverage = inside.all(axis=0), tuple(float(share) for share in inside.mean(axis=1))
    if common.sum() < _MIN_QUESTIONS:
        return Common(task.name, "accuracy", int(common.sum()), coverage, np.empty((len(subjects), 0)))
    right = [
        answer_analogies(np.asarray(_words_of(subject).vectors[:limit]), of[common], multiply=False)["3CosAdd"]
        == of[common, 3]
        for subject, of, limit in zip(subjects, ids, limits, strict=True)
    ]
    means = np.array([[float(one.mean())] for one in right])
    replicates = np.concatenate([means, bootstrap_means(right, repeats=bootstrap, seed=seed)], axis=1)
    return Common(task.name, "accuracy", int(common.sum()), coverage, replicates)


def _texts(
    subjects: Sequence[Subject],
    name: str,
    texts: list[str],
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    scores: Array,
    bootstrap: int,
    seed: int,
    *,
    documents: bool = False,
) -> Common:
    cosines = [_cosines(next(iter(subject.encoders().values())).encode(texts), np.stack(pairs)) for subject in subjects]
    kind: Correlation = "pearson" if documents else "spearman"
    replicates = _correlated(kind, cosines, scores, bootstrap, seed, pairs if documents else None)
    return Common(name, kind, len(scores), (math.nan,) * len(subjects), replicates)


def _labels(subjects: Sequence[Subject], task: Classification, bootstrap: int, seed: int) -> Common:
    """Accuracies, with resamples drawn from the normal distribution that the interval of each stands for."""
    rows: list[Row] = [classification_rows(task, _alone(subject), seed=seed)[0] for subject in subjects]
    if not all(math.isfinite(row.value) for row in rows):
        return Common(task.name, "accuracy", 0, (math.nan,) * len(subjects), np.empty((len(subjects), 0)))
    values = np.array([[row.value] for row in rows])
    errors = np.array([[(row.high - row.low) / (2 * 1.96)] for row in rows])
    noise = np.random.default_rng(seed).standard_normal((1, bootstrap))
    replicates = np.concatenate([values, values + errors * noise], axis=1)
    return Common(task.name, "accuracy", rows[0].n, (math.nan,) * len(subjects), replicates)


def _alone(subject: Subject) -> Subject:
    """Return a subject of its first encoder: no baseline is measured."""
    return Subject(encoder=next(iter(subject.encoders().values()), None), codec=subject.codec, seed=subject.seed)


def _correlated(
    kind: Correlation,
    systems: Sequence[Array],
    scores: Array,
    bootstrap: int,
    seed: int,
    units: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> Array:
    if len(scores) < _MIN_QUESTIONS:
        return np.empty((len(systems), 0))
    values = np.array([[correlation(kind, system, scores)] for system in systems])
    resampled = bootstrap_correlations(kind, systems, scores, repeats=bootstrap, seed=seed, units=units)
    return np.concatenate([values, resampled], axis=1) if np.isfinite(values).all() else np.empty((len(systems), 0))


def _words_of(subject: Subject) -> Words:
    if subject.words is None:
        raise TypeError("a subject without word vectors has no curve")
    return subject.words


def _ids(words: Words, rows: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    known = {word: words.vocabulary.find(word) for word in {word for row in rows for word in row}}
    found = {word: -1 if i is None else i for word, i in known.items()}
    return np.array([[found[word] for word in row] for row in rows], dtype=np.int64)


def _cosines(vectors: NDArray[np.floating], pairs: NDArray[np.int64]) -> Array:
    unique, places = np.unique(pairs, return_inverse=True)
    unit = np.asarray(vectors[unique], dtype=np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    first, second = places.reshape(pairs.shape)
    cosines: Array = np.einsum("ij,ij->i", unit[first], unit[second])
    return cosines

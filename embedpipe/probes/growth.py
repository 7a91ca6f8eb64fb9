"""The same questions asked of several bundles: figures that may be compared although the vocabularies differ."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Subject, Words
from embedpipe.probes.resampling import Correlation, bootstrap_correlations, bootstrap_means, correlation
from embedpipe.probes.texts.classification import right_shares
from embedpipe.probes.words.questions import known_questions, right_answers
from embedpipe.probes.words.word_lookup import cosines_of, pair_cosines
from embedpipe.tasks.shapes import (
    Analogies,
    Classification,
    DocumentSimilarity,
    SentenceSimilarity,
    Task,
    WordSimilarity,
)

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
    asked = [known_questions(task, _words_of(subject), 0) for subject in subjects]
    common, coverage = _common([known for known, _ in asked])
    cosines = [cosines_of(_words_of(subject), ids[common]) for subject, (_, ids) in zip(subjects, asked, strict=True)]
    replicates = _correlated("spearman", cosines, task.scores[common], bootstrap, seed)
    return Common(task.name, "spearman", int(common.sum()), coverage, replicates)


def _analogies(subjects: Sequence[Subject], task: Analogies, restrict: int, bootstrap: int, seed: int) -> Common:
    asked = [known_questions(task, _words_of(subject), restrict) for subject in subjects]
    common, coverage = _common([known for known, _ in asked])
    right: list[Array] = []
    if common.sum() >= _MIN_QUESTIONS:
        of_each = zip(subjects, asked, strict=True)
        right = [
            right_answers(_words_of(subject), ids[common], restrict).astype(float) for subject, (_, ids) in of_each
        ]
    replicates = _means(right, len(subjects), bootstrap, seed)
    return Common(task.name, "accuracy", int(common.sum()), coverage, replicates)


def _common(known: Sequence[NDArray[np.bool_]]) -> tuple[NDArray[np.bool_], tuple[float, ...]]:
    """Return the questions that all can answer, and the share that each can."""
    inside = np.stack(known)
    common: NDArray[np.bool_] = np.all(inside, axis=0)
    return common, tuple(float(share) for share in inside.mean(axis=1))


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
    encoders = [next(iter(replace(subject, baselines=False, against={}).encoders().values())) for subject in subjects]
    cosines = [pair_cosines(encoder.encode(texts), np.stack(pairs, axis=1)) for encoder in encoders]
    kind: Correlation = "pearson" if documents else "spearman"
    replicates = _correlated(kind, cosines, scores, bootstrap, seed, pairs if documents else None)
    return Common(name, kind, len(scores), (math.nan,) * len(subjects), replicates)


def _labels(subjects: Sequence[Subject], task: Classification, bootstrap: int, seed: int) -> Common:
    """Accuracies, the texts that are tested resampled: the same ones for all, for their answers hang together."""
    right = [right_shares(task, subject, seed=seed) for subject in subjects]
    replicates = _means(right, len(subjects), bootstrap, seed)
    return Common(task.name, "accuracy", len(right[0]), (math.nan,) * len(subjects), replicates)


def _means(right: Sequence[Array], n_subjects: int, bootstrap: int, seed: int) -> Array:
    """Return the share of right answers of each subject and its resamples; no columns for fewer than 30 questions."""
    if not right or len(right[0]) < _MIN_QUESTIONS:
        return np.empty((n_subjects, 0))
    values = np.array([[float(one.mean())] for one in right])
    return np.concatenate([values, bootstrap_means(right, repeats=bootstrap, seed=seed)], axis=1)


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

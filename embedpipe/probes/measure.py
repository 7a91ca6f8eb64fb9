"""One task to the probe of its shape."""

from dataclasses import dataclass

from embedpipe.probes.baselines import Subject
from embedpipe.probes.classification import classification_rows, inference_rows
from embedpipe.probes.comparison import Parts
from embedpipe.probes.intrinsic import analogy_rows, word_similarity_rows
from embedpipe.probes.rival_words import rival_word_rows
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.similarity import document_similarity_rows, sentence_similarity_rows
from embedpipe.tasks.shapes import (
    Analogies,
    Classification,
    DocumentSimilarity,
    SentenceSimilarity,
    Task,
    WordSimilarity,
)

__all__ = ["MeasureSettings", "measure"]


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """How tasks are measured.

    Parameters
    ----------
    restrict : analogies search so many of the most frequent words.
    bootstrap : resamples for intervals.
    seed : of resampling, folds and random baselines.
    """

    restrict: int = 30_000
    bootstrap: int = 1_000
    seed: int = 1


def measure(subject: Subject, task: Task, settings: MeasureSettings, parts: Parts | None = None) -> list[Row]:
    """Return what is measured on one task: one row for each metric and baseline.

    Parameters
    ----------
    subject : what is probed; where its part is missing there is one row that says so.
    task : labelled data.
    settings : how.
    parts : questions of the task that get rows of their own, bool of shape (n_questions,) by name.
    """
    bootstrap, seed = settings.bootstrap, settings.seed
    if isinstance(task, WordSimilarity | Analogies) and subject.words is None:
        metric = "accuracy" if isinstance(task, Analogies) else "spearman"
        return [skipped(task.name, metric, "the bundle has no word vectors")]
    if isinstance(task, WordSimilarity | Analogies):
        beside = rival_word_rows(task, subject, restrict=settings.restrict, bootstrap=bootstrap, seed=seed)
        return [*_word_rows(task, subject, settings), *beside] if subject.baselines else beside
    if isinstance(task, SentenceSimilarity):
        return sentence_similarity_rows(task, subject, bootstrap=bootstrap, seed=seed, parts=parts)
    if isinstance(task, DocumentSimilarity):
        return document_similarity_rows(task, subject, bootstrap=bootstrap, seed=seed)
    if isinstance(task, Classification):
        return classification_rows(task, subject, seed=seed, parts=parts)
    return inference_rows(task, subject, seed=seed, parts=parts)


def _word_rows(task: WordSimilarity | Analogies, subject: Subject, settings: MeasureSettings) -> list[Row]:
    assert subject.words is not None
    if isinstance(task, WordSimilarity):
        return word_similarity_rows(task, subject.words, bootstrap=settings.bootstrap, seed=settings.seed)
    return analogy_rows(task, subject.words, restrict=settings.restrict, seed=settings.seed)

"""One task to the probe of its shape."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from embedpipe.probes.baselines import MIN_COVERAGE, Rival, Subject
from embedpipe.probes.comparison import Parts
from embedpipe.probes.rows import CHOSEN_ON, Row, skipped
from embedpipe.probes.spaces.association import association_rows, associations
from embedpipe.probes.texts.classification import classification_rows, inference_rows
from embedpipe.probes.texts.similarity import document_similarity_rows, sentence_similarity_rows
from embedpipe.probes.words.intrinsic import word_task_rows
from embedpipe.tasks.associations import Associations
from embedpipe.tasks.shapes import Classification, DocumentSimilarity, SentenceSimilarity, Task, WordTask

__all__ = ["MeasureSettings", "measure", "unknown_texts"]

_RESAMPLES_PER_TASK = 100


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """How tasks are measured.

    Parameters
    ----------
    restrict : analogies search so many of the most frequent words.
    bootstrap : resamples for intervals; of many tasks there are more (`of_tasks`).
    seed : of resampling, folds and random baselines.
    folds : folds of a classification that brings none of its own.
    seeds : how often those folds are drawn anew.
    chosen_on : names of tasks that settings of the bundle were chosen by; their rows say so.
    """

    restrict: int = 30_000
    bootstrap: int = 1_000
    seed: int = 1
    folds: int = 5
    seeds: int = 3
    chosen_on: Sequence[str] = ()

    def of_tasks(self, n_tasks: int) -> "MeasureSettings":
        """Return the settings with resamples enough for so many tasks: doubled until there are 100 for each.

        The least p-value that resamples can give, 2 / (1 + bootstrap), must stay below 0.05 after it was multiplied by
        the number of tasks (Holm, 1979). Doubling leaves what was measured before of use when a few tasks are added.

        Examples
        --------
        >>> [MeasureSettings(bootstrap=1_000).of_tasks(n).bootstrap for n in (10, 30)]
        [1000, 4000]
        """
        bootstrap = self.bootstrap
        while bootstrap < _RESAMPLES_PER_TASK * n_tasks:
            bootstrap *= 2
        return replace(self, bootstrap=bootstrap)


def measure(
    subject: Subject,
    task: Task,
    settings: MeasureSettings,
    parts: Parts | None = None,
    trained_parts: Parts | None = None,
) -> list[Row]:
    """Return what is measured on one task: one row for each metric and baseline.

    Parameters
    ----------
    subject : what is probed; where its part is missing there is one row that says so.
    task : labelled data.
    settings : how.
    parts : questions of the task that get rows of their own, bool of shape (n_questions,) by name.
    trained_parts : those of similarity by a trained regressor; None where they are those of `parts`.
    """
    rows = _measured(subject, task, settings, parts, trained_parts)
    said = [] if isinstance(task, WordTask | Associations) else [unknown_texts(rows)]
    said += [CHOSEN_ON] if task.name in settings.chosen_on else []
    return [replace(row, note="; ".join(filter(None, [row.note, *said]))) for row in rows]


def unknown_texts(rows: Sequence[Row]) -> str:
    """Return in words that the texts of a task are hardly in the vocabulary; empty where they are.

    Parameters
    ----------
    rows : of one task of texts; their coverage is the share of its tokens that are in the vocabulary.
    """
    coverage = next((row.coverage for row in rows if row.coverage < MIN_COVERAGE), None)
    if coverage is None:
        return ""
    return f"{coverage:.0%} of the tokens of its texts are in the vocabulary: another language or subject"


def _measured(
    subject: Subject, task: Task, settings: MeasureSettings, parts: Parts | None, trained_parts: Parts | None
) -> list[Row]:
    bootstrap, seed = settings.bootstrap, settings.seed
    if isinstance(task, WordTask):
        return word_task_rows(task, subject, restrict=settings.restrict, bootstrap=bootstrap, seed=seed, parts=parts)
    if isinstance(task, Associations):
        if subject.words is None:
            return [skipped(task.name, "effect", "the bundle has no word vectors")]
        return association_rows(associations(task, subject, repeats=bootstrap, seed=seed))
    if isinstance(task, SentenceSimilarity):
        return sentence_similarity_rows(
            task, subject, bootstrap=bootstrap, seed=seed, parts=parts, trained_parts=trained_parts
        )
    if isinstance(task, DocumentSimilarity):
        return document_similarity_rows(task, subject, bootstrap=bootstrap, seed=seed, parts=parts)
    protocol = {"n_folds": settings.folds, "n_seeds": settings.seeds, "bootstrap": bootstrap, "seed": seed}
    if isinstance(task, Classification):
        if subject.baselines:
            cues = {name: Rival(encoder=features) for name, features in task.cues.items()}
            subject = replace(subject, against={**cues, **subject.against})
        return classification_rows(task, subject, parts=parts, **protocol)
    return inference_rows(task, subject, parts=parts, **protocol)

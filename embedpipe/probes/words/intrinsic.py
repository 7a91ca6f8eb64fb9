"""Word vectors by themselves, without any text: each shape of task to its probe."""

from embedpipe.probes.baselines import Subject, Words
from embedpipe.probes.comparison import Parts
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.words.analogies import analogy_rows
from embedpipe.probes.words.categories import category_rows
from embedpipe.probes.words.outliers import outlier_rows
from embedpipe.probes.words.relations import relation_rows
from embedpipe.probes.words.rival_sets import SetTask, rival_set_rows
from embedpipe.probes.words.rival_sets_all import rival_rows_of_all
from embedpipe.probes.words.rival_words import rival_word_rows
from embedpipe.probes.words.word_similarity import word_similarity_rows
from embedpipe.tasks.shapes import Analogies, Categories, Outliers, Relations, WordSimilarity, WordTask

__all__ = ["word_task_rows"]

_METRICS: dict[type[WordTask], str] = {
    WordSimilarity: "spearman",
    Analogies: "accuracy",
    Categories: "purity",
    Outliers: "accuracy",
    Relations: "map",
}


def word_task_rows(
    task: WordTask, subject: Subject, *, restrict: int, bootstrap: int, seed: int, parts: Parts | None = None
) -> list[Row]:
    """Return what is measured on a task of words: one row for each metric and baseline.

    Parameters
    ----------
    task : labelled words.
    subject : what is probed; without word vectors there is one row that says so.
    restrict : analogies search so many of the most frequent words.
    bootstrap, seed : of the intervals; the seed is that of the random vectors too.
    parts : pairs or analogies that get rows of their own, bool of shape (n_questions,) by name; other tasks have no
        parts.
    """
    words = subject.words
    if words is None:
        return [skipped(task.name, _METRICS[type(task)], "the bundle has no word vectors")]
    if isinstance(task, WordSimilarity | Analogies):
        beside = rival_word_rows(task, subject, restrict=restrict, bootstrap=bootstrap, seed=seed)
    else:
        whole, rivals = not subject.baselines, subject.rival_words()
        beside = rival_set_rows(task, words, rivals, bootstrap=bootstrap, seed=seed, whole=whole)
    if not subject.baselines:
        return beside
    if isinstance(task, WordSimilarity):
        lookup = subject.lookup
        own = word_similarity_rows(task, words, bootstrap=bootstrap, seed=seed, parts=parts, lookup=lookup)
    elif isinstance(task, Analogies):
        own = analogy_rows(task, words, restrict=restrict, seed=seed, bootstrap=bootstrap, parts=parts)
    else:
        own = _set_rows(task, words, bootstrap=bootstrap, seed=seed)
        beside += rival_rows_of_all(task, words, subject.rival_words(), bootstrap=bootstrap, seed=seed)
    return [*own, *beside]


def _set_rows(task: SetTask, words: Words, *, bootstrap: int, seed: int) -> list[Row]:
    if isinstance(task, Categories):
        return category_rows(task, words, bootstrap=bootstrap, seed=seed)
    if isinstance(task, Outliers):
        return outlier_rows(task, words, bootstrap=bootstrap, seed=seed)
    return relation_rows(task, words, bootstrap=bootstrap, seed=seed)

"""Word vectors beside those of rivals: on the questions that both can answer, and on all of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Subject, Words
from embedpipe.probes.comparison import Parts, accuracy_rows, correlation_rows
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.words.questions import kinds_of, known_questions, right_answers
from embedpipe.probes.words.word_lookup import as_wrong, cosines_of, guessed
from embedpipe.tasks.shapes import Analogies, WordSimilarity

__all__ = ["rival_word_rows"]


def rival_word_rows(
    task: WordSimilarity | Analogies, subject: Subject, *, restrict: int, bootstrap: int, seed: int
) -> list[Row]:
    """Return the subject's words beside those of each rival, on the questions that both vocabularies cover.

    Where the rival lacks some of the subject's questions, the figures are of a part, ``spearman (shared with NAME)``;
    without baselines to stand beside, the shared questions are the whole. Where either lacks a question, ``(all)`` is
    over all of them, and each system is charged for the words that it does not know: a pair is a guess (the mean of
    that system's other cosines), an analogy is wrong. Analogies are answered by 3CosAdd, each system among its own
    `restrict` most frequent words. The note says how many questions each covers alone.

    Parameters
    ----------
    task : the questions.
    subject : with words, and rivals of which some may have words.
    restrict, bootstrap, seed : as in `measure.MeasureSettings`.
    """
    assert subject.words is not None
    of_words = isinstance(task, WordSimilarity)
    metric, needed, unit = ("spearman", 3, "pairs") if of_words else ("accuracy", 1, "questions")
    ours, rows = _Side.of(task, subject.words, restrict), []
    for name, rival in subject.rival_words().items():
        theirs = _Side.of(task, rival, restrict)
        both, n = ours.known & theirs.known, len(ours.known)
        n_both, n_ours, n_theirs = int(both.sum()), int(ours.known.sum()), int(theirs.known.sum())
        label = metric if n_both == n_ours or not subject.baselines else f"{metric} (shared with {name})"
        note = f"{n_ours:,} of {n:,} {unit} are in the vocabulary, {n_theirs:,} in that of {name}, {n_both:,} in both"
        if n_both < needed:
            rows.append(skipped(task.name, label, f"{note}; {needed} are needed"))
        else:
            systems = {"words": ours.says(both), name: theirs.says(both)}
            parts = kinds_of(task) if label == metric and isinstance(task, Analogies) else {}
            kinds = {kind: inside[both] for kind, inside in parts.items()}
            rows += _beside(task, label, systems, both, n_both / n, note, bootstrap, seed, kinds)
        if subject.baselines and min(n_ours, n_theirs) >= needed and n_both < n:
            systems = {"words": ours.says_of_all(), name: theirs.says_of_all()}
            how = f"{note}; what one does not know, it {'guesses' if of_words else 'has wrong'}"
            rows += _beside(
                task, f"{metric} (all)", systems, np.ones(n, dtype=np.bool_), n_ours / n, how, bootstrap, seed
            )
    return rows


@dataclass(frozen=True)
class _Side:
    """What one table of words says of a task: `known` bool of shape (n,), `ids` int64 of shape (n, 2 or 4)."""

    words: Words
    known: NDArray[np.bool_]
    ids: NDArray[np.int64]
    restrict: int

    @classmethod
    def of(cls, task: WordSimilarity | Analogies, words: Words, restrict: int) -> "_Side":
        return cls(words, *known_questions(task, words, restrict), restrict)

    def says(self, asked: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the cosine of each of the pairs, or 1 for each of the analogies that is answered rightly, else 0."""
        if self.ids.shape[1] == 2:
            return cosines_of(self.words, self.ids[asked])
        return right_answers(self.words, self.ids[asked], self.restrict).astype(np.float64)

    def says_of_all(self) -> NDArray[np.float64]:
        """Return the same for every question: a guess for unknown pairs, 0 for unknown analogies."""
        fill = guessed if self.ids.shape[1] == 2 else as_wrong
        return fill(self.says(self.known), self.known)


def _beside(
    task: WordSimilarity | Analogies,
    metric: str,
    systems: Mapping[str, NDArray[np.float64]],
    asked: NDArray[np.bool_],
    coverage: float,
    note: str,
    bootstrap: int,
    seed: int,
    parts: Parts | None = None,
) -> list[Row]:
    if isinstance(task, WordSimilarity):
        return correlation_rows(
            task.name,
            systems,
            task.scores[asked],
            coverage=coverage,
            note=note,
            bootstrap=bootstrap,
            seed=seed,
            metric=metric,
        )
    return accuracy_rows(
        task.name,
        {name: right.astype(np.bool_) for name, right in systems.items()},
        metric=metric,
        coverage=coverage,
        system="words",
        note=f"3CosAdd; {note}",
        bootstrap=bootstrap,
        seed=seed,
        parts=parts,
    )

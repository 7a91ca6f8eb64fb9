"""The questions of a task as leaks are looked for: which texts each holds, and who is trained on whom."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.findings import Leak
from embedpipe.probes.texts.similarity import trained_folds
from embedpipe.tasks.shapes import Classification, DocumentSimilarity, Inference, SentenceSimilarity, Task

__all__ = ["Flags", "Questions", "clip", "leak_of", "questions_of"]

_EXAMPLES = 5
_EXAMPLE_CHARACTERS = 160

Flags = NDArray[np.bool_]
"""Which questions, bool of shape (n_questions,)."""


@dataclass(frozen=True, eq=False)
class Questions:
    """The texts of a task, and what is asked about them.

    Parameters
    ----------
    name : of the task.
    texts : all of them.
    members : int64, shape (n_questions, 1 or 2): the numbers of the texts of each question.
    folds : int64 of shape (n_questions,), None where nothing is trained; questions of one fold are tested together,
        those of fold -1 never.
    n : questions of the task itself, which come first; others are of its training part.
    zero_shot : whether there are figures of the task for which nothing is trained.
    """

    name: str
    texts: Sequence[str]
    members: NDArray[np.int64]
    folds: NDArray[np.int64] | None
    n: int
    zero_shot: bool = False

    @property
    def tested(self) -> Flags:
        """Which questions are asked."""
        return np.ones(len(self.members), dtype=np.bool_) if self.folds is None else self.folds >= 0

    def show(self, question: int) -> str:
        """Return the texts of a question, shortened."""
        return " | ".join(clip(self.texts[i]) for i in self.members[question].tolist())


def questions_of(task: Task, seed: int) -> Questions | None:
    """Return the questions of a task; None where it asks about words.

    Parameters
    ----------
    task : labelled data.
    seed : of the folds that the probe of pairs of texts makes.
    """
    if isinstance(task, Classification):
        return _labelled(task.name, [task.texts], task.folds)
    if isinstance(task, Inference):
        return _labelled(task.name, [task.texts_a, task.texts_b], task.folds)
    if isinstance(task, SentenceSimilarity):
        return _similarity(task, seed)
    if isinstance(task, DocumentSimilarity):
        pairs = np.stack(np.triu_indices(len(task.texts), 1), axis=1)
        return Questions(task.name, task.texts, pairs, None, len(pairs), zero_shot=True)
    return None


def _labelled(name: str, columns: Sequence[Sequence[str]], folds: NDArray[np.int64] | None) -> Questions:
    """Where the probe draws folds anew for each seed, any other question is taken to be in another one."""
    n = len(columns[0])
    folds = np.arange(n) if folds is None else folds
    return Questions(name, [text for column in columns for text in column], _side_by_side(n, len(columns)), folds, n)


def _similarity(task: SentenceSimilarity, seed: int) -> Questions:
    n, train = len(task.scores), task.train
    if train is None:
        folds = trained_folds(task, seed)
        texts = [*task.texts_a, *task.texts_b]
        return Questions(
            task.name, texts, _side_by_side(n, 2), None if isinstance(folds, str) else folds, n, zero_shot=True
        )
    n_all = n + len(train.scores)
    texts = [*task.texts_a, *train.texts_a, *task.texts_b, *train.texts_b]
    given = np.repeat(np.array([0, -1]), [n, n_all - n])
    return Questions(task.name, texts, _side_by_side(n_all, 2), given, n, zero_shot=True)


def _side_by_side(n: int, n_columns: int) -> NDArray[np.int64]:
    return np.arange(n_columns * n).reshape(n_columns, n).T


def leak_of(
    questions: Questions,
    place: str,
    exact: Flags,
    leaked: Flags,
    copy: Callable[[int], str],
    *,
    threshold: float,
    unasked: int = 0,
    missing: str = "",
) -> Leak:
    """Return the record of what leaked from one place.

    Parameters
    ----------
    questions : those of the task.
    place : where they were looked for.
    exact, leaked : which of them leaked word for word, and which did in any way.
    copy : shows the copy of a question that leaked nearly.
    threshold : similarity from which texts are near-duplicates.
    unasked : questions that hold too little to tell.
    missing : what else is to be said of how it was looked for.
    """
    n_exact, n = int(exact.sum()), int(questions.tested.sum())
    how = f"near: similarity {threshold:g} or more{missing}"
    shown = _examples(questions, exact, leaked, copy)
    return Leak(questions.name, place, n_exact, int(leaked.sum()) - n_exact, n, shown, unasked, how)


def _examples(questions: Questions, exact: Flags, leaked: Flags, copy: Callable[[int], str]) -> tuple[str, ...]:
    """Return some of the questions that leaked: first near ones, each beside its copy, for they are to be judged."""
    near = np.flatnonzero(leaked & ~exact)[:_EXAMPLES].tolist()
    same = np.flatnonzero(exact)[: _EXAMPLES - len(near)].tolist()
    return (*(f"{questions.show(i)} ~ {copy(i)}" for i in near), *map(questions.show, same))


def clip(text: str) -> str:
    """Return a text in one line of at most 160 characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _EXAMPLE_CHARACTERS else flat[: _EXAMPLE_CHARACTERS - 1] + "…"

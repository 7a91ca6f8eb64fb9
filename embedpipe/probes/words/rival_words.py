"""Word vectors beside those of rivals: on the questions that both can answer."""

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Subject, Words
from embedpipe.probes.comparison import accuracy_rows, correlation_rows
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.words.analogy_answers import answer_analogies
from embedpipe.tasks.shapes import Analogies, WordSimilarity
from embedpipe.text.vocabulary import SPECIALS

__all__ = ["known_questions", "rival_word_rows"]

Questions = NDArray[np.int64]


def rival_word_rows(
    task: WordSimilarity | Analogies, subject: Subject, *, restrict: int, bootstrap: int, seed: int
) -> list[Row]:
    """Return the subject's words beside those of each rival, on the questions that both vocabularies cover.

    Where the rival lacks some of the subject's questions, the figures are of a part, ``spearman (shared with NAME)``;
    without baselines to stand beside, the shared questions are the whole. Analogies are answered by 3CosAdd, each
    system among its own `restrict` most frequent words. The note says how many questions each covers alone.

    Parameters
    ----------
    task : the questions.
    subject : with words, and rivals of which some may have words.
    restrict, bootstrap, seed : as in `measure.MeasureSettings`.
    """
    assert subject.words is not None
    known, ids = known_questions(task, subject.words, restrict)
    of_words = isinstance(task, WordSimilarity)
    metric, unit = ("spearman", "pairs") if of_words else ("accuracy", "questions")
    needed = 3 if of_words else 1
    rows = []
    for name, rival in subject.rival_words().items():
        also, other_ids = known_questions(task, rival, restrict)
        both, n = known & also, len(known)
        n_both, n_known = int(both.sum()), int(known.sum())
        label = metric if n_both == n_known or not subject.baselines else f"{metric} (shared with {name})"
        note = (
            f"{n_known:,} of {n:,} {unit} are in the vocabulary, {int(also.sum()):,} in that of {name}, "
            f"{n_both:,} in both"
        )
        if n_both < needed:
            rows.append(skipped(task.name, label, f"{note}; {needed} are needed"))
        elif isinstance(task, WordSimilarity):
            systems = {"words": _cosines(subject.words, ids[both]), name: _cosines(rival, other_ids[both])}
            rows += correlation_rows(
                task.name,
                systems,
                task.scores[both],
                coverage=n_both / n,
                note=note,
                bootstrap=bootstrap,
                seed=seed,
                metric=label,
            )
        else:
            right = {
                "words": _right(subject.words, ids[both], restrict),
                name: _right(rival, other_ids[both], restrict),
            }
            rows += accuracy_rows(
                task.name,
                right,
                metric=label,
                coverage=n_both / n,
                system="words",
                note=f"3CosAdd; {note}",
                bootstrap=bootstrap,
                seed=seed,
                parts=_kinds(task, both) if label == metric else None,
            )
    return rows


def known_questions(
    task: WordSimilarity | Analogies, words: Words, restrict: int
) -> tuple[NDArray[np.bool_], Questions]:
    """Return which questions a vocabulary covers, bool of shape (n,), and the ids of their words, -1 for unknown ones.

    Parameters
    ----------
    task : pairs, or analogies, whose words must be among the `restrict` most frequent.
    words : the vocabulary and the vectors; a word whose vector is all zeros is not known.
    restrict : how many words analogies search.
    """
    asked = (
        task.pairs
        if isinstance(task, WordSimilarity)
        else [question for section in task.sections.values() for question in section]
    )
    found = {word: words.vocabulary.find(word) for word in {word for question in asked for word in question}}
    ids = np.array([[-1 if found[word] is None else found[word] for word in question] for question in asked])
    inside = np.asarray(words.vectors[np.maximum(ids, 0).ravel()]).any(axis=1).reshape(ids.shape)
    ids = np.where(inside, ids, -1).astype(np.int64)
    limit = len(words.vocabulary) if isinstance(task, WordSimilarity) else restrict + len(SPECIALS)
    return np.all((ids >= 0) & (ids < limit), axis=1), ids


def _cosines(words: Words, pairs: Questions) -> NDArray[np.float64]:
    sides = np.asarray(words.vectors[pairs.ravel()]).astype(np.float64).reshape(len(pairs), 2, -1)
    sides /= np.maximum(np.linalg.norm(sides, axis=2, keepdims=True), 1e-12)
    cosines: NDArray[np.float64] = np.einsum("ij,ij->i", sides[:, 0], sides[:, 1])
    return cosines


def _right(words: Words, questions: Questions, restrict: int) -> NDArray[np.bool_]:
    limit = restrict + len(SPECIALS)
    answers = answer_analogies(np.asarray(words.vectors[:limit]), questions, multiply=False)["3CosAdd"]
    right: NDArray[np.bool_] = answers == questions[:, 3]
    return right


def _kinds(task: Analogies, asked: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Return the syntactic and the semantic questions among those asked."""
    names = [name for name, questions in task.sections.items() for _ in questions]
    syntactic = np.array([name.startswith("gram") for name in names])[asked]
    return {"semantic": ~syntactic, "syntactic": syntactic}

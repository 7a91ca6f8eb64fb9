"""Do word vectors answer analogies, and how much of that is analogy?"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Words
from embedpipe.probes.comparison import Parts, accuracy_rows
from embedpipe.probes.rows import SECTION, Row, skipped
from embedpipe.probes.words.analogy_answers import answer_analogies, answer_by_neighbours
from embedpipe.probes.words.questions import kinds_of, known_questions, right_answers, searched
from embedpipe.probes.words.word_lookup import as_wrong
from embedpipe.tasks.shapes import Analogies
from embedpipe.text.vocabulary import SPECIALS

__all__ = ["analogy_accuracy", "analogy_rows"]


def analogy_rows(
    task: Analogies, words: Words, *, restrict: int, seed: int, bootstrap: int = 1_000, parts: Parts | None = None
) -> list[Row]:
    """Return the accuracy over the `restrict` most frequent words, by 3CosAdd and by 3CosMul.

    A question with a word outside them is left out; in ``accuracy (all)`` it counts as wrong. *a*, *b* and *c* are no
    answers to their question. Sections named ``gram…`` are syntactic; where a task has both kinds, each has rows of its
    own, and so has each section.

    Parameters
    ----------
    task : the questions.
    words : the vectors. A word is looked up as it is written, then in lower case.
    restrict : how many words there are to choose from.
    seed : of the random words and the resamples.
    bootstrap : resamples for the intervals of differences.
    parts : questions that get rows of their own, in the order of the sections, bool of shape (n_questions,) by name.

    Returns
    -------
    Rows beside the word nearest to *c* alone and to *b* alone (Linzen, 2016: how much of the score is neighbourhood,
    not analogy), and a random word.
    """
    covered, ids = known_questions(task, words, restrict)
    asked, limit = ids[covered], searched(words, restrict)
    n, n_seen, n_words = len(covered), int(covered.sum()), limit - len(SPECIALS)
    if not n_seen:
        reason = f"no question has all four words among the {n_words:,} most frequent"
        return [skipped(task.name, "accuracy", reason)]
    vectors = np.asarray(words.vectors[:limit])
    answers = answer_analogies(vectors, asked) | answer_by_neighbours(vectors, asked, seed=seed)
    correct = {name: answer == asked[:, 3] for name, answer in answers.items()}
    multiplied = correct.pop("3CosMul")
    policy = f"over the {n_words:,} most frequent words; a, b and c are no answers"

    def rows(metric: str, systems: dict[str, NDArray[np.bool_]], note: str, seen_of: tuple[int, int]) -> list[Row]:
        n_part, n_all = seen_of
        return accuracy_rows(
            task.name,
            systems,
            metric=metric,
            coverage=n_part / n_all,
            system="words",
            note=f"{note} {policy}; {_seen(n_part, n_all)}",
            bootstrap=bootstrap,
            seed=seed,
        )

    found = rows("accuracy", correct, "3CosAdd", (n_seen, n))
    for name, part in {**_parts(task), **(parts or {})}.items():
        metric, inside = f"accuracy ({name})", part[covered]
        if part.all() or not part.any():
            continue
        if not inside.any():
            found.append(skipped(task.name, metric, f"none of its {int(part.sum()):,} questions is in the vocabulary"))
            continue
        of_part = {system: right[inside] for system, right in correct.items()}
        found += rows(metric, of_part, "3CosAdd", (int(inside.sum()), int(part.sum())))
    if n_seen < n:
        everywhere = {system: as_wrong(right, covered).astype(bool) for system, right in correct.items()}
        found += [
            replace(row, note=f"3CosAdd {policy}; all {n:,} questions, the {n - n_seen:,} unseen ones counted as wrong")
            for row in rows("accuracy (all)", everywhere, "", (n_seen, n))
        ]
    return found + rows("accuracy (3CosMul)", {"3CosMul": multiplied, **correct}, "3CosMul", (n_seen, n))


def _seen(n_seen: int, n: int) -> str:
    return f"{n_seen:,} of {n:,} questions seen" + (", the others left out" if n_seen < n else "")


def analogy_accuracy(task: Analogies, words: Words, *, restrict: int) -> float:
    """Return the accuracy of 3CosAdd alone over the questions that are seen; NaN where none is.

    Parameters
    ----------
    task, words, restrict : as in `analogy_rows`.
    """
    covered, ids = known_questions(task, words, restrict)
    return float(right_answers(words, ids[covered], restrict).mean()) if covered.any() else float("nan")


def _parts(task: Analogies) -> dict[str, NDArray[np.bool_]]:
    """Return the questions of each kind and of each section."""
    names = np.array([name for name, questions in task.sections.items() for _ in questions])
    sections = {f"{SECTION}{name}": names == name for name in task.sections} if len(task.sections) > 1 else {}
    return {**kinds_of(task), **sections}

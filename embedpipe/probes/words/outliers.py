"""Do word vectors tell the word that does not belong to a set?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Words
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.words.means import mean_rows
from embedpipe.probes.words.word_lookup import as_wrong, find_words, random_like, spelling_similarities, unit_length
from embedpipe.tasks.shapes import Outliers

__all__ = ["outlier_position", "outlier_rows", "outliers_found", "outliers_of_all"]

_MIN_MEMBERS = 2

Array = NDArray[np.float64]


def outlier_rows(task: Outliers, words: Words, *, bootstrap: int, seed: int) -> list[Row]:
    """Return how often the outlier is found and how near to the end of the ranking it stands.

    Each outlier beside the words of its set is one question (Camacho-Collados and Navigli, 2016, "Find the word that
    does not belong"). Words are ranked by the mean cosine with all others of the question; the outlier is found where
    its mean is the smallest. ``accuracy`` is the share of questions in which it is; ``opp`` (outlier position
    percentage, here a share) is the mean position of the outlier, 1 where it is last and 0 where it is first.

    Unknown words of a set are left out of it. A question is left out where its outlier is unknown or fewer than two
    words of its set are known; in ``accuracy (all)`` it counts as wrong, in ``opp (all)`` as in the middle. Questions
    of one set share their words, so the intervals resample sets.

    Parameters
    ----------
    task : the sets.
    words : the vectors.
    bootstrap, seed : of the intervals; the seed is that of the random vectors too.

    Returns
    -------
    Rows beside ``spelling`` (Dice coefficient of character bigrams), ``random vectors`` of the same shape, and
    ``chance`` (any word equally often).
    """
    questions, n_unknown = _questions(task, words, seed)
    asked = [question for question in questions if question is not None]
    if not asked:
        reason = f"in none of {len(questions)} questions the outlier and two words of its set are in the vocabulary"
        return [skipped(task.name, "accuracy", reason)]
    n, n_all = len(asked), len(questions)
    sets = np.unique([question.group for question in asked], return_inverse=True)[1].astype(np.int64)
    both = {system: np.array([question.ranked[system] for question in asked]).T for system in asked[0].ranked}
    found = {system: values[0] for system, values in both.items()}
    positions = {system: values[1] for system, values in both.items()}
    found["chance"] = np.array([1 / question.n_words for question in asked])
    positions["chance"] = np.full(n, 0.5)
    n_sets = int(sets.max()) + 1
    how = f"{n:,} of {n_all:,} questions in {n_sets} sets seen, unknown words left out: {n_unknown}; sets are resampled"

    def rows(metric: str, systems: dict[str, Array], units: NDArray[np.int64], note: str) -> list[Row]:
        return mean_rows(
            task.name, metric, systems, coverage=n / n_all, note=note, bootstrap=bootstrap, seed=seed, units=units
        )

    result = rows("accuracy", found, sets, how) + rows("opp", positions, sets, how)
    if n < n_all:
        covered = np.array([question is not None for question in questions])
        units = np.repeat(np.arange(len(task.sets)), [len(group.outliers) for group in task.sets])
        everywhere = {system: as_wrong(values, covered) for system, values in found.items()}
        middle = {system: 0.5 + as_wrong(values - 0.5, covered) for system, values in positions.items()}
        unseen = f"all {n_all:,} questions, the {n_all - n:,} unseen ones counted as"
        result += rows("accuracy (all)", everywhere, units, f"{unseen} wrong; sets are resampled")
        result += rows("opp (all)", middle, units, f"{unseen} in the middle; sets are resampled")
    return result


def outliers_found(task: Outliers, words: Words) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return for each question that can be asked whether its outlier is found, its position, and its set.

    Parameters
    ----------
    task : the sets.
    words : the vectors.

    Returns
    -------
    Two arrays of shape (n,), as `outlier_position` has them, and int64 of shape (n,), numbered from 0 without gaps.
    """
    asked = [question for question in _questions(task, words, 0)[0] if question is not None]
    ranked = np.array([question.ranked["words"] for question in asked]).reshape(-1, 2)
    sets = np.unique([question.group for question in asked], return_inverse=True)[1].astype(np.int64)
    return ranked[:, 0], ranked[:, 1], sets


def outliers_of_all(task: Outliers, words: Words) -> tuple[Array, Array]:
    """Return the same two for every question: one that cannot be asked is not found, its outlier in the middle.

    Parameters
    ----------
    task, words : as in `outliers_found`.
    """
    questions = _questions(task, words, 0)[0]
    covered = np.array([question is not None for question in questions])
    found, positions, _ = outliers_found(task, words)
    return as_wrong(found, covered), 0.5 + as_wrong(positions - 0.5, covered)


@dataclass(frozen=True)
class _Question:
    """What each system makes of one outlier (`outlier_position`), among how many words, and the number of its set."""

    group: int
    n_words: int
    ranked: dict[str, tuple[float, float]]


def _questions(task: Outliers, words: Words, seed: int) -> tuple[list[_Question | None], int]:
    """Return the questions, None for one that cannot be asked, and how many words are unknown."""
    every = [word for group in task.sets for word in (*group.members, *group.outliers)]
    known = dict(zip(every, find_words(words, every).tolist(), strict=True))
    ids = np.unique([i for i in known.values() if i >= 0]).astype(np.int64)
    row_of = {i: row for row, i in enumerate(ids.tolist())}
    vectors = np.asarray(words.vectors[ids])
    tables = {"words": unit_length(vectors), "random vectors": unit_length(random_like(vectors, seed))}
    questions: list[_Question | None] = []
    for number, group in enumerate(task.sets):
        members = [word for word in group.members if known[word] >= 0]
        for outlier in group.outliers:
            if known[outlier] < 0 or len(members) < _MIN_MEMBERS:
                questions.append(None)
                continue
            asked = [*members, outlier]
            rows = [row_of[known[word]] for word in asked]
            cosines = {name: table[rows] @ table[rows].T for name, table in tables.items()}
            similar = {"words": cosines["words"], "spelling": _spelling(asked), **cosines}
            ranked = {name: outlier_position(matrix) for name, matrix in similar.items()}
            questions.append(_Question(number, len(asked), ranked))
    return questions, sum(i < 0 for i in known.values())


def outlier_position(similarities: Array) -> tuple[float, float]:
    """Return whether the last word is the outlier of all, and where it stands, by mean similarity to the others.

    Parameters
    ----------
    similarities : float64, shape (n, n), symmetric; the diagonal is not looked at.

    Returns
    -------
    found : 1 where its mean is the smallest, 0 where it is not; a share where it ties with others.
    position : 0 where it is the most similar, 1 where it is the least, in steps of 1 / (n - 1); half a step for a tie.

    Examples
    --------
    >>> outlier_position(np.array([[1, 0.9, 0.1], [0.9, 1, 0.3], [0.1, 0.3, 1]]))
    (1.0, 1.0)
    """
    totals = similarities.sum(axis=1) - np.diag(similarities)
    # Sums of the same numbers in another order may differ in the last digits, which is no difference.
    above = int((totals[:-1] > totals[-1] + 1e-9).sum())
    below = int((totals[:-1] < totals[-1] - 1e-9).sum())
    tied = len(totals) - 1 - above - below
    return (0.0 if below else 1 / (1 + tied)), (above + tied / 2) / (len(totals) - 1)


def _spelling(words: Sequence[str]) -> Array:
    pairs = [(a, b) for a in words for b in words]
    return spelling_similarities(pairs).reshape(len(words), len(words))

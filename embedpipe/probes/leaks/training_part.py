"""Questions of a task that were met in its own training part, or in another of its folds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.findings import Leak
from embedpipe.probes.leaks.copies import CopyFinder, Matches, number_groups, pair_numbers
from embedpipe.probes.leaks.questions import Flags, Questions, leak_of
from embedpipe.probes.leaks.word_rows import word_rows

__all__ = ["TRAINING_PART", "find_in_training_part"]

TRAINING_PART = "training part"

_NO_FOLD = 1 << 40


def find_in_training_part(questions: Questions, folds: NDArray[np.int64], threshold: float) -> tuple[Leak, Flags]:
    """Return which questions have a copy, exact or near, in another fold than theirs.

    A text has one too if it stands in a longer one there; a pair of texts if both have copies that are a pair there, in
    either order.

    Parameters
    ----------
    questions : of one task.
    folds : int64 of shape (n_questions,), as in `Questions`.
    threshold : the Jaccard similarity of words and pairs of words from which texts are near-duplicates, in (0, 1].
    """
    rows = word_rows(questions.texts)
    _, first, number = np.unique(rows.digests(), return_index=True, return_inverse=True)
    distinct = rows.take(first)
    matches = _both_ways(CopyFinder(distinct, threshold).find(distinct))
    texts = number[questions.members]
    asked = questions.tested & (rows.sizes[questions.members] > 0).all(axis=1)
    same = alike = _Kinds(texts[:, 0], matches.known, matches.other)
    if texts.shape[1] == 1:
        same = _Kinds(texts[:, 0], matches.known[matches.exact], matches.other[matches.exact])
    else:
        # A text within a much longer one is not what the longer one is.
        near = distinct.sizes[matches.known] >= threshold * distinct.sizes[matches.other]
        groups = number_groups(len(distinct), matches.known[near], matches.other[near])
        same, alike = _Kinds.of_pairs(texts), _Kinds.of_pairs(groups[texts])
    exact, leaked = (kinds.in_another_fold(folds) & asked for kinds in (same, alike))
    leaked |= exact

    def copy(question: int) -> str:
        return questions.show(int(np.flatnonzero(alike.copies(question) & (folds != folds[question]))[0]))

    return leak_of(questions, TRAINING_PART, exact, leaked, copy, threshold=threshold), leaked


def _both_ways(matches: Matches) -> Matches:
    """Return matches of texts among themselves, with each near one in the other direction too."""
    near = ~matches.exact
    return Matches(
        np.concatenate([matches.known, matches.other[near]]),
        np.concatenate([matches.other, matches.known[near]]),
        np.concatenate([matches.exact, matches.exact[near]]),
    )


@dataclass(frozen=True, eq=False)
class _Kinds:
    """The kind of each question, and which kinds (`known`) have copies in which others, or in the same."""

    of: NDArray[np.int64]
    known: NDArray[np.int64]
    other: NDArray[np.int64]

    @classmethod
    def of_pairs(cls, texts: NDArray[np.int64]) -> "_Kinds":
        """Pairs of the same two texts, in any order, are of one kind, and copies of those of their kind alone."""
        ordered = np.sort(texts, axis=1)
        keys = pair_numbers(ordered[:, 0], ordered[:, 1], int(texts.max(initial=0)) + 1)
        kind = np.unique(keys, return_inverse=True)[1]
        every = np.arange(len(keys))
        return cls(kind, every, every)

    def in_another_fold(self, folds: NDArray[np.int64]) -> Flags:
        """Return which questions have a copy in another fold: in a lower one, or in a higher one."""
        n = 1 + max(int(numbers.max(initial=0)) for numbers in (self.of, self.known, self.other))
        low, high = np.full(n, _NO_FOLD), np.full(n, -_NO_FOLD)
        np.minimum.at(low, self.of, folds)
        np.maximum.at(high, self.of, folds)
        lowest, highest = np.full(n, _NO_FOLD), np.full(n, -_NO_FOLD)
        np.minimum.at(lowest, self.known, low[self.other])
        np.maximum.at(highest, self.known, high[self.other])
        flags: Flags = (lowest[self.of] < folds) | (highest[self.of] > folds)
        return flags

    def copies(self, question: int) -> Flags:
        """Return which questions are copies of one."""
        return np.isin(self.of, self.other[self.known == self.of[question]])

"""The shapes that labelled data comes in; each is what one family of probes measures on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Analogies",
    "Classification",
    "DocumentSimilarity",
    "Inference",
    "Paraphrases",
    "SentenceSimilarity",
    "Task",
    "WordSimilarity",
    "with_test_part",
]

Quadruple = tuple[str, str, str, str]


@dataclass(frozen=True, eq=False)
class WordSimilarity:
    """Pairs of words and how similar people find them; `scores` is float64 of shape (n_pairs,)."""

    name: str
    pairs: Sequence[tuple[str, str]]
    scores: NDArray[np.float64]

    def __post_init__(self) -> None:
        _same_length(self.name, self.pairs, self.scores)


@dataclass(frozen=True, eq=False)
class Analogies:
    """Questions `a` is to `b` as `c` is to `d`, by the name of their section."""

    name: str
    sections: Mapping[str, Sequence[Quadruple]]


@dataclass(frozen=True, eq=False)
class SentenceSimilarity:
    """Pairs of texts and how similar people find them; `scores` is float64 of shape (n_pairs,).

    `train` is None, or the pairs that a regressor is to be trained on, where they are given.
    """

    name: str
    texts_a: Sequence[str]
    texts_b: Sequence[str]
    scores: NDArray[np.float64]
    train: "SentenceSimilarity | None" = None

    def __post_init__(self) -> None:
        _same_length(self.name, self.texts_a, self.texts_b, self.scores)


@dataclass(frozen=True, eq=False)
class DocumentSimilarity:
    """Documents and how similar people find each two of them.

    `scores` is float64 of shape (n_documents, n_documents); only its upper triangle above the diagonal is read.
    """

    name: str
    texts: Sequence[str]
    scores: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.scores.shape != (len(self.texts), len(self.texts)):
            raise ValueError(f"{self.name}: {len(self.texts)} texts but scores of shape {self.scores.shape}")


@dataclass(frozen=True, eq=False)
class Classification:
    """Texts and the label of each.

    `folds` is None (the probe makes its own stratified folds) or int64 of shape (n_texts,): texts of fold *f* are
    tested by a classifier trained on all others; fold -1 is trained on and never tested.
    """

    name: str
    labels: Sequence[str]
    texts: Sequence[str]
    folds: NDArray[np.int64] | None = None
    note: str = ""

    def __post_init__(self) -> None:
        folds = self.texts if self.folds is None else self.folds
        _same_length(self.name, self.labels, self.texts, folds)


@dataclass(frozen=True, eq=False)
class Inference:
    """Pairs of texts and the label of the step from the first (premise) to the second (hypothesis)."""

    name: str
    labels: Sequence[str]
    texts_a: Sequence[str]
    texts_b: Sequence[str]

    def __post_init__(self) -> None:
        _same_length(self.name, self.labels, self.texts_a, self.texts_b)


@dataclass(frozen=True, eq=False)
class Paraphrases:
    """Groups of two or more texts that mean the same.

    `negatives` is None, or one text for each group that looks like its texts and means something else; the groups
    are then pairs. `n_single` counts the rows left out because they held one text.
    """

    name: str
    groups: Sequence[tuple[str, ...]]
    negatives: Sequence[str] | None = None
    n_single: int = 0

    def __post_init__(self) -> None:
        _same_length(self.name, self.groups, self.groups if self.negatives is None else self.negatives)


Task = WordSimilarity | Analogies | SentenceSimilarity | DocumentSimilarity | Classification | Inference


def with_test_part(train: Classification, test: Classification) -> Classification:
    """Return one task that trains on all of `train` and tests on all of `test`: a given split.

    Examples
    --------
    >>> task = with_test_part(Classification("a", "xy", ["1", "2"]), Classification("b", "x", ["3"]))
    >>> task.name, task.labels, task.folds.tolist()
    ('b', ['x', 'y', 'x'], [-1, -1, 0])
    """
    folds = np.repeat(np.array([-1, 0], dtype=np.int64), [len(train.texts), len(test.texts)])
    return Classification(test.name, [*train.labels, *test.labels], [*train.texts, *test.texts], folds)


def _same_length(name: str, *columns: Sequence[object] | NDArray[np.float64] | NDArray[np.int64]) -> None:
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise ValueError(f"{name}: columns of different lengths {lengths}")

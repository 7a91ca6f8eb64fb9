"""The shapes that labelled data comes in; each is what one family of probes measures on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedpipe.tasks.associations import Associations

__all__ = [
    "Analogies",
    "Categories",
    "Classification",
    "DocumentSimilarity",
    "Inference",
    "OutlierSet",
    "Outliers",
    "Paraphrases",
    "Relations",
    "SentenceSimilarity",
    "Task",
    "TextFeatures",
    "WordSimilarity",
    "WordTask",
    "with_test_part",
]

Quadruple = tuple[str, str, str, str]


class TextFeatures(Protocol):
    """Texts to float32 of shape (n, n_features)."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


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
class Categories:
    """Words and the category that people put each in (Almuhareb and Poesio, 2005)."""

    name: str
    words: Sequence[str]
    categories: Sequence[str]

    def __post_init__(self) -> None:
        _same_length(self.name, self.words, self.categories)


@dataclass(frozen=True)
class OutlierSet:
    """Words that belong together, and others that do not belong to them: each of these is one question."""

    name: str
    members: tuple[str, ...]
    outliers: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Outliers:
    """Sets of words with their outliers (Camacho-Collados and Navigli, 2016)."""

    name: str
    sets: Sequence[OutlierSet]


@dataclass(frozen=True, eq=False)
class Relations:
    """Concepts, words, and the relation from each concept to its word (Baroni and Lenci, 2011).

    Words of a relation whose name begins with ``random`` are not related to the concept.
    """

    name: str
    concepts: Sequence[str]
    relations: Sequence[str]
    words: Sequence[str]

    def __post_init__(self) -> None:
        _same_length(self.name, self.concepts, self.relations, self.words)


@dataclass(frozen=True, eq=False)
class SentenceSimilarity:
    """Pairs of texts and how similar people find them; `scores` is float64 of shape (n_pairs,).

    `sources` is None, or says where each pair comes from (a part of the task with figures of its own); `train` is None,
    or the pairs that a regressor is to be trained on, where they are given.
    """

    name: str
    texts_a: Sequence[str]
    texts_b: Sequence[str]
    scores: NDArray[np.float64]
    sources: Sequence[str] | None = None
    train: "SentenceSimilarity | None" = None

    def __post_init__(self) -> None:
        sources = self.texts_a if self.sources is None else self.sources
        _same_length(self.name, self.texts_a, self.texts_b, self.scores, sources)


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
    tested by a classifier trained on all others; fold -1 is trained on and never tested. `cues` are what may give the
    label away without being understood, each a baseline of its own.
    """

    name: str
    labels: Sequence[str]
    texts: Sequence[str]
    folds: NDArray[np.int64] | None = None
    note: str = ""
    cues: Mapping[str, TextFeatures] = field(default_factory=dict)

    def __post_init__(self) -> None:
        folds = self.texts if self.folds is None else self.folds
        _same_length(self.name, self.labels, self.texts, folds)


@dataclass(frozen=True, eq=False)
class Inference:
    """Pairs of texts and the label of the step from the first (premise) to the second (hypothesis).

    `folds` and `note` are those of `Classification`.
    """

    name: str
    labels: Sequence[str]
    texts_a: Sequence[str]
    texts_b: Sequence[str]
    folds: NDArray[np.int64] | None = None
    note: str = ""

    def __post_init__(self) -> None:
        folds = self.labels if self.folds is None else self.folds
        _same_length(self.name, self.labels, self.texts_a, self.texts_b, folds)


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


WordTask = WordSimilarity | Analogies | Categories | Outliers | Relations
Task = WordTask | Associations | SentenceSimilarity | DocumentSimilarity | Classification | Inference


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

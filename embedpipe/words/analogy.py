"""Analogies with all that a critical reader asks for: two methods, what was left out, and the trivial baselines."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import EmbedpipeError
from embedpipe.words.lookup import Found
from embedpipe.words.table import NO_DIRECTION, Neighbour, WordVectors, best

__all__ = ["Analogy", "LeftOut", "Place", "solve_analogy"]

_EPSILON = 1e-3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a word left out would have stood among all words: its rank from 1, and its score by the method."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A word of the question that is never an answer, and its place by each method; None where it has no vector."""

    word: str
    count: int
    cos_add: Place | None
    cos_mul: Place | None


@dataclass(frozen=True, slots=True)
class Analogy:
    """Answers to "a is to b as c is to what?", by each method the best words, best first.

    Parameters
    ----------
    question : *a*, *b* and *c*: the word of the vocabulary whose vector stands for each, else the word asked for.
    cos_add : by 3CosAdd; their similarity is the cosine with b - a + c.
    cos_mul : by 3CosMul; what `Neighbour` calls similarity is the score of the method, a quotient from 0 up.
    nearest_b, nearest_c : nearest to *b* alone and to *c* alone.
    left_out : those of *a*, *b* and *c* that are in the vocabulary, which are never an answer. Where one of them would
        have been the best, the answer is owed to leaving it out (Linzen, 2016).
    """

    question: tuple[str, str, str]
    cos_add: list[Neighbour]
    cos_mul: list[Neighbour]
    nearest_b: list[Neighbour]
    nearest_c: list[Neighbour]
    left_out: list[LeftOut]


def solve_analogy(words: WordVectors, a: Found, b: Found, c: Found, k: int = 10) -> Analogy:
    """Answer "`a` is to `b` as `c` is to what?" by two methods and two baselines.

    * 3CosAdd: nearest to b - a + c (Mikolov et al., 2013), as `WordVectors.analogy` has it;
    * 3CosMul: cos(x, b) cos(x, c) / (cos(x, a) + 0.001) with cosines shifted to [0, 1] (Levy and Goldberg, 2014);
    * nearest to b, nearest to c: what a method finds that does not look at the other words (Linzen, 2016).

    Parameters
    ----------
    words : the table; words without a vector are never an answer.
    a, b, c : what `Lookup.look_up` found in it.
    k : most answers of each method.

    Raises
    ------
    EmbedpipeError
        If the words add up to a zero vector, which has no neighbours.

    Examples
    --------
    >>> from embedpipe.text.vocabulary import Vocabulary
    >>> from embedpipe.words.lookup import Lookup
    >>> rows = {"he": [1, 0], "king": [1, 1], "she": [-1, 0.1], "queen": [-1, 1.1], "salt": [0, -1]}
    >>> vectors = np.array([[0, 0]] * 4 + list(rows.values()), dtype=np.float32)
    >>> words = WordVectors(Vocabulary.from_counts({word: 9 - i for i, word in enumerate(rows)}), vectors)
    >>> he, king, she = map(Lookup(words).look_up, ("he", "king", "she"))
    >>> found = solve_analogy(words, he, king, she, k=1)
    >>> found.cos_mul[0].word, found.left_out[2].cos_add.rank
    ('queen', 2)
    """
    asked = (a, b, c)
    ids = [one.id for one in asked if one.id is not None]
    scores = _scores(words, np.stack([one.vector for one in asked]))
    scores[:, words.inverse_norms == 0] = -np.inf
    left_out = [
        LeftOut(words.vocabulary.word(i), int(words.vocabulary.counts[i]), _place(scores[0], i), _place(scores[1], i))
        for i in ids
    ]
    scores[:, ids] = -np.inf
    columns, values = best(scores, min(k, len(words)))
    cos_add, cos_mul, nearest_b, nearest_c = (
        [words.neighbour(i, s) for i, s in zip(row.tolist(), value.tolist(), strict=True) if np.isfinite(s)]
        for row, value in zip(columns, values, strict=True)
    )
    names = [one.word if one.id is None else words.vocabulary.word(one.id) for one in asked]
    return Analogy((names[0], names[1], names[2]), cos_add, cos_mul, nearest_b, nearest_c, left_out)


def _scores(words: WordVectors, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the score of every word by 3CosAdd, by 3CosMul, and its cosines with *b* and *c*: four rows."""
    rows = vectors.astype(np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    units = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    length = float(np.linalg.norm(units[1] - units[0] + units[2]))
    if length <= 1e-6:
        raise EmbedpipeError(NO_DIRECTION)
    cosines = np.clip(units.astype(np.float32) @ words.vectors.T * words.inverse_norms, -1, 1)
    to_a, to_b, to_c = cosines
    shifted = (cosines + 1) / 2
    added = np.clip((to_b - to_a + to_c) / length, -1, 1)
    multiplied = shifted[1] * shifted[2] / (shifted[0] + _EPSILON)
    return np.stack([added, multiplied, to_b, to_c]).astype(np.float32)


def _place(scores: NDArray[np.float32], i: int) -> Place | None:
    """Return the place of the word `i`, equal scores in id order; None where it has no vector."""
    own = scores[i]
    if not np.isfinite(own):
        return None
    return Place(int(1 + (scores > own).sum() + (scores[:i] == own).sum()), float(own))

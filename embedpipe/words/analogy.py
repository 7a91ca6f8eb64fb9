"""Analogies with all that a critical reader asks for: two methods, what was left out, and the trivial baselines."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import EmbedpipeError
from embedpipe.words.table import NO_DIRECTION, Neighbour, WordVectors, best

__all__ = ["METHODS", "Analogy", "LeftOut", "solve_analogy"]

METHODS = ("3CosAdd", "3CosMul", "nearest to b", "nearest to c")
_EPSILON = 1e-3


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One of the three words of the question, with the score and the rank that it would have had by each method.

    The rank counts from 1 among all words; the score of a word without a vector is -inf.
    """

    word: str
    count: int
    scores: dict[str, float]
    ranks: dict[str, int]


@dataclass(frozen=True, slots=True)
class Analogy:
    """Answers to "a is to b as c is to what?".

    Parameters
    ----------
    answers : for each of `METHODS` the best words, best first. What `Neighbour` calls similarity is the score of the
        method: a cosine in [-1, 1], for 3CosMul a quotient from 0 up.
    left_out : *a*, *b* and *c*, which are never an answer. Where one of them would have been the best, the answer is
        owed to leaving it out (Linzen, 2016).
    """

    answers: dict[str, list[Neighbour]]
    left_out: tuple[LeftOut, LeftOut, LeftOut]


def solve_analogy(words: WordVectors, a: str, b: str, c: str, k: int = 10) -> Analogy:
    """Answer "`a` is to `b` as `c` is to what?" by two methods and two baselines.

    * 3CosAdd: nearest to b - a + c (Mikolov et al., 2013), as `WordVectors.analogy` has it;
    * 3CosMul: cos(x, b) cos(x, c) / (cos(x, a) + 0.001) with cosines shifted to [0, 1] (Levy and Goldberg, 2014);
    * nearest to b, nearest to c: what a method finds that does not look at the other words (Linzen, 2016).

    Parameters
    ----------
    words : the table; words without a vector are never an answer.
    k : most answers of each method.

    Raises
    ------
    UnknownWordError
        For the first word that is not in the vocabulary.
    EmbedpipeError
        If the words add up to a zero vector, which has no neighbours.

    Examples
    --------
    >>> from embedpipe.text.vocabulary import Vocabulary
    >>> rows = {"he": [1, 0], "king": [1, 1], "she": [-1, 0.1], "queen": [-1, 1.1], "salt": [0, -1]}
    >>> vectors = np.array([[0, 0]] * 4 + list(rows.values()), dtype=np.float32)
    >>> words = WordVectors(Vocabulary.from_counts({word: 9 - i for i, word in enumerate(rows)}), vectors)
    >>> found = solve_analogy(words, "he", "king", "she", k=1)
    >>> found.answers["3CosMul"][0].word, found.left_out[2].ranks["3CosAdd"]
    ('queen', 2)
    """
    ids = [words.id(word) for word in (a, b, c)]
    scores = _scores(words, ids)
    scores[:, words.inverse_norms == 0] = -np.inf
    left_out = [_left_out(words, i, scores) for i in ids]
    scores[:, ids] = -np.inf
    columns, values = best(scores, min(k, len(words)))
    answers = {
        method: [words.neighbour(i, s) for i, s in zip(row.tolist(), value.tolist(), strict=True) if np.isfinite(s)]
        for method, row, value in zip(METHODS, columns, values, strict=True)
    }
    return Analogy(answers, (left_out[0], left_out[1], left_out[2]))


def _scores(words: WordVectors, ids: list[int]) -> NDArray[np.float32]:
    """Return the score of every word, a row for each of `METHODS`."""
    to_a, to_b, to_c = cosines = words.cosines(ids)
    signs = np.array([-1.0, 1.0, 1.0])
    units = words.vectors[ids].astype(np.float64) * (signs * words.inverse_norms[ids])[:, None]
    length = float(np.linalg.norm(units.sum(axis=0)))
    if length <= 1e-6:
        raise EmbedpipeError(NO_DIRECTION)
    shifted = (cosines + 1) / 2
    added = np.clip((to_b - to_a + to_c) / length, -1, 1)
    multiplied = shifted[1] * shifted[2] / (shifted[0] + _EPSILON)
    return np.stack([added, multiplied, to_b, to_c]).astype(np.float32)


def _left_out(words: WordVectors, i: int, scores: NDArray[np.float32]) -> LeftOut:
    own = scores[:, [i]]
    ranks = 1 + (scores > own).sum(axis=1) + (scores[:, :i] == own).sum(axis=1)
    return LeftOut(
        words.vocabulary.word(i),
        int(words.vocabulary.counts[i]),
        dict(zip(METHODS, scores[:, i].tolist(), strict=True)),
        dict(zip(METHODS, ranks.tolist(), strict=True)),
    )

"""Answers to analogies, thousands of questions at a time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.postprocess import unit_rows

__all__ = ["answer_analogies", "answer_by_neighbours"]

_QUESTIONS = 256
_CANDIDATES = 1_024
"""A block of so many questions by candidates (1 MB) stays in the processor cache while it is worked on."""
_NUMBERS = 32_000_000
"""Scores of pairs held at once (128 MB): files of many different pairs are given smaller blocks of candidates."""
_RANKED = 512
_EPSILON = 1e-3
_SMALLEST = 1e-9

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]


def answer_analogies(vectors: Matrix, questions: Ids, *, multiply: bool = True) -> dict[str, Ids]:
    """Return the answers to the questions *a* : *b* = *c* : ? by 3CosAdd and 3CosMul.

    3CosAdd takes the word nearest to b - a + c, at length 1 each (Mikolov et al., 2013); 3CosMul the one with the
    largest cos(x, b) cos(x, c) / (cos(x, a) + 0.001), the cosines shifted to [0, 1] (Levy and Goldberg, 2014).
    Both are sums over the words of a question of what each says of all words, so the cosines of a word are computed
    once, however many questions it stands in.

    Parameters
    ----------
    vectors : float32, shape (n_words, dim); the first four rows (specials) and rows of zeros are no answers.
    questions : int, shape (n, 3 or more): rows *a*, *b*, *c*, which are no answers to their question.
    multiply : whether 3CosMul is asked for.

    Returns
    -------
    ``3CosAdd`` and ``3CosMul``, each int64 of shape (n,).
    """
    asked = questions[:, :3]
    pairs, pair_of = np.unique(asked[:, :2], axis=0, return_inverse=True)
    needed = np.unique(asked)
    a, b = (np.searchsorted(needed, pairs[:, i]) for i in (0, 1))
    c, pair_of = np.searchsorted(needed, asked[:, 2]), pair_of.reshape(-1)
    found = {"3CosAdd": _Best(len(asked))} | ({"3CosMul": _Best(len(asked))} if multiply else {})
    unit = unit_rows(vectors)
    never = _never(unit)
    width = min(_CANDIDATES, max(1, _NUMBERS // (len(pairs) + len(needed))))
    for start, cosines in _blocks(unit, needed, width):
        nowhere = never[start : start + cosines.shape[1]]
        found["3CosAdd"].take(start, _masked(cosines[b] - cosines[a], nowhere), cosines, pair_of, c, asked)
        if multiply:
            shifted = np.maximum((cosines + 1) / 2, _SMALLEST)
            logs = np.log(shifted)
            ratio = logs[b] - np.log(shifted + _EPSILON)[a]
            found["3CosMul"].take(start, _masked(ratio, nowhere), logs, pair_of, c, asked)
    return {name: best.word for name, best in found.items()}


class _Best:
    """The best word of each question so far, and its score."""

    def __init__(self, n: int) -> None:
        self.word = np.zeros(n, dtype=np.int64)
        self.score = np.full(n, -np.inf, dtype=np.float32)

    def take(self, start: int, of_pair: Matrix, of_c: Matrix, pair_of: Ids, c: Ids, excluded: Ids) -> None:
        """Look through one block of words, whose first id is `start`."""
        for begin in range(0, len(c), _QUESTIONS):
            some = slice(begin, begin + _QUESTIONS)
            scores = of_pair[pair_of[some]]
            scores += of_c[c[some]]
            places = excluded[some] - start
            row, column = np.nonzero((places >= 0) & (places < scores.shape[1]))
            scores[row, places[row, column]] = -np.inf
            word = scores.argmax(axis=1)
            score = scores[np.arange(len(word)), word]
            better = score > self.score[some]
            self.word[some] = np.where(better, word + start, self.word[some])
            self.score[some] = np.where(better, score, self.score[some])


def answer_by_neighbours(vectors: Matrix, questions: Ids, *, seed: int) -> dict[str, Ids]:
    """Return what answers the questions without being an analogy (Linzen, 2016).

    Parameters
    ----------
    vectors, questions : as in `answer_analogies`.
    seed : of the random words.

    Returns
    -------
    ``nearest to c``, ``nearest to b`` and ``random word``, each int64 of shape (n,).
    """
    unit, excluded = unit_rows(vectors), questions[:, :3]
    rng = np.random.default_rng(seed)
    return {
        "nearest to c": _nearest_to_word(unit, questions[:, 2], excluded),
        "nearest to b": _nearest_to_word(unit, questions[:, 1], excluded),
        "random word": rng.integers(len(SPECIALS), len(vectors), size=len(questions)),
    }


def _nearest_to_word(unit: Matrix, word: Ids, excluded: Ids) -> Ids:
    """Rank each different word once: its four nearest hold one that is none of three excluded."""
    unique, places = np.unique(word, return_inverse=True)
    nearest = np.empty((len(unique), 4), dtype=np.int64)
    never = _never(unit)
    for start in range(0, len(unique), _RANKED):
        scores = _masked(unit[unique[start : start + _RANKED]] @ unit.T, never)
        top = np.argpartition(-scores, 3, axis=1)[:, :4]
        order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
        nearest[start : start + _RANKED] = np.take_along_axis(top, order, axis=1)
    candidates = nearest[places]  # (n, 4)
    allowed = (candidates[:, :, None] != excluded[:, None, :]).all(axis=2)
    chosen: Ids = candidates[np.arange(len(word)), allowed.argmax(axis=1)]
    return chosen


def _never(unit: Matrix) -> NDArray[np.bool_]:
    """Return which rows are no answers: specials and words without a vector."""
    never: NDArray[np.bool_] = ~np.any(unit, axis=1, keepdims=True).ravel()
    never[: len(SPECIALS)] = True
    return never


def _blocks(unit: Matrix, needed: Ids, width: int) -> Iterator[tuple[int, Matrix]]:
    """Yield the first id of a block of words and the cosines of `needed` with them, (n_needed, n_block)."""
    asked = unit[needed]
    for start in range(0, len(unit), width):
        yield start, asked @ unit[start : start + width].T


def _masked(scores: Matrix, nowhere: NDArray[np.bool_]) -> Matrix:
    scores[:, nowhere] = -np.inf
    return scores

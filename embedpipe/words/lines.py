"""Example lines of a corpus, with the word that was looked for in their middle (keyword in context; Luhn, 1960)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.vocabulary import EOS, Vocabulary

__all__ = ["Line", "LineSample", "spelled"]

_REACH = 40
"""Tokens kept to each side of the word: more than a terminal shows."""


@dataclass(frozen=True, slots=True)
class Line:
    """Ids of one sentence, or of a part of it, and the place of the word that was looked for."""

    ids: NDArray[np.uint32]
    place: int


class LineSample:
    """A random sample of lines out of a stream, without replacement.

    Every line gets a random number, and those with the smallest stay (reservoir sampling; Efraimidis and Spirakis,
    2006), so that the sample does not depend on how the stream is cut.

    Parameters
    ----------
    n : most lines to keep.
    random : decides which.

    Examples
    --------
    >>> sample = LineSample(1, np.random.default_rng(1))
    >>> sample.offer(np.array([7, 4, 9, EOS, 5, EOS], dtype=np.uint32), np.array([1]))
    >>> sample.lines()
    [Line(ids=array([7, 4, 9], dtype=uint32), place=1)]
    """

    def __init__(self, n: int, random: np.random.Generator) -> None:
        self.n, self._random = n, random
        self._kept: list[tuple[float, int, Line]] = []
        self._seen = 0

    def offer(self, tokens: NDArray[np.uint32], positions: NDArray[np.int64]) -> None:
        """Take what stands at `positions` of `tokens`, which are whole sentences closed by ``<eos>``."""
        keys = self._random.random(len(positions))
        best = np.argsort(keys, kind="stable")[: self.n]
        for key, number in zip(keys[best].tolist(), best.tolist(), strict=True):
            self._kept.append((key, self._seen + number, _line(tokens, int(positions[number]))))
        self._kept = sorted(self._kept, key=lambda kept: kept[:2])[: self.n]
        self._seen += len(positions)

    def lines(self) -> list[Line]:
        """Return the lines kept, in the order of the text."""
        return [line for _, _, line in sorted(self._kept, key=lambda kept: kept[1])]


def spelled(line: Line, vocabulary: Vocabulary, detokenize: Callable[[Sequence[str]], str]) -> tuple[str, str, str]:
    """Return what stands left of the word, the word, and what stands right of it; unknown tokens as ``<unk>``."""
    tokens = [vocabulary.tokens[i] for i in line.ids.tolist()]
    word = vocabulary.word(int(line.ids[line.place]))
    return detokenize(tokens[: line.place]), word, detokenize(tokens[line.place + 1 :])


def _line(tokens: NDArray[np.uint32], position: int) -> Line:
    start = max(0, position - _REACH)
    before = tokens[start:position]
    after = tokens[position : position + _REACH + 1]
    ends = np.flatnonzero(before == EOS)
    first = int(ends[-1]) + 1 if len(ends) else 0
    stop = int(np.argmax(after == EOS)) if (after == EOS).any() else len(after)
    return Line(np.concatenate([before[first:], after[:stop]]), len(before) - first)

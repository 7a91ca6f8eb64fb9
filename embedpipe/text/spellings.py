"""The words of a vocabulary that are spelt most like a given one, exactly, without comparing it with each of them.

Similarity is that of difflib: 2 M / T, with T the characters of both words and M those in matching blocks (Ratcliff
and Metzener, 1988). M is at most the number of characters that both hold in any order; that bound is counted for the
whole vocabulary at once, and words are compared from the highest bound down until none below it can be better.
"""

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_RATIO", "Spellings"]

LEAST_RATIO = 0.6
"""Words less similar than this are not spelt alike."""
_LONGER = 3
"""Most characters by which a word may be longer or shorter."""
_CHARACTERS = 32
"""Characters whose counts are kept from one search to the next: four bytes for each of them and each word."""


class Spellings:
    """Words to be searched by spelling.

    Parameters
    ----------
    words : the words, the one to prefer among equals first; one that stands twice is found once.

    Examples
    --------
    >>> Spellings(["physics", "physical", "music"]).near("phisics", n=1)
    [(0.8571428571428571, 'physics')]
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(dict.fromkeys(words))
        self._lengths = np.fromiter(map(len, self.words), dtype=np.int64, count=len(self.words))
        self._characters = _code_points("".join(self.words))
        self._word_of = np.repeat(np.arange(len(self.words), dtype=np.int64), self._lengths)
        self._count = lru_cache(maxsize=_CHARACTERS)(self._counted)

    def near(self, word: str, n: int = 3, least: float = LEAST_RATIO) -> list[tuple[float, str]]:
        """Return up to `n` words spelt like `word` with their difflib ratios, at least `least`, best first.

        They differ in length by at most three characters and, where `word` has three or more, share two neighbouring
        characters with it.
        """
        bounds = self._bounds(word)
        candidates = np.flatnonzero(bounds >= least)
        candidates = candidates[np.argsort(-bounds[candidates], kind="stable")]
        bigrams = {word[i : i + 2] for i in range(len(word) - 1)} if len(word) > 2 else {""}
        matcher = SequenceMatcher(autojunk=False)
        matcher.set_seq2(word)
        best: list[tuple[float, int]] = []
        for place in candidates.tolist():
            if len(best) == n and bounds[place] < -best[-1][0]:
                break
            token = self.words[place]
            if any(bigram in token for bigram in bigrams):
                matcher.set_seq1(token)
                ratio = matcher.ratio()
                if ratio >= least:
                    best = sorted([*best, (-ratio, place)])[:n]
        return [(-ratio, self.words[place]) for ratio, place in best]

    def _counted(self, character: str) -> NDArray[np.uint32]:
        """Return how often each word holds `character`."""
        holders = self._word_of[self._characters == _code_points(character)]
        return np.bincount(holders, minlength=len(self.words)).astype(np.uint32)

    def _bounds(self, word: str) -> NDArray[np.float64]:
        """Return the highest ratio that each word could have with `word`; 0 where their lengths differ by too much."""
        shared = np.zeros(len(self.words), dtype=np.int64)
        for character, times in Counter(word).items():
            shared += np.minimum(self._count(character), times)
        bounds = 2.0 * shared / np.maximum(self._lengths + len(word), 1)
        bounds[np.abs(self._lengths - len(word)) > _LONGER] = 0.0
        return bounds


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")

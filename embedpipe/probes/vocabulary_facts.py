"""How the words of a corpus are distributed: rank and frequency, and how much of the text the frequent ones make up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.vocabulary import SPECIALS, UNK, Vocabulary

__all__ = ["VocabularyFacts", "vocabulary_facts"]

_SHOWN = 60
_STEPS = (10, 100, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class VocabularyFacts:
    """The words of a vocabulary by rank.

    Parameters
    ----------
    n_words : words, most frequent first; specials are none.
    n_tokens : running words of the training text, those outside the vocabulary too.
    ranks, counts : up to 60 ranks, from 1 to `n_words` in equal ratios, and how often the word of each rank stands in
        the training text.
    exponent : s of Zipf's law, by which a word of rank r has a probability in proportion to r ** -s; the one under
        which the text is most likely.
    top, covered : the `top` most frequent words make up the share `covered` of the running words, in [0, 1].
    """

    n_words: int
    n_tokens: int
    ranks: tuple[int, ...]
    counts: tuple[int, ...]
    exponent: float
    top: tuple[int, ...]
    covered: tuple[float, ...]


def vocabulary_facts(vocabulary: Vocabulary) -> VocabularyFacts | None:
    """Return the facts of a vocabulary; None for one of fewer than two words or without counts.

    The exponent is the maximum-likelihood one over the ranks of the vocabulary (Clauset et al., 2009), not a line
    drawn through points, which the rare words would pull.

    Examples
    --------
    >>> facts = vocabulary_facts(Vocabulary.from_counts({"a": 600, "b": 300, "c": 200, "d": 1}, min_count=2))
    >>> facts.n_words, facts.n_tokens, round(facts.exponent, 3)
    (3, 1101, 1.0)
    >>> facts.top, [round(share, 4) for share in facts.covered]
    ((3,), [0.9991])
    """
    counts = np.sort(vocabulary.counts[len(SPECIALS) :].astype(np.int64))[::-1]
    if len(counts) < 2 or not counts.sum():
        return None
    total = int(counts.sum() + vocabulary.counts[UNK])
    cumulated = np.cumsum(counts) / total
    ranks = np.unique(np.geomspace(1, len(counts), _SHOWN).round().astype(np.int64))
    top = [n for n in _STEPS if n < len(counts)] + [len(counts)]
    return VocabularyFacts(
        n_words=len(counts),
        n_tokens=total,
        ranks=tuple(ranks.tolist()),
        counts=tuple(counts[ranks - 1].tolist()),
        exponent=_exponent(counts),
        top=tuple(top),
        covered=tuple(float(cumulated[n - 1]) for n in top),
    )


def _exponent(counts: NDArray[np.int64]) -> float:
    from scipy.optimize import minimize_scalar

    logs = np.log(np.arange(1, len(counts) + 1))
    mean = float(counts @ logs / counts.sum())

    def loss(exponent: float) -> float:
        return exponent * mean + float(np.log(np.exp(-exponent * logs).sum()))

    return float(minimize_scalar(loss, bounds=(0.0, 10.0), method="bounded", options={"xatol": 1e-6}).x)

"""Foreign vectors as the words of a bundle: an id space, a table, and how often each word is met."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import InputError
from embedpipe.text.normalise import Case
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.foreign import ForeignVectors

__all__ = ["Adopted", "adopt", "case_of", "zipf_probabilities"]

_CASED_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Adopted:
    """Words of another program as words of a bundle.

    Attributes
    ----------
    vocabulary : with counts of 0 where the file knows none.
    vectors : float32 array of shape (len(vocabulary), dim), zero for the specials.
    probabilities : float64 array of shape (len(vocabulary),) that sums to 1: by the counts, else by Zipf's law.
    left_out : tokens of the file that spell one of the four specials, whose ids mean something else here.
    """

    vocabulary: Vocabulary
    vectors: NDArray[np.float32]
    probabilities: NDArray[np.float64]
    left_out: list[str]


def adopt(foreign: ForeignVectors, source: str) -> Adopted:
    """Return foreign vectors as words: by falling count, or in their own order where no counts are known.

    Raises
    ------
    InputError
        If there is no word; the message begins with `source`.

    Examples
    --------
    >>> table = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)
    >>> adopted = adopt(ForeignVectors(["<unk>", "the", "cat"], table, "glove"), "glove.txt")
    >>> adopted.vocabulary.tokens[4:], adopted.left_out, adopted.probabilities[4:].round(3).tolist()
    (['the', 'cat'], ['<unk>'], [0.667, 0.333])
    """
    order = np.arange(len(foreign.tokens))
    if foreign.counts is not None:
        order = np.argsort(-foreign.counts.astype(np.int64), kind="stable")
    kept = [i for i in order.tolist() if foreign.tokens[i] not in SPECIALS]
    if not kept:
        raise InputError("holds no words: there is nothing to make a bundle of", source)
    counts = np.zeros(len(SPECIALS) + len(kept), dtype=np.uint64)
    if foreign.counts is not None:
        counts[len(SPECIALS) :] = foreign.counts[kept]
    vocabulary = Vocabulary([*SPECIALS, *(foreign.tokens[i] for i in kept)], counts)
    vectors = np.zeros((len(vocabulary), foreign.dim), dtype=np.float32)
    np.take(foreign.vectors, kept, axis=0, out=vectors[len(SPECIALS) :])
    probabilities = vocabulary.probabilities if counts.any() else zipf_probabilities(len(kept))
    return Adopted(vocabulary, vectors, probabilities, [token for token in foreign.tokens if token in SPECIALS])


def zipf_probabilities(n: int) -> NDArray[np.float64]:
    """Return 1 / rank, scaled to sum to 1, for `n` words after the four specials (Zipf, 1949).

    >>> zipf_probabilities(2)[4:].round(3).tolist()
    [0.667, 0.333]
    """
    probabilities = np.zeros(len(SPECIALS) + n)
    probabilities[len(SPECIALS) :] = 1 / np.arange(1, n + 1)
    probabilities /= probabilities.sum()
    return probabilities


def case_of(vocabulary: Vocabulary) -> Case:
    """Return how a tokenizer for `vocabulary` treats case: ``keep`` where more than 1 % of tokens hold upper case."""
    tokens = vocabulary.tokens[len(SPECIALS) :]
    return "keep" if sum(token != token.lower() for token in tokens) > _CASED_SHARE * len(tokens) else "lower"

"""From a table of n-grams as it was trained to the one that is published beside the words."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.steps import Transform
from embedpipe.words.subword import Subwords, ngram_rows

__all__ = ["clear_untrained", "publish_subwords"]


def publish_subwords(
    vectors: NDArray[np.float32], vocabulary: Vocabulary, shortest: int, longest: int, transform: Transform
) -> Subwords:
    """Return a trained n-gram table as it is published beside the word vectors that `transform` made.

    Parameters
    ----------
    vectors : float32 array of shape (buckets, dim), as trained.
    vocabulary : the words of the training.
    shortest, longest : characters of an n-gram.
    transform : what was done to the word vectors.
    """
    table = transform.affine(vectors)
    table[_untrained(vocabulary, shortest, longest, len(table))] = 0.0
    return Subwords(table, shortest, longest, transform.unit)


def clear_untrained(subwords: Subwords, vocabulary: Vocabulary) -> Subwords:
    """Return a copy of a table whose training met `vocabulary`, without what training did not touch.

    Rows that no word is hashed into still hold the random numbers that training began with: they become zeros, so that
    they move no vector.

    Examples
    --------
    >>> table = Subwords(np.ones((9, 1), dtype=np.float32), 3, 3)
    >>> cleared = clear_untrained(table, Vocabulary.from_counts({"cat": 1}))  # <ca cat at>
    >>> int(cleared.vectors.sum()), cleared.vector("cat").tolist()
    (3, [1.0])
    """
    table = subwords.vectors.copy()
    table[_untrained(vocabulary, subwords.shortest, subwords.longest, len(table))] = 0.0
    return replace(subwords, vectors=table)


def _untrained(vocabulary: Vocabulary, shortest: int, longest: int, buckets: int) -> NDArray[np.bool_]:
    untrained = np.ones(buckets, dtype=bool)
    untrained[ngram_rows(vocabulary.tokens[len(SPECIALS) :], shortest, longest, buckets).rows] = False
    return untrained

"""From a table of n-grams as it was trained to the one that is published beside the words."""

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.steps import Transform
from embedpipe.words.subword import Subwords, ngram_rows

__all__ = ["publish_subwords"]


def publish_subwords(
    vectors: NDArray[np.float32], vocabulary: Vocabulary, shortest: int, longest: int, transform: Transform
) -> Subwords:
    """Return a trained n-gram table as it is published beside the word vectors that `transform` made.

    Rows that no word of the vocabulary is hashed into still hold the random numbers that training began with: they
    become zeros, so that they move no vector.

    Parameters
    ----------
    vectors : float32 array of shape (buckets, dim), as trained.
    vocabulary : the words of the training.
    shortest, longest : characters of an n-gram.
    transform : what was done to the word vectors.
    """
    table = transform.affine(vectors)
    trained = np.zeros(len(table), dtype=bool)
    trained[ngram_rows(vocabulary.tokens[len(SPECIALS) :], shortest, longest, len(table)).rows] = True
    table[~trained] = 0.0
    return Subwords(table, shortest, longest, transform.unit)

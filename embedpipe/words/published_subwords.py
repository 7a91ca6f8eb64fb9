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
    return clear_untrained(Subwords(transform.affine(vectors), shortest, longest, transform.unit), vocabulary)


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
    trained = np.zeros(len(subwords.vectors), dtype=bool)
    words = vocabulary.tokens[len(SPECIALS) :]
    trained[ngram_rows(words, subwords.shortest, subwords.longest, len(trained)).rows] = True
    return replace(subwords, vectors=np.where(trained[:, None], subwords.vectors, np.float32(0)))

"""A vector for words that were never trained, from their n-grams, and how far it can be trusted."""

import numpy as np

from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.calibration import Calibration, calibrate, rare_words
from embedpipe.words.ngram_fit import SharedNgrams
from embedpipe.words.subword import Subwords
from embedpipe.words.table import WordVectors

__all__ = ["fit_unseen"]

_MOST, _SHARE = 500, 0.1
"""Words that are left out of the fit: so many, but no more than this share of the vocabulary."""


def fit_unseen(words: WordVectors, ngrams: SharedNgrams, *, seed: int) -> tuple[Subwords, Calibration]:
    """Return the table of n-grams from which an unseen word gets its vector, and the calibration of such vectors.

    A sample of words, rare ones above all, is left out of the fit. What the table says of them is what it will say of
    words that it never met, so that they are what its confidence is measured on.

    Parameters
    ----------
    words : the published vectors.
    ngrams : of the same words.
    seed : of the sample.
    """
    n_words = len(words) - len(SPECIALS)
    left_out = rare_words(words, min(_MOST, int(_SHARE * n_words)), seed)
    fitted = np.ones(len(words), dtype=bool)
    fitted[left_out] = False
    subwords = ngrams.subwords(ngrams.fit(words.vectors, fitted))
    return subwords, calibrate(words, subwords, left_out=left_out)

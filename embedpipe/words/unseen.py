"""A vector for words that were never trained, from their n-grams, and how far it can be trusted."""

import numpy as np

from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.calibration import Calibration, calibrate_fitted, rare_words
from embedpipe.words.ngram_fit import SharedNgrams
from embedpipe.words.postprocess import unit_rows
from embedpipe.words.subword import Subwords
from embedpipe.words.table import WordVectors

__all__ = ["fit_unseen"]

_MOST, _SHARE = 500, 0.1
"""Words that are left out of the fit: so many, but no more than this share of the vocabulary."""


def fit_unseen(
    words: WordVectors, ngrams: SharedNgrams, *, seed: int, trained: WordVectors | None = None
) -> tuple[Subwords, Calibration]:
    """Return the table of n-grams from which an unseen word gets its vector, and the calibration of such vectors.

    A sample of words, rare ones above all, is left out of the fit. What the table says of them is what it will say of
    words that it never met, so that they are what its confidence is measured on. Where a step has put the same n-grams
    into the vectors, they would be found for that alone: then a second fit, to the vectors without it, is measured.

    Parameters
    ----------
    words : the published vectors; their lengths play no part.
    ngrams : of the same words.
    seed : of the sample.
    trained : the vectors as they would be published without n-grams; None where these took no part.
    """
    measured = words if trained is None else trained
    n_words = len(measured) - len(SPECIALS)
    left_out = rare_words(measured, min(_MOST, int(_SHARE * n_words)), seed)
    rows = np.ones(len(measured), dtype=bool)
    rows[left_out] = False
    subwords = ngrams.subwords(ngrams.fit(unit_rows(measured.vectors), rows))
    calibration = calibrate_fitted(measured, subwords, left_out)
    if trained is not None:
        subwords = ngrams.subwords(ngrams.fit(unit_rows(words.vectors)))
    return subwords, calibration

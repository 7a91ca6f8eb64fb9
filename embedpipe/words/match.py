"""Vectors of another program for the words of a vocabulary."""

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.vocabulary import SPECIALS, WORD_START, Vocabulary
from embedpipe.words.foreign import ForeignVectors

__all__ = ["Coverage", "match_vectors"]


class Coverage(TypedDict):
    """How much of a vocabulary has a vector elsewhere.

    `words` are its ordinary tokens, `known` those with a vector, `by_other_case` those of them that were found only in
    another case. `share_of_types` is known / words, `share_of_tokens` the same weighted by counts, the words outside
    the vocabulary counted among the unknown.
    """

    format: str
    rows: int
    dim: int
    words: int
    known: int
    by_other_case: int
    share_of_types: float
    share_of_tokens: float


def match_vectors(
    foreign: ForeignVectors, vocabulary: Vocabulary
) -> tuple[NDArray[np.float32], NDArray[np.bool_], Coverage]:
    """Return the rows of `foreign` in the order of `vocabulary`.

    A token is looked up as it is, then in lower case, then among the foreign tokens in lower case (the first one, as
    ``Paris`` for ``paris``).

    Returns
    -------
    vectors : float32 array of shape (len(vocabulary), dim); zero rows where nothing was found, and for specials.
    known : bool array of shape (len(vocabulary),): where something was found.
    coverage : the shares of types and of running tokens that were found.

    Examples
    --------
    >>> foreign = ForeignVectors(["the", "Paris"], np.array([[1, 2], [3, 4]], dtype=np.float32), "glove")
    >>> vocabulary = Vocabulary.from_counts({"the": 6, "paris": 3, "zebu": 1})
    >>> vectors, known, coverage = match_vectors(foreign, vocabulary)
    >>> vectors[4:].tolist(), known[4:].tolist(), coverage["known"], coverage["share_of_tokens"]
    ([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]], [True, True, False], 2, 0.9)
    """
    rows = {token: row for row, token in enumerate(foreign.tokens)}
    lower: dict[str, int] = {}
    for token, row in rows.items():
        lower.setdefault(token.lower(), row)
    found = np.full(len(vocabulary), -1, dtype=np.int64)
    by_other_case = 0
    for i, token in enumerate(vocabulary.tokens[len(SPECIALS) :], len(SPECIALS)):
        word = token.removeprefix(WORD_START) or token
        exact = rows.get(word, -1)
        found[i] = exact if exact >= 0 else rows.get(word.lower(), lower.get(word.lower(), -1))
        by_other_case += exact < 0 <= int(found[i])
    known = found >= 0
    vectors = np.zeros((len(vocabulary), foreign.dim), dtype=np.float32)
    vectors[known] = foreign.vectors[found[known]]
    n_words, n_known = len(vocabulary) - len(SPECIALS), int(known.sum())
    counts = vocabulary.counts.astype(np.float64)
    coverage = Coverage(
        format=foreign.format,
        rows=len(foreign.tokens),
        dim=foreign.dim,
        words=n_words,
        known=n_known,
        by_other_case=by_other_case,
        share_of_types=n_known / max(n_words, 1),
        share_of_tokens=float(counts[known].sum() / max(counts.sum(), 1)),
    )
    return vectors, known, coverage

"""What is taken from each count and given to shorter contexts: discounts estimated from counts of counts."""

import numpy as np
from numpy.typing import NDArray

from embedpipe.generation.ngrams.suffixes import Suffixes

__all__ = ["N_CLASSES", "count_of_counts", "estimated_discounts"]

N_CLASSES = 4
"""Counts of 0, 1, 2 and of 3 or more have a discount each; that of 0 is 0."""
_WITHOUT_EVIDENCE = (0.0, 0.5, 1.0, 1.5)


def count_of_counts(index: Suffixes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many n-grams of each order have each small count, and the counts of the single tokens.

    The count of an n-gram of the highest order is how often it occurs; of a shorter one, before how many different
    tokens (Kneser and Ney, 1995). In an index that ends at sentences, an n-gram that begins one has no token before
    it and keeps its number of occurrences, as in KenLM (Heafield et al., 2013).

    Returns
    -------
    n_grams : int64, shape (order, 5): column *c* is for the count *c*; column 0 is not used.
    unigrams : int64, shape (n_tokens,).
    """
    order = index.depth
    found = np.zeros((order, N_CLASSES + 1), dtype=np.int64)
    unigrams = np.zeros(index.n_tokens, dtype=np.int64)
    for positions in index.parts():
        columns = index.columns(positions)
        new = np.zeros(len(positions), dtype=np.bool_)
        new[0] = True
        for n in range(1, order + 1):
            column = columns[n - 1]
            new = new | np.concatenate([[True], column[1:] != column[:-1]])
            starts = np.flatnonzero(new)
            counts = _sizes(index, columns[n], new, starts) if n < order else np.diff(starts, append=len(positions))
            real = column[starts] != index.n_tokens
            of_size = np.minimum(counts[real], N_CLASSES + 1)
            found[n - 1] += np.bincount(of_size, minlength=N_CLASSES + 2)[: N_CLASSES + 1]
            if n == 1:
                unigrams[column[starts]] = counts
    return found, unigrams


def estimated_discounts(n_grams: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the three discounts of modified Kneser-Ney for each order (Chen and Goodman, 1999).

    Where a count of counts is missing, so that a discount would not lie between nothing and the whole count, it is
    0.5, 1 or 1.5, as in KenLM.

    Parameters
    ----------
    n_grams : what `count_of_counts` gives.

    Returns
    -------
    float64, shape (order, 4): what is taken from a count of 0, 1, 2 and of 3 or more.

    Examples
    --------
    >>> estimated_discounts(np.array([[0, 100, 50, 30, 20]])).round(3).tolist()  # Y = 100 / 200
    [[0.0, 0.5, 1.1, 1.667]]
    """
    one, two, three, four = n_grams[:, 1:].astype(np.float64).T
    with np.errstate(divide="ignore", invalid="ignore"):
        share = one / (one + 2 * two)
        estimated = np.stack(
            [np.zeros(len(one)), 1 - 2 * share * two / one, 2 - 3 * share * three / two, 3 - 4 * share * four / three],
            axis=1,
        )
    most = np.arange(N_CLASSES)
    usable = np.isfinite(estimated) & (estimated > 0) & (estimated < most)
    return np.where(usable, estimated, np.array(_WITHOUT_EVIDENCE))


def _sizes(
    index: Suffixes, before: NDArray[np.uint32], same: NDArray[np.bool_], starts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the count of each n-gram that begins at `starts`, from the tokens before it, which are in order."""
    new = same | np.concatenate([[True], before[1:] != before[:-1]])
    beyond = before == index.n_tokens
    counted = new & ~beyond if index.across else new | beyond
    total: NDArray[np.int64] = np.add.reduceat(counted, starts, dtype=np.int64)
    return total

"""The shape of a space of vectors in plain figures: are directions used evenly, are there hubs, does frequency show?

What can be had in closed form is not drawn: the mean cosine of all pairs follows from the sum of the unit vectors, its
interval from how much each vector adds to it, IsoScore from the moments. Neighbours are looked at within a sample.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.resampling import correlation
from embedpipe.words.postprocess import unit_rows
from embedpipe.words.table import best

__all__ = [
    "COUNTS",
    "MEANING",
    "PairCosines",
    "hubness_facts",
    "iso_score",
    "mean_cosine",
    "nearest",
    "participation_ratio",
    "partition_ratio",
    "same_band",
    "shape_facts",
]

MEANING: Mapping[str, str] = {
    "vectors": "how many were looked at",
    "mean cosine": "of all pairs, 0 where no direction is preferred (anisotropy; Ethayarajh, 2019), with its interval",
    "mean cosine, low": "lower end of the 95 % interval",
    "mean cosine, high": "upper end of the 95 % interval",
    "dimensions": "width of a vector",
    "dimensions used": "participation ratio of the variances: how many equal ones would be as even",
    "IsoScore": "0 where one direction has all variance, 1 where all have the same (Rudman et al., 2022)",
    "partition ratio": "smallest by largest partition function, 1 where isotropic (Mu and Viswanath, 2018)",
    "variance in the first direction": "share of the variance in the principal direction",
    "variance in the first ten": "share of the variance in the ten principal directions",
    "vectors of the neighbour search": "sample within which neighbours are looked for",
    "hubness": "skewness of N10, how often each is among the ten nearest of others (Radovanović et al., 2010)",
    "orphans": "share that is among the ten nearest of no other",
    "largest hub": "share of the others that have the most frequent neighbour among their ten nearest",
    "frequency and length": "rank correlation of a word's count with the length of its vector",
    "frequency and mean cosine": "rank correlation of a word's count with its mean cosine to all others",
    "neighbours of like frequency": "share of the ten nearest from the same tenth of words by frequency; 0.1 by chance",
    "neighbour stability": "share of a word's ten nearest that come back in another training, mean over words",
    "neighbour stability in text": "the same, each word as often as the text has it",
    "unstable words": "share of words of which fewer than three of ten come back",
}
"""What each fact says, in the order in which they are shown."""
COUNTS = ("vectors", "dimensions", "vectors of the neighbour search")
"""Those of them that are whole numbers."""

_NEIGHBOURS = 10
_BLOCK = 1_000
_FLAT = 1e-6
Array = NDArray[np.float64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PairCosines:
    """The mean cosine over all pairs of different vectors, its 95 % interval, and the mean of each vector, (n,)."""

    mean: float
    low: float
    high: float
    of_each: Array


def shape_facts(
    vectors: Vectors, sample: NDArray[np.int64], counts: NDArray[np.integer] | None = None
) -> dict[str, float]:
    """Return the facts that follow from one table of vectors, by their names in `MEANING`.

    Parameters
    ----------
    vectors : float32 of shape (n, dim), no zero rows.
    sample : ascending rows among which neighbours are looked for, int64 of shape (m,).
    counts : how often the text has each word, shape (n,), largest first; None where there are no words.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((400, 4), dtype=np.float32)
    >>> facts = shape_facts(rows, np.arange(400))
    >>> round(facts["IsoScore"], 1), round(facts["dimensions used"])
    (1.0, 4)
    """
    units = unit_rows(vectors)
    pairs = mean_cosine(units)
    facts = {
        "vectors": float(len(vectors)),
        "mean cosine": pairs.mean,
        "mean cosine, low": pairs.low,
        "mean cosine, high": pairs.high,
        "dimensions": float(vectors.shape[1]),
    }
    if len(vectors) < 2:
        return facts
    centred = vectors - vectors.mean(axis=0)
    variances = np.linalg.eigvalsh((centred.T @ centred).astype(np.float64))[::-1].clip(0)
    total = float(variances.sum())
    facts |= {
        "dimensions used": participation_ratio(variances),
        "IsoScore": iso_score(variances),
        "partition ratio": partition_ratio(units),
        "variance in the first direction": float(variances[0]) / total if total else math.nan,
        "variance in the first ten": float(variances[:10].sum()) / total if total else math.nan,
    }
    neighbours = nearest(units[sample], _NEIGHBOURS)
    facts |= hubness_facts(neighbours)
    if counts is not None:
        lengths = np.linalg.norm(vectors, axis=1).astype(np.float64)
        varies = np.ptp(lengths) > _FLAT * lengths.max()
        frequency = counts.astype(np.float64)
        facts |= {
            "frequency and length": correlation("spearman", lengths, frequency) if varies else math.nan,
            "frequency and mean cosine": correlation("spearman", pairs.of_each, frequency),
            "neighbours of like frequency": same_band(neighbours),
        }
    return facts


def mean_cosine(units: Vectors) -> PairCosines:
    """Return the mean cosine of all pairs, without going through the pairs.

    The mean is a U-statistic (Hoeffding, 1948): its variance is four times that of the means of each vector, by n, as
    the jackknife has it.

    Parameters
    ----------
    units : float32 of shape (n, dim), rows of length 1.

    Examples
    --------
    >>> mean_cosine(np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)).of_each.tolist()
    [0.5, 0.5, 0.0]
    """
    n = len(units)
    if n < 2:
        return PairCosines(math.nan, math.nan, math.nan, np.full(n, math.nan))
    total = units.sum(axis=0, dtype=np.float64)
    of_each: Array = ((units @ total) - 1) / (n - 1)
    mean = float(of_each.mean())
    reach = 1.96 * 2 * float(of_each.std(ddof=1)) / math.sqrt(n)
    return PairCosines(mean, max(mean - reach, -1.0), min(mean + reach, 1.0), of_each)


def participation_ratio(variances: Array) -> float:
    """Return the square of the sum by the sum of squares: how many equal variances would be as even.

    >>> participation_ratio(np.array([2.0, 2.0, 2.0, 0.0]))
    3.0
    """
    squares = float(np.square(variances).sum())
    return float(variances.sum()) ** 2 / squares if squares else math.nan


def iso_score(variances: Array) -> float:
    """Return IsoScore (Rudman et al., 2022) of the variances along the principal directions, in [0, 1].

    Its steps come down to (r - 1) / (d - 1) for d directions and the participation ratio r.

    >>> iso_score(np.array([1.0, 1.0, 1.0])), iso_score(np.array([1.0, 0.0, 0.0]))
    (1.0, 0.0)
    """
    return (participation_ratio(variances) - 1) / (len(variances) - 1) if len(variances) > 1 else math.nan


def partition_ratio(units: Vectors) -> float:
    """Return the smallest by the largest partition function over the principal directions, both ways, in (0, 1].

    The partition function of a direction c is the sum of exp(c v) over the vectors v (Mu and Viswanath, 2018). Here the
    vectors have length 1, so that tables of other lengths compare; the directions are those of the uncentred moments.

    Parameters
    ----------
    units : float32 of shape (n, dim), rows of length 1.
    """
    directions = np.linalg.eigh((units.T @ units).astype(np.float64))[1].astype(np.float32)
    functions = np.zeros((2, len(directions)))
    for start in range(0, len(units), _BLOCK):
        grown = np.exp(units[start : start + _BLOCK] @ directions)
        functions[0] += grown.sum(axis=0)
        functions[1] += (1 / grown).sum(axis=0)
    return float(functions.min() / functions.max())


def nearest(units: Vectors, k: int) -> NDArray[np.int64]:
    """Return the rows nearest to each row, itself left out: int64 of shape (n, min(k, n - 1)), nearest first.

    >>> nearest(np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32), 1).ravel().tolist()
    [1, 0, 1]
    """
    n = len(units)
    k = min(k, n - 1)
    found = np.zeros((n, max(k, 0)), dtype=np.int64)
    for start in range(0, n if k > 0 else 0, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        scores = units[rows] @ units.T
        scores[rows - start, rows] = -np.inf
        found[rows] = best(scores, k)[0]
    return found


def hubness_facts(neighbours: NDArray[np.int64]) -> dict[str, float]:
    """Return how unevenly rows stand among the nearest of others.

    Parameters
    ----------
    neighbours : as `nearest` gives them, int64 of shape (n, k).

    Examples
    --------
    >>> facts = hubness_facts(np.array([[1], [0], [0], [0]]))  # N1 is 3, 1, 0, 0
    >>> facts["orphans"], facts["largest hub"], round(facts["hubness"], 3)
    (0.5, 1.0, 0.816)
    """
    from scipy.stats import skew

    n = len(neighbours)
    counts = np.bincount(neighbours.ravel(), minlength=n)
    even = n < 2 or counts.min() == counts.max()
    return {
        "vectors of the neighbour search": float(n),
        "hubness": 0.0 if even else float(skew(counts)),
        "orphans": float((counts == 0).mean()) if n else math.nan,
        "largest hub": float(counts.max() / (n - 1)) if n > 1 else math.nan,
    }


def same_band(neighbours: NDArray[np.int64], bands: int = 10) -> float:
    """Return the share of neighbours from the same band, where rows are in order and bands hold equally many.

    >>> same_band(np.array([[1], [2], [3], [2]]), bands=2)
    0.75
    """
    n, k = neighbours.shape
    band = np.arange(n) * bands // max(n, 1)
    return float((band[neighbours] == band[:, None]).mean()) if n and k else math.nan

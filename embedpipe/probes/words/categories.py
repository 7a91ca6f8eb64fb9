"""Do word vectors fall into the categories that people put the words in?"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Words
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.words.means import mean_rows
from embedpipe.probes.words.word_lookup import as_wrong, find_words, random_like, unit_length
from embedpipe.tasks.shapes import Categories

__all__ = ["category_rows", "cluster", "majority_of_cluster", "purities"]

_SEEDS = 10
_STARTS = 3

Labels = NDArray[np.int64]


def category_rows(task: Categories, words: Words, *, bootstrap: int, seed: int) -> list[Row]:
    """Return the purity (Manning et al., 2008) of k-means clusters, as many as there are categories.

    Purity is the share of words whose category is the most frequent one of their cluster, the mean of ten seeds. The
    interval resamples words while the clusters stay; the spread is over the seeds. A word outside the vocabulary is
    left out; in ``purity (all)`` it counts as wrong. The note has two figures that are 0 for clusters drawn by chance:
    adjusted Rand index (Hubert and Arabie, 1985) and adjusted mutual information (Vinh et al., 2010).

    Parameters
    ----------
    task : the words and their categories.
    words : the vectors; they are scaled to length 1 first.
    bootstrap : resamples for the interval.
    seed : of the first k-means, the random vectors and the resamples.

    Returns
    -------
    Rows beside ``spelling`` (clusters by character n-grams of two to four, tf-idf), ``random vectors`` of the same
    shape, and ``one cluster`` (the share of the largest category).
    """
    ids = find_words(words, task.words)
    covered = ids >= 0
    n_all, n = len(ids), int(covered.sum())
    names, labels = np.unique(np.array(task.categories)[covered], return_inverse=True)
    if n < 2 or len(names) < 2 or n <= len(names):
        reason = f"{n} of {n_all} words, of {len(names)} categories, are in the vocabulary; more words than categories "
        return [skipped(task.name, "purity", reason + "and two categories are needed")]
    vectors = np.asarray(words.vectors[ids[covered]])
    spelt = [word.lower() for word, inside in zip(task.words, covered, strict=True) if inside]
    tables = {
        "words": unit_length(vectors),
        "spelling": _character_ngrams(spelt),
        "random vectors": unit_length(random_like(vectors, seed)),
    }
    clusterings = {name: _Clusterings.of(table, labels, seed) for name, table in tables.items()}
    largest = max(Counter(labels.tolist()).values())
    pure = {name: found.pure.mean(axis=0) for name, found in clusterings.items()}
    pure["one cluster"] = (labels == np.bincount(labels).argmax()).astype(np.float64)
    own = clusterings["words"]
    how = (
        f"{len(names)} categories, the largest of {largest} words; k-means on vectors of length 1, mean of {_SEEDS} "
        f"seeds; adjusted for chance: Rand {own.rand:.3f}, mutual information {own.information:.3f}"
    )
    left_out = n_all - n
    oov = f"; left out for an unknown word: {left_out} of {n_all}" if left_out else ""

    def rows(metric: str, systems: dict[str, NDArray[np.float64]], note: str, spread: float) -> list[Row]:
        return mean_rows(
            task.name,
            metric,
            systems,
            coverage=n / n_all,
            note=note,
            bootstrap=bootstrap,
            seed=seed,
            spread=spread,
        )

    found = rows("purity", pure, how + oov, own.spread)
    if left_out:
        everywhere = {name: as_wrong(values, covered) for name, values in pure.items()}
        note = f"all {n_all} words, the {left_out} unknown ones counted as wrong"
        found += rows("purity (all)", everywhere, note, own.spread * n / n_all)
    return found


def purities(task: Categories, words: Words, *, seed: int) -> NDArray[np.float64]:
    """Return for each word how often it is of its cluster's most frequent category, float64 of shape (n,).

    Parameters
    ----------
    task : the words, all of them in the vocabulary, and their categories.
    words : the vectors.
    seed : of the first k-means.
    """
    labels = np.unique(np.array(task.categories), return_inverse=True)[1].astype(np.int64)
    table = unit_length(np.asarray(words.vectors[find_words(words, task.words)]))
    shares: NDArray[np.float64] = _Clusterings.of(table, labels, seed).pure.mean(axis=0)
    return shares


@dataclass(frozen=True)
class _Clusterings:
    """Which words are of their cluster's most frequent category, seed by seed, and two figures adjusted for chance."""

    pure: NDArray[np.bool_]
    rand: float
    information: float

    @classmethod
    def of(cls, table: object, labels: Labels, seed: int) -> "_Clusterings":
        from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

        clusters = [cluster(table, int(labels.max()) + 1, seed=seed + i) for i in range(_SEEDS)]
        return cls(
            np.stack([majority_of_cluster(found, labels) == labels for found in clusters]),
            float(np.mean([adjusted_rand_score(labels, found) for found in clusters])),
            float(np.mean([adjusted_mutual_info_score(labels, found) for found in clusters])),
        )

    @property
    def spread(self) -> float:
        return float(self.pure.mean(axis=1).std(ddof=1))


def cluster(table: object, n_clusters: int, *, seed: int) -> Labels:
    """Return the k-means cluster of each row, int64 of shape (n,): the best of three starts.

    Parameters
    ----------
    table : float64 array or scipy sparse matrix of shape (n, dim).
    n_clusters : how many; at most n.
    seed : of the starts.
    """
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters: some stay empty
        labels = KMeans(n_clusters, n_init=_STARTS, random_state=seed % 2**32).fit_predict(table)
    return np.asarray(labels, dtype=np.int64)


def majority_of_cluster(clusters: Labels, labels: Labels) -> Labels:
    """Return for each row the most frequent label of its cluster, the smaller one on a tie.

    >>> majority_of_cluster(np.array([0, 0, 0, 1, 1]), np.array([2, 2, 1, 0, 1])).tolist()
    [2, 2, 2, 0, 0]
    """
    counts = np.zeros((int(clusters.max()) + 1, int(labels.max()) + 1), dtype=np.int64)
    np.add.at(counts, (clusters, labels), 1)
    majority: Labels = counts.argmax(axis=1)[clusters]
    return majority


def _character_ngrams(words: list[str]) -> object:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), lowercase=False).fit_transform(words)

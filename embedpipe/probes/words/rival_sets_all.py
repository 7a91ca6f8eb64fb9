"""Categories, outliers and relations beside the words of rivals: on all words, each charged for those it lacks."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Words
from embedpipe.probes.rows import Row
from embedpipe.probes.words.categories import purities
from embedpipe.probes.words.means import mean_rows
from embedpipe.probes.words.outliers import outliers_of_all
from embedpipe.probes.words.relations import precisions_of_all
from embedpipe.probes.words.rival_sets import SetTask
from embedpipe.probes.words.word_lookup import as_wrong, find_words
from embedpipe.tasks.shapes import Categories, Outliers

__all__ = ["rival_rows_of_all"]

Array = NDArray[np.float64]


def rival_rows_of_all(
    task: SetTask, words: Words, rivals: Mapping[str, Words], *, bootstrap: int, seed: int
) -> list[Row]:
    """Return the words beside those of each rival on the whole task, ``purity (all)``, where either lacks a word.

    What a system does not know counts as wrong, an outlier as in the middle, a related word as its mean cosine: as in
    the ``(all)`` rows of `category_rows`, `outlier_rows` and `relation_rows`.

    Parameters
    ----------
    task : labelled words.
    words : the vectors that are probed.
    rivals : other vectors by name.
    bootstrap, seed : of the intervals; the seed is that of the clusters too.
    """
    ours, n_ours, n = _of_all(task, words, seed)
    rows = []
    for name, rival in rivals.items():
        theirs, n_theirs, _ = _of_all(task, rival, seed)
        if n_ours == n_theirs == n:
            continue
        for metric in (metric for metric in ours if metric in theirs):
            rows += mean_rows(
                task.name,
                f"{metric} (all)",
                {"words": ours[metric], name: theirs[metric]},
                coverage=n_ours / n,
                note=f"of {n:,} words {n_ours:,} are in the vocabulary, {n_theirs:,} in that of {name}",
                bootstrap=bootstrap,
                seed=seed,
                units=_units(task),
            )
    return rows


def _of_all(task: SetTask, words: Words, seed: int) -> tuple[dict[str, Array], int, int]:
    """Return, by metric, a number for each question; how many words of the task are known, and how many there are."""
    if isinstance(task, Outliers):
        known = find_words(words, [word for group in task.sets for word in (*group.members, *group.outliers)]) >= 0
        found, positions = outliers_of_all(task, words)
        return ({"accuracy": found, "opp": positions} if known.any() else {}), int(known.sum()), len(known)
    if isinstance(task, Categories):
        known = find_words(words, task.words) >= 0
        kept = np.flatnonzero(known).tolist()
        part = Categories(task.name, [task.words[i] for i in kept], [task.categories[i] for i in kept])
        enough = 1 < len(set(part.categories)) < len(kept)
        pure = {"purity": as_wrong(purities(part, words, seed=seed), known)} if enough else {}
        return pure, int(known.sum()), len(known)
    known = find_words(words, [*task.concepts, *task.words]) >= 0
    precisions = precisions_of_all(task, words)
    return ({"map": precisions} if len(precisions) else {}), int(known.sum()), len(known)


def _units(task: SetTask) -> NDArray[np.int64] | None:
    if not isinstance(task, Outliers):
        return None
    return np.repeat(np.arange(len(task.sets)), [len(group.outliers) for group in task.sets])

"""Which relations make two words near each other?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Words
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.words.means import mean_rows
from embedpipe.probes.words.word_lookup import (
    cosines_of,
    find_words,
    guessed,
    pair_cosines,
    random_like,
    spelling_similarities,
)
from embedpipe.tasks.shapes import Relations
from embedpipe.tasks.word_sets import RANDOM

__all__ = ["average_precision", "nearest_of_relations", "precisions_of_all", "relation_precisions", "relation_rows"]

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ids = NDArray[np.int64]


def relation_rows(task: Relations, words: Words, *, bootstrap: int, seed: int) -> list[Row]:
    """Return the mean average precision with which related words stand before unrelated ones.

    For each concept its words are ranked by cosine. ``map`` is the mean over concepts of the average precision of all
    related words among related and random ones; ``map (RELATION)`` that of the words of one relation among them and the
    random ones. Where the task has no relation that begins with ``random``, they are ranked among the words of all
    relations, and there is no ``map``. The notes have the figure of Baroni and Lenci (2011): of each concept, the
    cosine of the nearest word of each relation, in standard deviations from their mean (z), the mean over concepts; and
    how often that relation has the nearest word of all.

    A row of the task with an unknown word is left out, and so is a concept without words of both sides; in
    ``map (all)`` an unknown word has the mean of the other cosines. The intervals resample concepts.

    Parameters
    ----------
    task : concepts, relations and words.
    words : the vectors.
    bootstrap, seed : of the intervals; the seed is that of the random vectors too.

    Returns
    -------
    Rows beside ``spelling`` (Dice coefficient of character bigrams) and ``random vectors`` of the same shape.
    """
    pairs = list(zip(task.concepts, task.words, strict=True))
    ids = find_words(words, (word for pair in pairs for word in pair)).reshape(-1, 2)
    covered = ids.min(axis=1) >= 0
    n_all, n = len(ids), int(covered.sum())
    if not n:
        return [skipped(task.name, "map", f"in none of {n_all:,} rows both words are in the vocabulary")]
    known, places = np.unique(ids[covered], return_inverse=True)
    vectors, at = np.asarray(words.vectors[known]), places.reshape(-1, 2)
    spelling = spelling_similarities(pairs)
    systems = {
        "words": pair_cosines(vectors, at),
        "spelling": spelling[covered],
        "random vectors": pair_cosines(random_like(vectors, seed), at),
    }
    relations = np.array(task.relations)
    concepts = _concepts(task)
    random = np.char.startswith(relations, RANDOM)
    nearest = nearest_of_relations(systems["words"], concepts[covered], relations[covered])

    def rows(metric: str, of: Mapping[str, Array], part: "_Ranking", inside: Bools, note: str) -> list[Row]:
        """Rows of one ranking; `inside` are the rows of the task that `of` has values for."""
        precisions = {
            system: part.of_rows(inside).precisions(values, concepts[inside]) for system, values in of.items()
        }
        if not len(precisions["words"]):
            return [skipped(task.name, metric, "no concept has known words of both sides")]
        return mean_rows(task.name, metric, precisions, coverage=n / n_all, note=note, bootstrap=bootstrap, seed=seed)

    left_out = n_all - n
    oov = f"{n:,} of {n_all:,} rows seen" + (", the others left out for an unknown word" if left_out else "")
    against = "random words" if random.any() else "words of all other relations"
    found = []
    for metric, part in _rankings(task).items():
        z, share = nearest.get(part.relation, (math.nan, 0.0))
        of_relation = f"before {against}; its nearest word: z {z:+.2f}, the nearest of all for {share:.0%} of concepts"
        found += rows(
            metric, systems, part, covered, of_relation if part.relation else f"related before random words; {oov}"
        )
    if left_out and random.any():
        everywhere = {system: guessed(values, covered) for system, values in systems.items()} | {"spelling": spelling}
        note = f"all {n_all:,} rows; the mean of the other cosines for {left_out:,} with an unknown word"
        found += rows("map (all)", everywhere, _rankings(task)["map"], np.ones(n_all, dtype=bool), note)
    return found


def relation_precisions(task: Relations, words: Words) -> dict[str, Array]:
    """Return, by metric, the average precision of each concept that has words of both sides.

    Parameters
    ----------
    task : the rows, all of whose words are in the vocabulary.
    words : the vectors.
    """
    pairs = np.stack([find_words(words, task.concepts), find_words(words, task.words)], axis=1)
    cosines = cosines_of(words, pairs)
    return {metric: part.precisions(cosines, _concepts(task)) for metric, part in _rankings(task).items()}


def precisions_of_all(task: Relations, words: Words) -> Array:
    """Return the average precision of each concept, an unknown word having the mean of the other cosines.

    Parameters
    ----------
    task : the rows; without random words there is nothing to rank, and the result is empty.
    words : the vectors; where they know no row, the result is empty too.
    """
    pairs = np.stack([find_words(words, task.concepts), find_words(words, task.words)], axis=1)
    covered, whole = pairs.min(axis=1) >= 0, _rankings(task).get("map")
    if whole is None or not covered.any():
        return np.empty(0)
    return whole.precisions(guessed(cosines_of(words, pairs[covered]), covered), _concepts(task))


@dataclass(frozen=True)
class _Ranking:
    """Which rows of a task are to stand before which others: `positive` among `ranked`; of one relation or of all."""

    relation: str
    positive: Bools
    ranked: Bools

    def of_rows(self, inside: Bools) -> "_Ranking":
        return _Ranking(self.relation, self.positive[inside], self.ranked[inside])

    def precisions(self, scores: Array, concepts: Ids) -> Array:
        return average_precision(scores[self.ranked], self.positive[self.ranked], concepts[self.ranked])


def _rankings(task: Relations) -> dict[str, _Ranking]:
    """Return by metric what is ranked: related before random words, and each relation by itself."""
    relations = np.array(task.relations)
    random = np.char.startswith(relations, RANDOM)
    everything = np.ones(len(relations), dtype=bool)
    found = {"map": _Ranking("", ~random, everything)} if random.any() else {}
    for relation in sorted(set(task.relations)):
        if not relation.startswith(RANDOM):
            own = relations == relation
            found[f"map ({relation})"] = _Ranking(relation, own, own | random if random.any() else everything)
    return found


def _concepts(task: Relations) -> Ids:
    return np.unique(np.array(task.concepts), return_inverse=True)[1].astype(np.int64)


def average_precision(scores: Array, positive: Bools, groups: Ids) -> Array:
    """Return the average precision of each group that has members of both sides, in the order of the groups.

    Of each positive member the precision down to it is taken, a tie of scores as one place (as scikit-learn does).

    Parameters
    ----------
    scores : float64 of shape (n,); the highest come first.
    positive : bool of shape (n,).
    groups : int64 of shape (n,): what is ranked by itself.

    Returns
    -------
    float64 of shape (n_groups_with_both,), in [0, 1].

    Examples
    --------
    >>> average_precision(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, False, True]), np.zeros(4)).tolist()
    [0.75]
    """
    precisions = []
    order = np.argsort(groups, kind="stable")
    bounds = np.flatnonzero(np.diff(groups[order])) + 1
    for member in np.split(order, bounds):
        right = positive[member]
        if right.all() or not right.any():
            continue
        ranked = np.argsort(-scores[member], kind="stable")
        values, right = scores[member][ranked], right[ranked]
        ends = np.flatnonzero(np.r_[values[1:] != values[:-1], True])
        hits = np.cumsum(right)[ends]
        precisions.append(float((np.diff(hits, prepend=0) * hits / (ends + 1)).sum() / hits[-1]))
    return np.array(precisions)


def nearest_of_relations(scores: Array, concepts: Ids, relations: NDArray[np.str_]) -> dict[str, tuple[float, float]]:
    """Return for each relation the mean z of its nearest words, and how often it has the nearest word of all.

    Parameters
    ----------
    scores : float64 of shape (n,), the cosine of each row's words.
    concepts : int64 of shape (n,).
    relations : str of shape (n,).

    Returns
    -------
    By relation: z over the relations of a concept, the mean over concepts with at least two relations (0 where they do
    not differ); and the share of concepts in [0, 1]. Empty where no concept has two relations.

    Examples
    --------
    >>> rows = ["coord", "hyper", "random", "coord"]
    >>> nearest_of_relations(np.array([0.9, 0.5, 0.1, 0.2]), np.zeros(4, dtype=np.int64), np.array(rows))["coord"][1]
    1.0
    """
    names, columns = np.unique(relations, return_inverse=True)
    best = np.full((int(concepts.max()) + 1, len(names)), -np.inf)
    np.maximum.at(best, (concepts, columns), scores)
    best = best[np.isfinite(best).sum(axis=1) >= 2]
    if not len(best):
        return {}
    there = np.isfinite(best)
    values = np.where(there, best, 0.0)
    counts = there.sum(axis=1, keepdims=True)
    centred = np.where(there, values - values.sum(axis=1, keepdims=True) / counts, 0.0)
    deviation = np.sqrt((centred**2).sum(axis=1, keepdims=True) / counts)
    z = np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-12)
    mean = z.sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    wins = np.bincount(best.argmax(axis=1), minlength=len(names)) / len(best)
    return {name: (float(mean[i]), float(wins[i])) for i, name in enumerate(names.tolist()) if there[:, i].any()}

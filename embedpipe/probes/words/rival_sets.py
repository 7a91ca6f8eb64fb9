"""Categories, outliers and relations beside the words of rivals: on the words that both know."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Words
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.words.categories import purities
from embedpipe.probes.words.means import mean_rows
from embedpipe.probes.words.outliers import outliers_found
from embedpipe.probes.words.relations import relation_precisions
from embedpipe.probes.words.word_lookup import find_words
from embedpipe.tasks.shapes import Categories, Outliers, OutlierSet, Relations

__all__ = ["SetTask", "known_share", "rival_set_rows"]

SetTask = Categories | Outliers | Relations


def rival_set_rows(
    task: SetTask, words: Words, rivals: Mapping[str, Words], *, bootstrap: int, seed: int, whole: bool = False
) -> list[Row]:
    """Return the words beside those of each rival, on what is left of the task when both know every word.

    Where the rival lacks a word that the others have, the figures are of a part, ``purity (shared with NAME)``.

    Parameters
    ----------
    task : labelled words.
    words : the vectors that are probed.
    rivals : other vectors by name.
    bootstrap, seed : of the intervals; the seed is that of the clusters too.
    whole : the shared words are the task, and no part of it.
    """
    known = _known(task, words)
    rows = []
    for name, rival in rivals.items():
        shared = known & _known(task, rival)
        suffix = "" if whole or shared == known else f"shared with {name}"
        note = f"{len(known):,} words of the task are in the vocabulary, {len(shared):,} in that of {name} too"
        part = _restricted(task, shared)
        ours, units = _values(part, words, seed)
        theirs, _ = _values(part, rival, seed)
        if not ours:
            metric = _named(_METRICS[type(task)], "" if whole else f"shared with {name}")
            rows.append(skipped(task.name, metric, f"{note}: too few to ask"))
        for metric, values in ours.items():
            rows += mean_rows(
                task.name,
                _named(metric, suffix),
                {"words": values, name: theirs[metric]},
                coverage=_size(part) / _size(task),
                note=note,
                bootstrap=bootstrap,
                seed=seed,
                units=units,
            )
    return rows


def known_share(task: SetTask, words: Words) -> float:
    """Return the share of the questions of a task whose words a vocabulary knows, as `Row.coverage` has it."""
    return _size(_restricted(task, _known(task, words))) / _size(task)


_METRICS: dict[type[SetTask], str] = {Categories: "purity", Outliers: "accuracy", Relations: "map"}


def _words(task: SetTask) -> list[str]:
    if isinstance(task, Categories):
        return list(task.words)
    if isinstance(task, Outliers):
        return [word for group in task.sets for word in (*group.members, *group.outliers)]
    return [*task.concepts, *task.words]


def _known(task: SetTask, words: Words) -> set[str]:
    asked = _words(task)
    return {word for word, i in zip(asked, find_words(words, asked).tolist(), strict=True) if i >= 0}


def _restricted(task: SetTask, known: set[str]) -> SetTask:
    """Return the task without the questions and the words that are not known."""
    if isinstance(task, Categories):
        kept = [i for i, word in enumerate(task.words) if word in known]
        return Categories(task.name, [task.words[i] for i in kept], [task.categories[i] for i in kept])
    if isinstance(task, Outliers):
        sets = []
        for group in task.sets:
            members, outliers = (tuple(w for w in side if w in known) for side in (group.members, group.outliers))
            sets.append(OutlierSet(group.name, members, outliers))
        return Outliers(task.name, sets)
    kept = [i for i, pair in enumerate(zip(task.concepts, task.words, strict=True)) if known.issuperset(pair)]
    columns = ([column[i] for i in kept] for column in (task.concepts, task.relations, task.words))
    return Relations(task.name, *columns)


def _size(task: SetTask) -> int:
    return sum(len(group.outliers) for group in task.sets) if isinstance(task, Outliers) else len(task.words)


def _values(task: SetTask, words: Words, seed: int) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64] | None]:
    """Return, by metric, a number for each question of a task whose words are all known, and what is resampled."""
    if not _size(task):
        return {}, None
    if isinstance(task, Categories):
        kinds = len(set(task.categories))
        return ({"purity": purities(task, words, seed=seed)} if 1 < kinds < len(task.words) else {}), None
    if isinstance(task, Outliers):
        found, positions, sets = outliers_found(task, words)
        return ({"accuracy": found, "opp": positions} if len(found) else {}), sets
    return {metric: values for metric, values in relation_precisions(task, words).items() if len(values)}, None


def _named(metric: str, suffix: str) -> str:
    if not suffix:
        return metric
    return f"{metric[:-1]}, {suffix})" if metric.endswith(")") else f"{metric} ({suffix})"

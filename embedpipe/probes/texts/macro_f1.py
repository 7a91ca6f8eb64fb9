"""Macro-F1: the figure for labels of which one is so common that accuracy rewards never saying another."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.comparison import Parts, whole_and_parts
from embedpipe.probes.resampling import paired_p_value, percentile_interval
from embedpipe.probes.rows import Row
from embedpipe.probes.statistics import AcrossFolds, across_folds, cohen_h, each_fold, widened

__all__ = ["macro_f1", "macro_f1_rows"]

_BLOCK = 2_000_000


def macro_f1(
    guesses: NDArray[np.int64], labels: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the mean over labels of F1, the harmonic mean of precision and recall; mean over seeds.

    A label that is neither asked nor said counts for nothing; one that is asked and never said, or the other way
    round, counts as 0 (as in scikit-learn).

    Parameters
    ----------
    guesses : int64 of shape (n_seeds, n), what is said of each text.
    labels : int64 of shape (n,), what is right.
    weights : how often each text stands in each resample, of shape (n, n_resamples); once in one where it is None.

    Returns
    -------
    float64 of shape (n_resamples,), in [0, 1].

    Examples
    --------
    >>> macro_f1(np.array([[0, 0, 1, 1]]), np.array([0, 0, 0, 1])).round(3).tolist()  # .8 and .667
    [0.733]
    """
    weights = np.ones((len(labels), 1)) if weights is None else weights
    by_seed = []
    for said in guesses:
        kinds = np.union1d(labels, said)
        is_label, is_said = (kinds[:, None] == side for side in (labels, said))
        hits = (is_label & is_said) @ weights
        totals = is_label.astype(np.float64) @ weights + is_said.astype(np.float64) @ weights
        f1 = np.where(totals > 0, 2 * hits / np.maximum(totals, 1.0), np.nan)
        by_seed.append(np.nanmean(f1, axis=0))
    return np.asarray(np.mean(by_seed, axis=0))


def macro_f1_rows(
    task: str,
    guesses: Mapping[str, NDArray[np.int64]],
    labels: NDArray[np.int64],
    *,
    coverage: float,
    note: str,
    bootstrap: int,
    seed: int,
    parts: Parts | None = None,
    folds: NDArray[np.int64] | None = None,
    n_train: int | None = None,
) -> list[Row]:
    """Return one row for the first of the systems beside each of the others, then the same for each part.

    The interval of the figure is of the bootstrap over texts. Of one split, the difference is that of the paired
    bootstrap, widened for the chance in the training part; of folds, the corrected t-test across them (`across_folds`).

    Parameters
    ----------
    task, coverage, note : as in `Row`.
    guesses : by name, what each system says of every text, int64 of shape (n_seeds, n).
    labels : what is right, int64 of shape (n,).
    bootstrap : resamples of the texts.
    seed : of the resamples.
    parts : the texts of each part, bool of shape (n,); all of them, or none, give no rows.
    folds : int64 of shape (n_seeds, n), the fold that each text was tested in; None for a single split.
    n_train : of a single split, the texts that were trained on; None where nothing was trained.
    """
    found: list[Row] = []
    for label, inside in whole_and_parts("macro-F1", len(labels), parts).items():
        asked = {name: said[:, inside] for name, said in guesses.items()}
        drawn = None if folds is None else folds[:, inside]
        found += _rows(task, label, asked, labels[inside], coverage, note, bootstrap, seed, drawn, n_train)
    return found


def _rows(
    task: str,
    metric: str,
    guesses: Mapping[str, NDArray[np.int64]],
    labels: NDArray[np.int64],
    coverage: float,
    note: str,
    bootstrap: int,
    seed: int,
    folds: NDArray[np.int64] | None,
    n_train: int | None,
) -> list[Row]:
    values = {name: float(macro_f1(said, labels)[0]) for name, said in guesses.items()}
    replicates = _replicates(guesses, labels, bootstrap, seed)
    (name, value), *others = values.items()
    own = guesses[name]
    spread = float(np.std([macro_f1(said[None], labels)[0] for said in own], ddof=1)) if len(own) > 1 else float("nan")
    low, high = percentile_interval(replicates[name])

    def beside(other: str) -> AcrossFolds:
        difference = value - values[other]
        if folds is not None:
            return _across_folds(own, guesses[other], labels, folds, difference)
        resampled = widened(replicates[name] - replicates[other], difference, len(labels), n_train)
        return AcrossFolds(paired_p_value(resampled, np.zeros(1)), *percentile_interval(resampled))

    tested = {other: beside(other) for other, _ in others}
    test = "t across folds, corrected" if folds is not None else "paired bootstrap" + (", corrected" if n_train else "")
    return [
        Row(
            task,
            metric,
            value,
            low,
            high,
            len(labels),
            coverage,
            other,
            figure,
            tested[other].p_value,
            name,
            note,
            tested[other].low,
            tested[other].high,
            effect=cohen_h(value, figure),
            test=test,
            spread=spread,
        )
        for other, figure in others
    ]


def _across_folds(
    own: NDArray[np.int64],
    other: NDArray[np.int64],
    labels: NDArray[np.int64],
    folds: NDArray[np.int64],
    difference: float,
) -> AcrossFolds:
    """Return the test over the differences of folds, which are moved so that their mean is the difference in the row.

    The figure of all texts is not the mean of those of the folds; how much they vary is what is asked of them.
    """
    figures = [
        [float(macro_f1(said[seed, inside][None], labels[inside])[0]) for said in (own, other)]
        for seed, inside in each_fold(folds)
    ]
    of_folds = -np.diff(np.array(figures)).ravel()
    moved = (of_folds - of_folds.mean() + difference).tolist()
    return across_folds(own == labels, other == labels, folds, moved)


def _replicates(
    guesses: Mapping[str, NDArray[np.int64]], labels: NDArray[np.int64], repeats: int, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Return the figure of each system over each of the same bootstrap resamples of the texts."""
    rng, n = np.random.default_rng([seed, len(labels)]), len(labels)
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in guesses}
    block = max(1, _BLOCK // n)
    for start in range(0, repeats, block):
        size = min(block, repeats - start)
        weights = rng.multinomial(n, np.full(n, 1 / n), size=size).T.astype(np.float64)
        for name, said in guesses.items():
            found[name].append(macro_f1(said, labels, weights))
    return {name: np.concatenate(blocks) for name, blocks in found.items()}

"""Accuracy by the number of labelled texts: what an encoder is worth where labels are few.

The strength of regularisation is fixed, for a handful of labels cannot choose it; the last point of a curve therefore
differs a little from the figure of the whole task, which chooses. Vectors are standardised, and tf-idf is weighted, on
all texts of the training part: texts without labels are not what is scarce.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Subject
from embedpipe.probes.findings import LearningCurve
from embedpipe.probes.texts.classification import why_not
from embedpipe.probes.texts.features import FeaturesOfSplit, dense, tfidf
from embedpipe.probes.texts.logistic import fit_predict, one_thread, stratified_folds
from embedpipe.tasks.shapes import Classification

__all__ = ["curve_table", "label_counts", "learning_curves"]

MAJORITY = "majority"
_C_TIMES_DIM, _C_SPARSE = 5.0, 10.0
"""The logits of standardised vectors have a prior variance of C times their number: 5, whatever the dimension."""
_FIRST = 32
_SHOTS = (4, 8, 16, 32)
_LEFT_OUT = ("plain average", "random vectors")
Rows = NDArray[np.int64]


def label_counts(n: int, n_labels: int) -> list[int]:
    """Return the numbers of labelled texts that are tried where `n` are at hand: 32, 64, … and `n`.

    Numbers that are less than two for each label are left out.

    >>> label_counts(300, 2), label_counts(300, 40), label_counts(20, 2)
    ([32, 64, 128, 300], [128, 300], [20])
    """
    doubled = [_FIRST << i for i in range(max(n, 1).bit_length())]
    return [*(count for count in doubled if 2 * n_labels <= count <= n / 1.5), n]


def learning_curves(
    task: Classification, subject: Subject, *, seed: int, draws: int = 5, shots: Sequence[int] = _SHOTS
) -> list[LearningCurve]:
    """Return two curves for each system: by texts in all (32, 64, …), and by texts of each label (few-shot).

    Each draw trains on texts drawn at random, larger sets holding the smaller ones, and tests on a whole test part:
    the task's own, or one of its folds (five stratified ones where it has none) after the other. All systems see the
    same draws. The interval is that of the mean over draws (Student's t); where all draws share one test part, the
    chance of its questions (the normal interval of a share) is added.

    Parameters
    ----------
    task : texts and labels.
    subject : the encoder, the SIF average, the random encoder, rivals and tf-idf are measured, and beside them stands
        the label that is the most frequent one of those that were drawn.
    seed : of folds and draws.
    draws : how often texts are drawn, twice at least.
    shots : texts of each label. A number that the rarest label of a training part does not reach is left out.

    Returns
    -------
    Curves; none where the task cannot be measured (`classification_rows` says why).
    """
    encoders = {name: encoder for name, encoder in subject.encoders().items() if name not in _LEFT_OUT}
    if why_not(task, bool(encoders), n_folds=5):
        return []
    texts, labels = list(task.texts), np.unique(np.array(task.labels), return_inverse=True)[1]
    vectors = {name: encoder.encode(texts) for name, encoder in encoders.items()}
    systems = {name: (dense(matrix), _C_TIMES_DIM / matrix.shape[1]) for name, matrix in vectors.items()}
    systems["tf-idf"] = tfidf([subject.tokenize(text) for text in texts]), _C_SPARSE
    folds = stratified_folds(labels, 5, seed) if task.folds is None else task.folds
    splits = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in np.unique(folds[folds >= 0])]
    n = min(len(train) for train, _ in splits)
    rarest = min(int(np.bincount(labels[train], minlength=labels.max() + 1).min()) for train, _ in splits)
    counts, shots = label_counts(n, len(set(task.labels))), [shot for shot in shots if shot <= rarest]
    figures = _figures(systems, labels, splits, counts, shots, draws, seed)
    n_tested = sum(len(test) for _, test in splits[:draws])
    shared = n_tested if len(splits) == 1 else 0
    note = _how(draws, len(splits[:draws]), n_tested)
    curves = []
    for name, of_system in figures.items():
        of_counts, of_shots = np.split(of_system, [len(counts)], axis=1)
        for sizes, found, per_label in ((counts, of_counts, False), (shots, of_shots, True)):
            if sizes:
                curve = _curve(task.name, name, sizes, found, shared, per_label=per_label)
                curves.append(replace(curve, n=n_tested, note=note))
    return curves


def _how(draws: int, n_splits: int, n_tested: int) -> str:
    if n_splits == 1:
        tested = f"all tested on the same {n_tested:,} texts"
        of = "that mean (Student's t) and of the chance of those texts"
    else:
        tested = f"each tested on one of {n_splits} folds"
        of = "that mean (Student's t over draws)"
    return f"mean of {draws} draws of labelled texts, {tested}; the 95 % interval is of {of}"


def curve_table(curves: Sequence[LearningCurve]) -> list[dict[str, Any]]:
    """Return one mapping for each point: its task, system and accuracy; ``labels`` is ``4 of each`` in few-shot."""
    return [
        {
            "task": curve.task,
            "labels": f"{count} of each" if curve.per_label else f"{count}",
            "system": curve.system,
            "accuracy": accuracy,
            "low": low,
            "high": high,
            "n": curve.n,
        }
        for curve in curves
        for count, accuracy, low, high in zip(curve.labels, curve.accuracy, curve.low, curve.high, strict=True)
    ]


def _figures(
    systems: Mapping[str, tuple[FeaturesOfSplit, float]],
    labels: NDArray[np.int64],
    splits: Sequence[tuple[Rows, Rows]],
    counts: Sequence[int],
    shots: Sequence[int],
    draws: int,
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Return the accuracy of each system, of shape (draws, n_counts + n_shots)."""
    found = {name: np.zeros((draws, len(counts) + len(shots))) for name in (*systems, MAJORITY)}
    with one_thread():
        for draw in range(draws):
            train, test = splits[draw % len(splits)]
            drawn = _drawn(labels[train], counts, shots, np.random.default_rng([seed, draw]))
            most = [np.bincount(labels[train[rows]]).argmax() for rows in drawn]
            found[MAJORITY][draw] = [(labels[test] == label).mean() for label in most]
            for name, (features, c) in systems.items():
                x, held = features(train, test)
                for i, rows in enumerate(drawn):
                    if draw >= len(splits) and len(rows) == len(train):  # the whole training part once more
                        found[name][draw, i] = found[name][draw - len(splits), i]
                        continue
                    guesses, _ = fit_predict(x[rows], labels[train[rows]], held, c)
                    found[name][draw, i] = (guesses == labels[test]).mean()
    return found


def _drawn(
    labels: NDArray[np.int64], counts: Sequence[int], shots: Sequence[int], rng: np.random.Generator
) -> list[Rows]:
    """Return the rows of each training set: the first so many of one random order, in all or of each label."""
    order = rng.permutation(len(labels))
    by_label = order[np.argsort(labels[order], kind="stable")]
    starts = np.searchsorted(labels[by_label], labels[by_label])
    place = np.arange(len(order)) - starts
    return [*(order[:count] for count in counts), *(by_label[place < shot] for shot in shots)]


def _curve(
    task: str,
    system: str,
    sizes: Sequence[int],
    figures: NDArray[np.float64],
    shared: int,
    *,
    per_label: bool = False,
) -> LearningCurve:
    """Return the curve of figures of shape (draws, n_sizes); `shared` questions are asked in all draws alike, or 0."""
    from scipy.stats import norm, t

    draws, means = len(figures), figures.mean(axis=0)
    square = t.ppf(0.975, draws - 1) ** 2 * figures.var(axis=0, ddof=1) / draws
    if shared:
        square += norm.ppf(0.975) ** 2 * means * (1 - means) / shared
    half = np.sqrt(square)
    low, high = np.clip(means - half, 0, 1), np.clip(means + half, 0, 1)
    return LearningCurve(
        task, system, tuple(sizes), tuple(means.tolist()), tuple(low.tolist()), tuple(high.tolist()), per_label
    )

"""A system beside its baselines on the same questions, as rows."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.rows import Row
from embedpipe.probes.statistics import (
    Correlation,
    accuracy_interval,
    bootstrap_correlations,
    correlation,
    mcnemar,
    paired_p_value,
    percentile_interval,
)

__all__ = ["accuracy_rows", "correlation_rows"]

_MIN_PAIRS = 10
"""Resamples of fewer pairs repeat each other, and their interval claims a certainty that is not there."""


def correlation_rows(
    task: str,
    systems: Mapping[str, NDArray[np.float64]],
    scores: NDArray[np.float64],
    *,
    coverage: float,
    note: str,
    bootstrap: int,
    seed: int,
    units: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    kind: Correlation = "spearman",
) -> list[Row]:
    """Return one row for the first of `systems` beside each of the others."""
    values = {name: correlation(kind, system, scores) for name, system in systems.items()}
    replicates = dict(
        zip(
            systems,
            bootstrap_correlations(kind, list(systems.values()), scores, repeats=bootstrap, seed=seed, units=units),
            strict=True,
        )
    )
    (name, value), *others = values.items()
    low, high = percentile_interval(replicates[name]) if math.isfinite(value) else (math.nan, math.nan)
    if len(scores) < _MIN_PAIRS:
        low = high = math.nan
        note = f"{len(scores)} pairs, too few for an interval; " + note
    if not math.isfinite(value):
        note = "not defined: the scores or the similarities do not vary" + (f"; {note}" if note else "")
    n = len(scores)
    return [
        Row(task, kind, value, low, high, n, coverage, other, beside, p_value, name, note)
        for other, beside in others
        for p_value in [paired_p_value(replicates[name], replicates[other])]
    ] or [Row(task, kind, value, low, high, n, coverage, None, math.nan, math.nan, name, note)]


def accuracy_rows(
    task: str,
    correct: Mapping[str, NDArray[np.bool_]],
    *,
    metric: str,
    coverage: float,
    system: str,
    note: str,
) -> list[Row]:
    """Return one row for the first of the systems beside each of the others, from what each answers rightly."""
    (_, own), *others = correct.items()
    n = len(own)
    low, high = accuracy_interval(int(own.sum()), n)
    return [
        Row(
            task,
            metric,
            float(own.mean()),
            low,
            high,
            n,
            coverage,
            name,
            float(other.mean()),
            mcnemar(own, other),
            system,
            note,
        )
        for name, other in others
    ] or [Row(task, metric, float(own.mean()), low, high, n, coverage, None, math.nan, math.nan, system, note)]

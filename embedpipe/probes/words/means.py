"""Figures that are the mean of one number for each question, as rows."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.resampling import MIN_UNITS, bootstrap_means, paired_p_value, percentile_interval
from embedpipe.probes.rows import Row
from embedpipe.probes.statistics import accuracy_interval, cohen_h

__all__ = ["mean_rows"]


def mean_rows(
    task: str,
    metric: str,
    systems: Mapping[str, NDArray[np.floating]],
    *,
    coverage: float,
    note: str,
    bootstrap: int,
    seed: int,
    units: NDArray[np.int64] | None = None,
    spread: float = math.nan,
) -> list[Row]:
    """Return one row for the first of `systems` beside each of the others: means of numbers in [0, 1].

    The interval and the paired test are of the bootstrap (Efron, 1979) over questions, or over units of questions that
    share words and are therefore not independent. Fewer than `resampling.MIN_UNITS` of them have neither. Where all
    units are equal, resamples are too, and the interval is Wilson's for so many units. The effect is Cohen's h.

    Parameters
    ----------
    task, metric, coverage, note, spread : as in `Row`.
    systems : by name, a number in [0, 1] for each question, shape (n,).
    bootstrap : number of resamples.
    seed : of the resamples.
    units : the unit that each question belongs to, from 0 without gaps; None where each question is one.
    """
    (name, own), *others = systems.items()
    n_units = len(own) if units is None else int(units.max()) + 1
    if units is None:
        replicates = bootstrap_means(list(systems.values()), repeats=bootstrap, seed=seed)
    else:
        counted = [*systems.values(), np.ones(len(own))]
        sums = [np.bincount(units, weights=values, minlength=n_units).astype(np.float64) for values in counted]
        drawn = bootstrap_means(sums, repeats=bootstrap, seed=seed)
        replicates = drawn[:-1] / drawn[-1]
    of = dict(zip(systems, replicates, strict=True))
    enough = n_units >= MIN_UNITS
    low, high = percentile_interval(of[name]) if enough else (math.nan, math.nan)
    if not enough:
        note = f"{n_units} {'questions' if units is None else 'sets'}, too few for an interval; {note}"
    value = float(own.mean())
    if enough and low == high:
        low, high = accuracy_interval(round(value * n_units), n_units)
        note += f"; all {n_units} {'questions' if units is None else 'sets'} are equal, the interval is Wilson's"
    row = Row(task, metric, value, low, high, len(own), coverage, None, math.nan, math.nan, name, note, spread=spread)
    rows = []
    for other, values in others:
        below, above = percentile_interval(of[name] - of[other])
        if not enough or below == above:
            below, above = math.nan, math.nan
        beside = float(values.mean())
        rows.append(
            replace(
                row,
                baseline=other,
                baseline_value=beside,
                p_value=paired_p_value(of[name], of[other]) if enough else math.nan,
                difference_low=below,
                difference_high=above,
                effect=cohen_h(min(value, 1.0), min(beside, 1.0)),
                test="paired bootstrap",
            )
        )
    return rows or [row]

"""How long is the sentence? (SentLen; Conneau et al., 2018)."""

import numpy as np

from embedpipe.probes.linguistic.pool import Pool, need
from embedpipe.tasks.builtin import LENGTH
from embedpipe.tasks.shapes import Classification

__all__ = ["length_task"]

_BINS = 6


def length_task(pool: Pool, *, n_sentences: int, seed: int) -> Classification:
    """Return sentences labelled with their length, in six bins of the same size.

    Parameters
    ----------
    pool : sentences of 5 to 60 tokens.
    n_sentences : at most.
    seed : of the draw.

    Raises
    ------
    NotEnoughDataError
        If there are too few sentences, or all have about the same length.
    """
    need(LENGTH, len(pool), "usable sentences", pool.folds)
    inner = np.unique(np.quantile(pool.lengths, np.arange(1, _BINS) / _BINS, method="higher"))
    bins = np.searchsorted(inner, pool.lengths, side="right")
    sizes = np.bincount(bins)
    per_bin = min(int(sizes[sizes > 0].min()), n_sentences // _BINS)
    rng = np.random.default_rng([seed, 1])
    rows = np.concatenate([rng.permutation(np.flatnonzero(bins == b))[:per_bin] for b in np.flatnonzero(sizes)])
    need(LENGTH, len(rows) if (sizes > 0).sum() > 1 else 0, "sentences of two lengths or more", pool.folds[rows])
    span = {b: (int(pool.lengths[bins == b].min()), int(pool.lengths[bins == b].max())) for b in np.flatnonzero(sizes)}
    return Classification(
        LENGTH,
        ["{}-{} tokens".format(*span[bins[i]]) for i in rows],
        [pool.text(i) for i in rows],
        pool.folds[rows],
        pool.note(f"{len(rows)} sentences"),
    )

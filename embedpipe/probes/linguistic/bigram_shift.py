"""Were two neighbouring words of the sentence swapped? (BShift; Conneau et al., 2018)."""

import numpy as np

from embedpipe.probes.linguistic.bigrams import BIGRAM_CUES, BigramCues
from embedpipe.probes.linguistic.pool import Pool, halves, need
from embedpipe.tasks.builtin import BIGRAM_SHIFT
from embedpipe.tasks.shapes import Classification

__all__ = ["bigram_shift_task"]

_TRIES = 3


def bigram_shift_task(pool: Pool, cues: BigramCues, *, n_sentences: int, seed: int) -> Classification:
    """Return sentences labelled ``as written`` or ``swapped``: two neighbouring words have changed places.

    A place where two words can be swapped is found in every sentence before it is drawn which half of them is swapped,
    and the codec reads the same tokens in both orders. So the label does not depend on which tokens a sentence holds:
    whatever sees a bag of tokens can only guess.

    Parameters
    ----------
    pool : held-out sentences.
    cues : a baseline: what the counts of bigrams in training give away.
    n_sentences : at most.
    seed : of the draw.

    Raises
    ------
    NotEnoughDataError
        If there are too few sentences.
    """
    rng = np.random.default_rng([seed, 3])
    ids = pool.ids
    swappable = pool.is_word[ids[:-1]] & pool.is_word[ids[1:]] & (ids[:-1] != ids[1:])
    places = np.flatnonzero(swappable & (pool.sentence_of[:-1] == pool.sentence_of[1:]))
    places = rng.permutation(places)
    places = places[np.argsort(pool.sentence_of[places], kind="stable")]
    starts = np.cumsum(pool.lengths) - pool.lengths
    bounds = np.searchsorted(pool.sentence_of[places], np.arange(len(pool) + 1))
    rows: list[int] = []
    swapped: list[str] = []
    for i in rng.permutation(len(pool)).tolist():
        if len(rows) == n_sentences:
            break
        for place in places[bounds[i] : bounds[i + 1]][:_TRIES].tolist():
            text = pool.spelt(_swap(pool.tokens[i], place - int(starts[i])))
            if text is not None:
                rows.append(i)
                swapped.append(text)
                break
    folds = pool.folds[rows]
    need(BIGRAM_SHIFT, len(rows), "sentences in which two words can be swapped", folds)
    changed = halves(folds, rng).tolist()
    return Classification(
        BIGRAM_SHIFT,
        ["swapped" if change else "as written" for change in changed],
        [other if change else pool.text(i) for i, other, change in zip(rows, swapped, changed, strict=True)],
        folds,
        pool.note(f"{len(rows)} sentences, two neighbouring words swapped in half of them,"),
        {BIGRAM_CUES: cues},
    )


def _swap(tokens: list[str], i: int) -> list[str]:
    return [*tokens[:i], tokens[i + 1], tokens[i], *tokens[i + 2 :]]

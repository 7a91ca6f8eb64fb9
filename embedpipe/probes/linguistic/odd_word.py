"""Does one word of the sentence not belong there? (SOMO, semantic odd man out; Conneau et al., 2018)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.linguistic.bigrams import BIGRAM_CUES, BigramCues
from embedpipe.probes.linguistic.pool import Pool, halves, need
from embedpipe.tasks.builtin import ODD_WORD
from embedpipe.tasks.shapes import Classification
from embedpipe.text.vocabulary import EOS

__all__ = ["odd_word_task"]

_PLACES = 3
_PARTNERS = 20
_BAND = np.log(2.0)

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Exchanges:
    """Places in pairs whose words could be exchanged, and by how much their bigrams would differ."""

    first: Ints
    second: Ints
    cost: NDArray[np.float64]


def odd_word_task(pool: Pool, cues: BigramCues, *, n_sentences: int, seed: int) -> Classification:
    """Return sentences labelled ``as written`` or ``odd word``: one word was exchanged with a word of another sentence.

    Sentences are paired first: both words are of middle frequency, neither more than twice as frequent as the other,
    and of all partners near in frequency those come first for which the new bigrams were seen in training as often as
    the old. Then it is drawn which half of the pairs is exchanged. So the exchanged sentences together hold the same
    words as before, and that a sentence could be paired says nothing about its label.

    Parameters
    ----------
    pool : held-out sentences.
    cues : the counts of bigrams in training, and a baseline: what they give away nevertheless.
    n_sentences : at most.
    seed : of the draw.

    Raises
    ------
    NotEnoughDataError
        If there are too few sentences.
    """
    rng = np.random.default_rng([seed, 4])
    candidates = _candidates(pool, rng.permutation(len(pool))[: 2 * n_sentences], rng)
    pairs = _pairs(pool, _exchanges(pool, cues, candidates), n_sentences // 2)
    first = np.array([pair[0] for pair in pairs], dtype=np.int64)
    folds = pool.folds[first]
    need(ODD_WORD, 2 * len(pairs), "sentences whose words can be exchanged", folds)
    changed = halves(folds, rng)
    texts: list[str] = []
    for (i, j, new_i, new_j), change in zip(pairs, changed.tolist(), strict=True):
        texts += [new_i, new_j] if change else [pool.text(i), pool.text(j)]
    return Classification(
        ODD_WORD,
        np.where(np.repeat(changed, 2), "odd word", "as written").tolist(),
        texts,
        np.repeat(folds, 2),
        pool.note(f"{len(texts)} sentences, a word of middle frequency exchanged in half of them,"),
        {BIGRAM_CUES: cues},
    )


def _candidates(pool: Pool, sentences: Ints, rng: np.random.Generator) -> Ints:
    """Return up to three places of words of middle frequency in each of `sentences`, ascending."""
    chosen = np.zeros(len(pool), dtype=bool)
    chosen[sentences] = True
    places = rng.permutation(np.flatnonzero(pool.is_content[pool.ids] & chosen[pool.sentence_of]))
    places = places[np.argsort(pool.sentence_of[places], kind="stable")]
    of = pool.sentence_of[places]
    rank = np.arange(len(of)) - np.searchsorted(of, of)
    return np.sort(places[rank < _PLACES])


def _exchanges(pool: Pool, cues: BigramCues, places: Ints) -> _Exchanges:
    """Pair each place with the next twenty of its fold by frequency."""
    counts = np.log(np.maximum(pool.codec.vocabulary.counts, 1).astype(np.float64))
    ids = pool.ids.astype(np.int64)
    fold = pool.folds[pool.sentence_of[places]]
    places = places[np.lexsort((places, counts[ids[places]], fold))]
    fold = pool.folds[pool.sentence_of[places]]
    starts = np.cumsum(pool.lengths) - pool.lengths
    before, after = np.r_[EOS, ids[:-1]], np.r_[ids[1:], EOS]
    before[starts], after[starts + pool.lengths - 1] = EOS, EOS
    first, second = (
        np.concatenate([places[: max(0, len(places) - step)] for step in range(1, _PARTNERS + 1)]),
        np.concatenate([places[step:] for step in range(1, _PARTNERS + 1)]),
    )
    same = np.concatenate([fold[: max(0, len(fold) - step)] == fold[step:] for step in range(1, _PARTNERS + 1)])
    same &= (ids[first] != ids[second]) & (pool.sentence_of[first] != pool.sentence_of[second])
    same &= np.abs(counts[ids[first]] - counts[ids[second]]) <= _BAND
    first, second = first[same], second[same]
    cost = np.zeros(len(first))
    of = cues.bigrams.of
    for here, there in ((first, second), (second, first)):
        old, new = ids[here], ids[there]
        cost += np.abs(np.log1p(of(before[here], new)) - np.log1p(of(before[here], old)))
        cost += np.abs(np.log1p(of(new, after[here])) - np.log1p(of(old, after[here])))
    return _Exchanges(first, second, cost)


def _pairs(pool: Pool, exchanges: _Exchanges, n_pairs: int) -> list[tuple[int, int, str, str]]:
    """Return two sentences and their texts after the exchange, best pairs first, each sentence once."""
    starts = (np.cumsum(pool.lengths) - pool.lengths).tolist()
    order = np.argsort(exchanges.cost, kind="stable")
    used = np.zeros(len(pool), dtype=bool)
    pairs: list[tuple[int, int, str, str]] = []
    rows = zip(
        pool.sentence_of[exchanges.first[order]].tolist(),
        pool.sentence_of[exchanges.second[order]].tolist(),
        exchanges.first[order].tolist(),
        exchanges.second[order].tolist(),
        strict=True,
    )
    for i, j, place_i, place_j in rows:
        if len(pairs) == n_pairs:
            break
        if used[i] or used[j]:
            continue
        one, other = pool.tokens[i], pool.tokens[j]
        a, b = place_i - starts[i], place_j - starts[j]
        if other[b] in one or one[a] in other:
            continue
        new_i = pool.spelt([*one[:a], other[b], *one[a + 1 :]])
        new_j = pool.spelt([*other[:b], one[a], *other[b + 1 :]])
        if new_i is not None and new_j is not None:
            used[i] = used[j] = True
            pairs.append((i, j, new_i, new_j))
    return pairs

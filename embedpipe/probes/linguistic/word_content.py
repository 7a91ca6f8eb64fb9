"""Which of some words is in the sentence? (WC; Conneau et al., 2018)."""

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import NotEnoughDataError
from embedpipe.probes.linguistic.pool import Pool, need
from embedpipe.tasks.builtin import WORD_CONTENT
from embedpipe.tasks.shapes import Classification

__all__ = ["word_content_task"]

_MIN_WORDS, _MAX_WORDS = 5, 30
_PER_WORD = 40
_MIN_SENTENCES = 8

Ints = NDArray[np.int64]


def word_content_task(pool: Pool, *, n_sentences: int, seed: int) -> Classification:
    """Return sentences labelled with the one of some words, thirty or one for forty sentences, that they contain.

    The words are of middle frequency (`Pool.is_content`): first those in most of the five folds, then those in about as
    many sentences as are wanted of each. Each sentence holds exactly one of them, and a word has from eight sentences
    to its equal share of `n_sentences`.

    Parameters
    ----------
    pool : held-out sentences.
    n_sentences : at most.
    seed : of the draw.

    Raises
    ------
    NotEnoughDataError
        If fewer than five words have eight sentences in two documents at least.
    """
    need(WORD_CONTENT, len(pool), "usable sentences", pool.folds)
    inside = pool.is_content[pool.ids]
    ids, sentences = pool.ids[inside].astype(np.int64), pool.sentence_of[inside]
    n_tokens = len(pool.is_content)
    n_holding = _count(ids, sentences, n_tokens)
    n_folds = _count(ids, pool.folds[sentences], n_tokens)
    seen = np.flatnonzero((n_holding >= _MIN_SENTENCES) & (n_folds >= 2))
    n_words = min(_MAX_WORDS, max(_MIN_WORDS, n_sentences // _PER_WORD))
    # A few more than wanted, for sentences with two of the words are left out.
    beside = np.abs(np.log(n_holding[seen] * n_words / (1.25 * n_sentences)))
    words = seen[np.lexsort((seen, beside, -n_folds[seen]))][:n_words]
    # Sentences with two of the words are left out. A word that so loses too many leaves, and gives others theirs back.
    while len(words):
        label = _labels(ids, sentences, words, len(pool))
        sizes = np.bincount(label[label >= 0], minlength=len(words))
        spread = _count(label[label >= 0], pool.folds[label >= 0], len(words))
        poorest = int(np.argmin(np.where(spread >= 2, sizes, 0)))
        if spread[poorest] >= 2 and sizes[poorest] >= _MIN_SENTENCES:
            break
        words = np.delete(words, poorest)
    if len(words) < _MIN_WORDS:
        raise NotEnoughDataError(
            f"the held-out text gives {len(words)} words of middle frequency with {_MIN_SENTENCES} usable sentences of "
            f"their own in two documents; the task '{WORD_CONTENT}' needs {_MIN_WORDS}"
        )
    per_word = max(_MIN_SENTENCES, n_sentences // len(words))
    rng = np.random.default_rng([seed, 2])
    rows = np.concatenate([rng.permutation(np.flatnonzero(label == w))[:per_word] for w in range(len(words))])
    spelt = pool.codec.vocabulary.word
    return Classification(
        WORD_CONTENT,
        [spelt(int(words[label[i]])) for i in rows],
        [pool.text(i) for i in rows],
        pool.folds[rows],
        pool.note(f"{len(rows)} sentences, {_range(sizes, per_word)} for each of {len(words)} words, out"),
    )


def _range(sizes: Ints, most: int) -> str:
    least, largest = min(int(sizes.min()), most), min(int(sizes.max()), most)
    return str(least) if least == largest else f"{least} to {largest}"


def _count(ids: Ints, holders: Ints, n_ids: int) -> Ints:
    """Return in how many different `holders` each id stands, int64 of shape (n_ids,)."""
    return np.bincount(np.unique(holders * n_ids + ids) % n_ids, minlength=n_ids)


def _labels(ids: Ints, sentences: Ints, words: Ints, n_sentences: int) -> Ints:
    """Return which of `words` each sentence holds, int64 of shape (n_sentences,); -1 for none or several of them."""
    order = np.argsort(words)
    places = np.searchsorted(words[order], ids)
    found = places < len(words)
    found[found] = words[order][places[found]] == ids[found]
    pairs = np.unique(sentences[found] * len(words) + order[places[found]]) if len(words) else np.empty(0, np.int64)
    holders = pairs // max(len(words), 1)
    label = np.full(n_sentences, -1)
    label[holders] = pairs % max(len(words), 1)
    label[np.bincount(holders, minlength=n_sentences) != 1] = -1
    return label

"""What stands around words in a corpus: counts of contexts, and example lines, in one pass."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import BundleError
from embedpipe.text.vocabulary import EOS, SPECIALS
from embedpipe.words.lines import Line, LineSample

__all__ = ["Contexts", "count_contexts", "discounted", "pmi"]


@dataclass(frozen=True, slots=True)
class Contexts:
    """What stands around *n* words.

    Parameters
    ----------
    ids : int64 array of shape (n,): the words.
    counts : int64 array of shape (n, n_words): how often each word of the vocabulary stands within the window of each
        of the *n*. Specials, unknown tokens among them, count 0.
    occurrences : int64 array of shape (n,).
    lines : for each of the *n* words some lines that it stands in.
    together : lines of the first word that have another of the *n* within the window.
    """

    ids: NDArray[np.int64]
    counts: NDArray[np.int64]
    occurrences: NDArray[np.int64]
    lines: tuple[list[Line], ...]
    together: list[Line]


def count_contexts(
    pieces: Iterable[NDArray[np.uint32]],
    ids: Sequence[int],
    window: int,
    n_words: int,
    *,
    n_lines: int = 0,
    seed: int = 1,
) -> Contexts:
    """Count the words that stand at most `window` places from words, in the same sentence.

    Parameters
    ----------
    pieces : the corpus, whole sentences that each end in ``<eos>``; read once.
    ids : distinct ordinary words.
    window : places to each side. All of them count alike, and unknown words keep their place.
    n_words : size of the vocabulary.
    n_lines : most example lines of each kind.
    seed : decides which lines are taken; the result does not depend on where pieces are cut.

    Raises
    ------
    BundleError
        If the corpus holds an id that the vocabulary does not have.

    Examples
    --------
    >>> corpus = np.array([4, 5, 6, EOS, 5, 4, EOS], dtype=np.uint32)
    >>> found = count_contexts([corpus], [4], window=1, n_words=7)
    >>> found.counts[0].tolist(), found.occurrences.tolist()
    ([0, 0, 0, 0, 0, 2, 0], [2])
    """
    row_of = np.full(n_words, -1, dtype=np.int16)
    row_of[list(ids)] = np.arange(len(ids))
    counts = np.zeros(len(ids) * n_words, dtype=np.int64)
    occurrences = np.zeros(len(ids), dtype=np.int64)
    samples = [LineSample(n_lines, np.random.default_rng([seed, i])) for i in range(len(ids) + 1)]
    for tokens in pieces:
        if len(tokens) and tokens.max() >= n_words:
            raise BundleError(
                f"the text holds the id {tokens.max()}, but the vocabulary ends at {n_words - 1}: it was prepared for "
                "another bundle; prepare the text again"
            )
        rows = row_of[tokens]
        centres = np.flatnonzero(rows >= 0)
        around = list(_around(tokens, centres, window))
        keys = [rows[centre] * np.int64(n_words) + context for centre, context in around]
        counts += np.bincount(np.concatenate(keys).astype(np.int64), minlength=len(counts))
        occurrences += np.bincount(rows[centres], minlength=len(ids))
        if n_lines:
            for row in range(len(ids)):
                samples[row].offer(tokens, centres[rows[centres] == row])
            beside = [centre[(rows[centre] == 0) & (row_of[context] > 0)] for centre, context in around]
            samples[-1].offer(tokens, np.unique(np.concatenate(beside)))
    table = counts.reshape(len(ids), n_words)
    table[:, : len(SPECIALS)] = 0
    *lines, together = (sample.lines() for sample in samples)
    return Contexts(np.array(ids, dtype=np.int64), table, occurrences, tuple(lines), together)


def _around(
    tokens: NDArray[np.uint32], centres: NDArray[np.int64], window: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint32]]]:
    """Yield, for every place in the window, the centres whose sentence reaches there and the ids that stand there."""
    for step in (1, -1):
        inside = centres
        for distance in range(1, window + 1):
            # Before the first token stands, by its index -1, the last one: an <eos> too.
            found = tokens[inside + step * distance]
            inside, found = inside[found != EOS], found[found != EOS]
            yield inside, found


def pmi(counts: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the pointwise mutual information, in bits, of words and contexts (Church and Hanks, 1990).

    log2 of how much more often a context stands near the word than its frequency in the training text would have it;
    0 where it never does.

    Parameters
    ----------
    counts : array of shape (n, n_words), a row for each word.
    probabilities : float64 array of shape (n_words,), of the contexts in the training text.

    Examples
    --------
    >>> pmi(np.array([[0, 2, 2]]), np.array([0.25, 0.25, 0.5])).tolist()
    [[0.0, 1.0, 0.0]]
    """
    totals = counts.sum(axis=1, keepdims=True)
    ratio = np.divide(
        counts, totals * probabilities, out=np.ones(counts.shape), where=(counts > 0) & (probabilities > 0)
    )
    information: NDArray[np.float64] = np.log2(ratio)
    return information


def discounted(
    pmi: NDArray[np.float64], counts: NDArray[np.int64], occurrences: NDArray[np.int64], frequencies: NDArray[np.uint64]
) -> NDArray[np.float64]:
    """Return positive PMI, made smaller where little was seen (Pantel and Lin, 2002), of the shape of `pmi`.

    It is multiplied by n / (n + 1) and m / (m + 1), where n is the count of the pair and m the smaller of the
    frequencies of word and context: a context seen once beside a word says half of what a common one says.

    Parameters
    ----------
    pmi, counts : arrays of shape (n, n_words).
    occurrences : of the words, shape (n,).
    frequencies : of the contexts in the training text, shape (n_words,).

    Examples
    --------
    >>> discounted(np.array([[6.0, -1.0]]), np.array([[1, 5]]), np.array([9]), np.array([2, 50], dtype=np.uint64))
    array([[2., 0.]])
    """
    fewer = np.minimum(occurrences[:, None], frequencies.astype(np.float64))
    smaller: NDArray[np.float64] = np.maximum(pmi, 0) * (counts / (counts + 1)) * (fewer / (fewer + 1))
    return smaller

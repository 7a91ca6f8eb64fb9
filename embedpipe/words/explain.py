"""Why two words are near each other: what the vectors say of them, and what the corpus shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import EmbedpipeError
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.contexts import Contexts, discounted, pmi
from embedpipe.words.hubness import Hubness, hubness
from embedpipe.words.table import Neighbour, WordVectors

__all__ = [
    "Comparison",
    "Evidence",
    "compare",
    "ngrams",
    "own_contexts",
    "place_of",
    "shared_contexts",
    "shared_ngrams",
]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A context of some words: its count beside each of them, and its PMI with each in bits."""

    context: str
    counts: tuple[int, ...]
    pmi: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a bundle alone knows of two words.

    Parameters
    ----------
    similarity : their cosine in [-1, 1].
    words : the two, each at this similarity.
    per_million : how often each is met among a million known tokens of the training text.
    places : where each stands among the neighbours of the other, from 1; None for a word without a vector.
    hubness : of both.
    ngrams : character n-grams that both have, longest first.
    ngram_share : their share of all n-grams of the two, in [0, 1] (Jaccard).
    """

    similarity: float
    words: tuple[Neighbour, Neighbour]
    per_million: tuple[float, float]
    places: tuple[int | None, int | None]
    hubness: Hubness
    ngrams: list[str]
    ngram_share: float


def compare(
    words: WordVectors, word_a: str, word_b: str, *, lengths: tuple[int, int] = (3, 6), seed: int = 1
) -> Comparison:
    """Say what the vectors and the vocabulary know of two words.

    Parameters
    ----------
    words : the table.
    lengths : shortest and longest character n-gram.
    seed : of the sample in which hubness is counted.

    Raises
    ------
    UnknownWordError
        For the first word that is not in the vocabulary.
    EmbedpipeError
        If both are the same word.

    Examples
    --------
    >>> rows = [[0, 0]] * 4 + [[1, 0], [1, 1], [0, 1]]
    >>> vocabulary = Vocabulary.from_counts({"cat": 3, "cats": 2, "car": 1})
    >>> found = compare(WordVectors(vocabulary, np.array(rows, dtype=np.float32)), "cat", "cats")
    >>> round(found.similarity, 3), found.places, found.ngrams
    (0.707, (1, 1), ['<cat', '<ca', 'cat'])
    """
    a, b = words.id(word_a), words.id(word_b)
    if a == b:
        raise EmbedpipeError(
            f"'{word_a}' and '{word_b}' are the same word of the vocabulary; compare two different ones"
        )
    similarity = words.similarity(word_a, word_b)
    first, second = words.neighbour(a, similarity), words.neighbour(b, similarity)
    common, share = shared_ngrams(first.word, second.word, *lengths)
    per_million = (words.vocabulary.probabilities[[a, b]] * 1e6).tolist()
    return Comparison(
        similarity,
        (first, second),
        (per_million[0], per_million[1]),
        (place_of(words, a, b), place_of(words, b, a)),
        hubness(words, [a, b], seed=seed),
        common,
        share,
    )


def place_of(words: WordVectors, word: int, other: int) -> int | None:
    """Return where `word` stands among the neighbours of `other` (ids), from 1; None where one has no vector.

    Equal similarities are in id order, as `WordVectors.similar` has them.
    """
    if not words.inverse_norms[[word, other]].all():
        return None
    (scores,) = words.cosines([other])
    scores[words.inverse_norms == 0] = -np.inf
    scores[other] = -np.inf
    return int(1 + (scores > scores[word]).sum() + (scores[:word] == scores[word]).sum())


def ngrams(word: str, shortest: int = 3, longest: int = 6) -> set[str]:
    """Return the character n-grams of a word between ``<`` and ``>``, as fastText has them (Bojanowski et al., 2017).

    >>> sorted(ngrams("cat", 3, 4))
    ['<ca', '<cat', 'at>', 'cat', 'cat>']
    """
    marked = f"<{word}>"
    return {marked[i : i + n] for n in range(shortest, longest + 1) for i in range(len(marked) - n + 1)}


def shared_ngrams(word_a: str, word_b: str, shortest: int = 3, longest: int = 6) -> tuple[list[str], float]:
    """Return the n-grams that two words share, longest first, and their share of all n-grams of the two."""
    a, b = ngrams(word_a, shortest, longest), ngrams(word_b, shortest, longest)
    return sorted(a & b, key=lambda gram: (-len(gram), gram)), len(a & b) / max(len(a | b), 1)


def shared_contexts(contexts: Contexts, rows: Sequence[int], vocabulary: Vocabulary, k: int = 10) -> list[Evidence]:
    """Return the contexts that speak most for the likeness of words.

    Best are those whose smallest discounted PMI (`discounted`) with the words is largest: what is typical of all of
    them. The words themselves are no contexts.

    Parameters
    ----------
    contexts : counts of some words.
    rows : which of them are compared, two or more.
    vocabulary : the id space.
    k : most contexts to return.

    Examples
    --------
    >>> from embedpipe.words.contexts import count_contexts
    >>> vocabulary = Vocabulary.from_counts({"the": 60, "drinks": 20, "tea": 9, "milk": 8, "hot": 5})
    >>> corpus = np.array([5, 4, 6, 3, 5, 4, 7, 3, 8, 6, 3], dtype=np.uint32)
    >>> found = count_contexts([corpus], [6, 7], window=2, n_words=9)
    >>> [(e.context, e.counts) for e in shared_contexts(found, [0, 1], vocabulary)]
    [('drinks', (1, 1))]
    """
    strength, counts, information = _strength(contexts, list(rows), vocabulary)
    return _evidence(strength.min(axis=0), counts, information, vocabulary, k)


def own_contexts(
    contexts: Contexts, rows: tuple[int, int], vocabulary: Vocabulary, k: int = 10
) -> tuple[list[Evidence], list[Evidence]]:
    """Return the contexts that tell two words apart: typical of one, and beside the other no more often than by chance.

    Takes what `shared_contexts` takes; the largest discounted PMI comes first.
    """
    strength, counts, information = _strength(contexts, list(rows), vocabulary)
    only_a = np.where(information[1] <= 0, strength[0], 0)
    only_b = np.where(information[0] <= 0, strength[1], 0)
    return (
        _evidence(only_a, counts, information, vocabulary, k),
        _evidence(only_b, counts, information, vocabulary, k),
    )


def _strength(
    contexts: Contexts, rows: list[int], vocabulary: Vocabulary
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    counts = contexts.counts[rows]
    information = pmi(counts, vocabulary.probabilities)
    strength = discounted(information, counts, contexts.occurrences[rows], vocabulary.counts)
    strength[:, contexts.ids[rows]] = 0
    return strength, counts, information


def _evidence(
    strength: NDArray[np.float64],
    counts: NDArray[np.int64],
    information: NDArray[np.float64],
    vocabulary: Vocabulary,
    k: int,
) -> list[Evidence]:
    order = np.argsort(-strength, kind="stable")[:k].tolist()
    return [
        Evidence(vocabulary.word(i), tuple(counts[:, i].tolist()), tuple(information[:, i].tolist()))
        for i in order
        if strength[i] > 0
    ]

"""Why two words are near each other: what the vectors say of them, and what the corpus shows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import EmbedpipeError
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.contexts import Contexts, discounted, pmi
from embedpipe.words.hubness import Hubness, hubness
from embedpipe.words.lookup import Found, Lookup
from embedpipe.words.subword import ngram_strings
from embedpipe.words.table import WordVectors

__all__ = [
    "Compared",
    "Comparison",
    "Evidence",
    "compare",
    "longest_first",
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
class Compared:
    """One of two words: what is None is not known, as nearly all is of a word made of n-grams.

    Parameters
    ----------
    word : the token whose vector it is, else the word asked for.
    found : where its vector came from.
    count : in the training text.
    per_million : how often it is met among a million known tokens of the training text.
    place : where it stands among the neighbours of the other word, from 1; None where one has no vector.
    stability : as in `embedpipe.words.table.Neighbour`.
    hubness : of how many words of a sample it is one of the nearest.
    """

    word: str
    found: Found
    count: int | None
    per_million: float | None
    place: int | None
    stability: float | None
    hubness: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a bundle alone knows of two words.

    Parameters
    ----------
    similarity : their cosine in [-1, 1]; 0 where one has a zero vector.
    words : the two.
    hubness : how it was counted, of those that are in the vocabulary.
    ngrams : character n-grams that both have, longest first.
    ngram_share : their share of all n-grams of the two, in [0, 1] (Jaccard).
    """

    similarity: float
    words: tuple[Compared, Compared]
    hubness: Hubness
    ngrams: list[str]
    ngram_share: float


def compare(lookup: Lookup, word_a: str, word_b: str, *, seed: int = 1) -> Comparison:
    """Say what the vectors and the vocabulary know of two words.

    Parameters
    ----------
    lookup : finds both; character n-grams are as long as it has them.
    seed : of the sample in which hubness is counted.

    Raises
    ------
    UnknownWordError
        For the first word that gets no vector.
    EmbedpipeError
        If both have the vector of the same word.

    Examples
    --------
    >>> rows = [[0, 0]] * 4 + [[1, 0], [1, 1], [0, 1]]
    >>> vocabulary = Vocabulary.from_counts({"cat": 3, "cats": 2, "car": 1})
    >>> found = compare(Lookup(WordVectors(vocabulary, np.array(rows, dtype=np.float32))), "cat", "cats")
    >>> round(found.similarity, 3), found.words[1].place, found.ngrams
    (0.707, 1, ['<cat', '<ca', 'cat'])
    """
    words, a, b = lookup.words, lookup.look_up(word_a), lookup.look_up(word_b)
    name_a, name_b = _token(words, a), _token(words, b)
    if name_a == name_b:
        raise EmbedpipeError(
            f"'{word_a}' and '{word_b}' are the same word of the vocabulary, '{name_a}'; compare two different ones"
            if a.id is not None
            else f"'{word_a}' and '{word_b}' are the same word; compare two different ones"
        )
    known = [found.id for found in (a, b) if found.id is not None]
    hubs = hubness(words, known, seed=seed)
    counts = iter(hubs.counts)
    compared = [
        _compared(words, one, other, None if one.id is None else next(counts)) for one, other in ((a, b), (b, a))
    ]
    common, share = shared_ngrams(name_a, name_b, *lookup.ngram_lengths)
    return Comparison(_cosine(a, b), (compared[0], compared[1]), hubs, common, share)


def _token(words: WordVectors, found: Found) -> str:
    return words.vocabulary.spelt(found.word) if found.id is None else words.vocabulary.word(found.id)


def _cosine(a: Found, b: Found) -> float:
    x, y = a.vector.astype(np.float64), b.vector.astype(np.float64)
    norms = np.linalg.norm(x) * np.linalg.norm(y)
    return float(np.clip(x @ y / norms, -1, 1)) if norms else 0.0


def _compared(words: WordVectors, one: Found, other: Found, hubs: int | None) -> Compared:
    place = _place(words, one, other)
    if one.id is None:
        return Compared(one.word, one, None, None, place, None, None)
    known = words.neighbour(one.id, 1.0)
    per_million = float(words.vocabulary.probabilities[one.id] * 1e6)
    return Compared(known.word, one, known.count, per_million, place, known.stability, hubs)


def _place(words: WordVectors, one: Found, other: Found) -> int | None:
    """Return where `one` stands among the neighbours of `other`, from 1; None where one has no vector."""
    if one.id is not None and other.id is not None:
        return place_of(words, one.id, other.id)
    norm = np.linalg.norm(other.vector)
    if not norm or not one.vector.any():
        return None
    scores = words.vectors @ (other.vector / norm) * words.inverse_norms
    scores[words.inverse_norms == 0] = -np.inf
    score = _cosine(one, other) if one.id is None else scores[one.id]
    if other.id is not None:
        scores[other.id] = -np.inf
    # Above by more than what the two ways to compute a cosine differ by.
    return int(1 + (scores > score + 1e-6).sum())


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
    return set(ngram_strings(word, shortest, longest))


def shared_ngrams(word_a: str, word_b: str, shortest: int = 3, longest: int = 6) -> tuple[list[str], float]:
    """Return the n-grams that two words share, longest first, and their share of all n-grams of the two."""
    a, b = ngrams(word_a, shortest, longest), ngrams(word_b, shortest, longest)
    return longest_first(a & b), len(a & b) / max(len(a | b), 1)


def longest_first(grams: Collection[str]) -> list[str]:
    """Return n-grams with the longest first, equally long ones in the order of their characters."""
    return sorted(grams, key=lambda gram: (-len(gram), gram))


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

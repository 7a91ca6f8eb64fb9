"""Texts that stand in two places, word for word or nearly: what was trained on beside what is tested.

A text is copied exactly where its words stand in the same order, whatever their case and punctuation: as a whole text,
or, from eight words on, within a longer one. It is copied nearly where the Jaccard similarity of the two sets of words
and pairs of neighbouring words reaches a threshold: at 0.8, one word in fifteen may have been changed, or a clause of a
long sentence moved. MinHash signatures and bands of them (Broder, 1997; Leskovec et al., 2014, chapter 3) find the
candidates; the similarity of each is then counted.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.leaks.word_rows import WordRows, jaccard, word_rows
from embedpipe.text.deduplicate import (
    PERMUTATIONS,
    Signatures,
    Signer,
    band_keys,
    minhash_permutations,
    mix,
    rows_per_band,
)
from embedpipe.text.numbering import take_rows

__all__ = ["SIMILARITY", "CopyFinder", "Matches", "number_groups", "overlap", "pair_numbers"]

SIMILARITY = 0.8
"""The Jaccard similarity from which two texts are near-duplicates, where nothing else is said."""

_SLACK = 0.25
"""Five standard deviations of an estimate from 64 permutations."""
_PAIRS_AT_ONCE, _PLACES_AT_ONCE = 20_000, 2_000_000
_MOST_ALIKE = 8
"""Of the texts that look like one, so many are compared with it: texts made by one pattern are all alike."""
_TABLE_BITS, _LOOKS = 24, 32
_RUN = 8
_ODD = 0x9E3779B97F4A7C15
_INVERSE = pow(_ODD, -1, 1 << 64)

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


class Matches(NamedTuple):
    """Pairs of texts that are copies: int64 numbers on both sides, and whether word for word, each of shape (n,)."""

    known: NDArray[np.int64]
    other: NDArray[np.int64]
    exact: NDArray[np.bool_]


class CopyFinder:
    """Find copies of known texts among other texts.

    Parameters
    ----------
    known : the texts that are looked for.
    threshold : the Jaccard similarity of words and pairs of words from which two texts match, in (0, 1].

    Examples
    --------
    >>> finder = CopyFinder(word_rows(["A dog barked.", "The cat sat."]))
    >>> matches = finder.find(word_rows(["nothing", "the cat sat"]))
    >>> matches.known.tolist(), matches.other.tolist(), matches.exact.tolist()
    ([1], [1], [True])
    """

    def __init__(self, known: WordRows, threshold: float = SIMILARITY) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"a similarity is above 0 and at most 1, not {threshold}")
        self._threshold, self._width = threshold, rows_per_band(threshold)
        filled = np.flatnonzero(known.sizes > 0)
        # Texts that are the same are looked for once; in the end each match is one of all of them.
        self._digests, first, number = np.unique(known.digests()[filled], return_index=True, return_inverse=True)
        self._distinct = known.take(filled[first])
        self._known = filled[np.argsort(number, kind="stable")]
        self._copies = np.bincount(number, minlength=len(first))
        members, sizes = self._distinct.members()
        self._members = _Table(members)
        self._signatures = _sign(members, sizes)
        self._bands = [_sorted(keys) for keys in self._keys(self._signatures)]
        self._long = np.flatnonzero(self._distinct.sizes >= _RUN)
        runs = _Runs(self._distinct.hashes)
        starts = (np.cumsum(self._distinct.sizes) - self._distinct.sizes)[self._long]
        heads = runs.digests(starts, _RUN)
        self._is_head, self._heads = _Table(heads), _sorted(heads)
        self._at_once = max(1, _PLACES_AT_ONCE // int(np.unique(heads, return_counts=True)[1].max(initial=1)))
        self._whole = runs.digests(starts, self._distinct.sizes[self._long])

    def find(self, others: WordRows, wholes: NDArray[np.int64] | None = None) -> Matches:
        """Return the pairs of a known text and one of `others` that are copies, each pair once.

        Of the pairs at the threshold 99 in 100 are found, of more similar ones more; their similarity is counted, not
        estimated. A text of `others` that has more than eight near copies is given with eight different ones.

        Parameters
        ----------
        others : texts.
        wholes : int64, how many of `others` in a row are one whole each, within which a known text may begin in one
            and end in another (its `other` is the one where it begins); None where each stands for itself.
        """
        place, same = _equal(self._digests, np.arange(len(self._digests)), others.digests())
        inside, begins = self._within(others, np.ones(len(others), dtype=np.int64) if wholes is None else wholes)
        near, alike = self._near(others)
        number, other = np.concatenate([place, inside, near]), np.concatenate([same, begins, alike])
        # What is there exactly stands before what is there nearly, and the first of equal pairs stays.
        first = np.unique(pair_numbers(number, other, len(others)), return_index=True)[1]
        number, other = number[first], other[first]
        copies = self._copies[number]
        return Matches(
            take_rows(self._known, self._copies, number),
            np.repeat(other, copies),
            np.repeat(first < len(place) + len(inside), copies),
        )

    def _within(self, others: WordRows, wholes: NDArray[np.int64]) -> Pairs:
        """Return the long distinct texts that stand in `others` word for word, and where they begin."""
        stops = np.cumsum(others.sizes)
        ends = np.concatenate([[0], stops])[np.cumsum(wholes)]
        runs = _Runs(others.hashes)
        starts = np.arange(max(0, len(others.hashes) - _RUN + 1))
        keys = runs.digests(starts, _RUN)
        starts = starts[self._is_head.may_hold(keys)]
        found = [np.empty((2, 0), dtype=np.int64)]
        for block in range(0, len(starts), self._at_once):
            begins = starts[block : block + self._at_once]
            head, place = _equal(*self._heads, keys[begins])
            begins, sizes = begins[place], self._distinct.sizes[self._long[head]]
            fits = begins + sizes <= ends[np.searchsorted(ends, begins, side="right")]
            begins, sizes, head = begins[fits], sizes[fits], head[fits]
            equal = runs.digests(begins, sizes) == self._whole[head]
            found.append(np.stack([self._long[head[equal]], np.searchsorted(stops, begins[equal], side="right")]))
        text, other = np.concatenate(found, axis=1)
        return text, other

    def _near(self, others: WordRows) -> Pairs:
        """Return the pairs of a distinct known text and one of `others` that are as similar as the threshold."""
        members, sizes = others.members()
        # A near copy shares `threshold` of what is in it with one known text; half of it leaves room for repeats.
        shared = np.concatenate([[0], np.cumsum(self._members.may_hold(members))])
        stops = np.cumsum(sizes)
        kept = np.flatnonzero((shared[stops] - shared[stops - sizes] >= self._threshold / 2 * sizes) & (sizes > 0))
        texts = others.take(kept)
        signatures = _sign(*texts.members())
        bands = zip(self._bands, self._keys(signatures), strict=True)
        candidates = np.concatenate(
            [pair_numbers(*_equal(*band, keys, _MOST_ALIKE), len(texts)) for band, keys in bands]
        )
        number, place = np.divmod(np.unique(candidates), max(1, len(texts)))
        agree = np.empty(len(number))
        for start in range(0, len(number), _PAIRS_AT_ONCE):
            block = slice(start, start + _PAIRS_AT_ONCE)
            agree[block] = (self._signatures[number[block]] == signatures[place[block]]).mean(axis=1)
        likely = _best(place, agree, self._threshold - _SLACK)
        number, place = number[likely], place[likely]
        similar = np.empty(len(number), dtype=np.bool_)
        for start in range(0, len(number), _PAIRS_AT_ONCE):
            block = slice(start, start + _PAIRS_AT_ONCE)
            both = jaccard(self._distinct.take(number[block]), texts.take(place[block]))
            similar[block] = both >= self._threshold
        return number[similar], kept[place[similar]]

    def _keys(self, signatures: Signatures) -> list[NDArray[np.uint64]]:
        return [band_keys(signatures[:, band : band + self._width]) for band in range(0, PERMUTATIONS, self._width)]


def overlap(texts_a: Sequence[str], texts_b: Sequence[str], threshold: float = SIMILARITY) -> Matches:
    """Return which texts of one set are copied in another, exactly or nearly.

    Parameters
    ----------
    texts_a : the `known` ones of the result: what is tested, the test part of a task say.
    texts_b : the `other` ones, in which they are looked for: the training part of the same or of another task, say.
    threshold : the Jaccard similarity of words and pairs of words from which two texts match, in (0, 1].

    Examples
    --------
    >>> found = overlap(["I liked it.", "A dull film"], ["Nothing new", "a DULL film!", "i liked it"])
    >>> list(zip(found.known.tolist(), found.other.tolist()))
    [(0, 2), (1, 1)]
    """
    return CopyFinder(word_rows(texts_a), threshold).find(word_rows(texts_b))


def number_groups(n: int, known: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the group of each of `n` texts, int64 of shape (n,): texts that match are of one group.

    A text that matches two others makes them one group, though they may match each other less.

    Parameters
    ----------
    n : texts.
    known, other : the numbers of the texts that match.

    Examples
    --------
    >>> number_groups(4, np.array([0, 1]), np.array([1, 3])).tolist()
    [0, 0, 1, 0]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(known), dtype=np.int8), (known, other)), shape=(n, n))
    groups: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups


class _Runs:
    """Digests of words in a row, wherever they begin: differences of one running sum, modulo 2^64."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        powers = np.cumprod(np.full(len(hashes), _ODD, dtype=np.uint64))
        self._sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(hashes * powers)])
        self._inverse = np.cumprod(np.full(len(hashes) + 1, _INVERSE, dtype=np.uint64))

    def digests(self, starts: NDArray[np.int64], sizes: NDArray[np.int64] | int) -> NDArray[np.uint64]:
        """Return a hash of the words from `starts` on, `sizes` of them each."""
        return mix((self._sums[starts + sizes] - self._sums[starts]) * self._inverse[starts])


def _sign(members: NDArray[np.uint64], sizes: NDArray[np.int64]) -> Signatures:
    return Signer(_permutations()).sign_sets((members >> np.uint64(32)).astype(np.uint32), sizes)


@cache
def _permutations() -> list[list[int]]:
    return minhash_permutations()


class _Table:
    """Recognises most hashes that are not among some by one look at a table, which is small where they are few."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        bits = min(max(_LOOKS * len(hashes), 1 << 10).bit_length(), _TABLE_BITS)
        self._shift = np.uint64(64 - bits)
        self._seen = np.zeros(1 << bits, dtype=np.bool_)
        self._seen[hashes >> self._shift] = True

    def may_hold(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return False for hashes that are not there; for others most often True only if they are."""
        seen: NDArray[np.bool_] = self._seen[hashes >> self._shift]
        return seen


def _sorted(keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    order = np.argsort(keys, kind="stable")
    return keys[order], order


def _best(places: NDArray[np.int64], agree: NDArray[np.float64], least: float) -> NDArray[np.int64]:
    """Return which pairs agree enough, of each place those that agree most, `_MOST_ALIKE` of them."""
    enough = np.flatnonzero(agree >= least)
    order = enough[np.lexsort((-agree[enough], places[enough]))]
    ranked = places[order]
    rank = np.arange(len(order)) - np.searchsorted(ranked, ranked)
    return order[rank < _MOST_ALIKE]


def pair_numbers(first: NDArray[np.int64], second: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return one number for each pair of numbers, of which the second are below `n`; `numpy.divmod` undoes it."""
    return first * n + second


def _equal(
    keys: NDArray[np.uint64], numbers: NDArray[np.int64], wanted: NDArray[np.uint64], most: int | None = None
) -> Pairs:
    """Return the numbers of the ascending `keys` that equal one of `wanted`, and the place of that one.

    Of more than `most` keys for one place, so many in a row are taken, others for the next place.
    """
    starts = np.searchsorted(keys, wanted)
    counts = np.searchsorted(keys, wanted, side="right") - starts
    taken = counts if most is None else np.minimum(counts, most)
    places = np.repeat(np.arange(len(wanted)), taken)
    within = np.arange(len(places)) - np.repeat(np.cumsum(taken) - taken, taken)
    if most is not None:
        within = (within + np.where(counts > most, np.arange(len(wanted)), 0)[places]) % counts[places]
    return numbers[starts[places] + within], places

"""Exact and near-duplicate documents: a digest of the tokens, and MinHash over word 5-grams (Broder, 1997).

The permutations are datasketch's ``affine32`` scheme; signatures are computed for a whole chunk of documents at once,
and banding (locality-sensitive hashing) sorts one band at a time, so that memory is a few bytes for each document.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PERMUTATIONS",
    "Signer",
    "band_keys",
    "digest_rows",
    "exact_duplicates",
    "minhash_permutations",
    "mix",
    "near_duplicates",
    "rows_per_band",
]

PERMUTATIONS = 64
SHINGLE = 5
MIN_TOKENS = 20
MAX_SHINGLES = 1024
_BLOCK = 4_096
_GROUP = 32_768
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Signatures = NDArray[np.uint32]


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return `values` scrambled by a fixed bijection (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def digest_rows(token_hashes: NDArray[np.uint64], sizes: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a hash of each row's tokens in their order, uint64 of shape (n_rows,): a polynomial modulo 2^64.

    Parameters
    ----------
    token_hashes : one uint64 for each token, row after row.
    sizes : tokens of each row.

    Examples
    --------
    >>> a, b, c = digest_rows(np.array([7, 8, 8, 7, 7, 8], dtype=np.uint64), np.array([2, 2, 2])).tolist()
    >>> a == c, a == b
    (True, False)
    """
    starts = np.cumsum(sizes) - sizes
    powers = np.cumprod(np.full(int(sizes.max(initial=0)) + 1, _MULTIPLIER))
    position = np.arange(len(token_hashes)) - np.repeat(starts, sizes)
    totals = np.zeros(len(sizes), dtype=np.uint64)
    filled = sizes > 0
    if filled.any():
        totals[filled] = np.add.reduceat(token_hashes * powers[position], starts[filled])
    return mix(totals ^ sizes.astype(np.uint64))


def minhash_permutations() -> list[list[int]]:
    """Return the multipliers and addends of datasketch's ``affine32`` permutations."""
    from datasketch import MinHash

    permutations = MinHash(num_perm=PERMUTATIONS, seed=1, scheme="affine32").permutations
    return [[int(value) for value in row] for row in permutations]


class Signer:
    """Compute the MinHash signatures of a chunk of documents.

    Parameters
    ----------
    permutations : what `minhash_permutations` returned; empty for no signatures.
    """

    def __init__(self, permutations: Sequence[Sequence[int]]) -> None:
        self._permutations = np.array(permutations, dtype=np.uint32).reshape(2, -1)

    def sign(self, token_hashes: NDArray[np.uint64], sizes: NDArray[np.int64]) -> Signatures:
        """Return uint32 signatures of shape (n_documents, permutations).

        Documents under 20 tokens have all bits set, which `near_duplicates` never matches. Of a long document only the
        1024 smallest shingle hashes count: a bottom-k sample, the same ones in every copy.

        Parameters
        ----------
        token_hashes : one uint64 for each token, document after document.
        sizes : tokens of each document.
        """
        signatures = np.full((len(sizes), self._permutations.shape[1]), 0xFFFFFFFF, dtype=np.uint32)
        long_enough = np.flatnonzero(sizes >= MIN_TOKENS)
        if not signatures.shape[1] or not len(long_enough):
            return signatures
        shingles = _shingles(token_hashes)
        stops = np.cumsum(sizes)
        parts = []
        for document in long_enough.tolist():
            stop = int(stops[document])
            part = shingles[stop - int(sizes[document]) : stop - SHINGLE + 1]
            if len(part) > MAX_SHINGLES:
                part = np.partition(part, MAX_SHINGLES - 1)[:MAX_SHINGLES]
            parts.append(part)
        signatures[long_enough] = self.sign_sets(np.concatenate(parts), np.array([len(part) for part in parts]))
        return signatures

    def sign_sets(self, hashes: NDArray[np.uint32], sizes: NDArray[np.int64]) -> Signatures:
        """Return the uint32 signatures, shape (n_sets, permutations), of sets of hashes.

        Parameters
        ----------
        hashes : of the members of all sets, set after set; a member may stand there twice.
        sizes : hashes of each set, one at least.
        """
        multipliers, addends = self._permutations
        signatures = np.empty((len(sizes), len(multipliers)), dtype=np.uint32)
        stops = np.cumsum(sizes)
        # Groups of sets that stay in the processor's cache while all permutations go over them.
        edges = [0, *(np.flatnonzero(np.diff(stops // _GROUP)) + 1).tolist(), len(sizes)]
        for first, last in pairwise(edges):
            if first == last:
                continue
            begin = int(stops[first] - sizes[first])
            kept = _finalise32(hashes[begin : int(stops[last - 1])])
            starts = stops[first:last] - sizes[first:last] - begin
            scratch = np.empty_like(kept)
            for k in range(len(multipliers)):
                np.multiply(kept, multipliers[k], out=scratch)
                np.add(scratch, addends[k], out=scratch)
                signatures[first:last, k] = np.minimum.reduceat(scratch, starts)
        return signatures


def exact_duplicates(digests: NDArray[np.uint64], wholes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return True for every document whose digest an earlier document has.

    Parameters
    ----------
    digests : of the tokens of each document.
    wholes : what each document is a part of: parts of one whole are no copies of each other.

    Examples
    --------
    >>> exact_duplicates(np.array([7, 3, 7, 7], dtype=np.uint64), np.arange(4)).tolist()
    [False, False, True, True]
    """
    _, first, group = np.unique(digests, return_index=True, return_inverse=True)
    repeated: NDArray[np.bool_] = wholes[first[group]] != wholes
    return repeated


def near_duplicates(
    parts: Callable[[], Iterable[Signatures]],
    candidates: NDArray[np.bool_],
    threshold: float,
    wholes: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return True for every candidate whose signature agrees with an earlier candidate's.

    Parameters
    ----------
    parts : called once for each band; gives the signatures of all documents, part after part.
    candidates : bool of shape (n_documents,): the documents to compare.
    threshold : the share of equal signature entries, an estimate of the Jaccard similarity, from which two match.
    wholes : what each document is a part of: parts of one whole are not compared.
    """
    repeated = np.zeros(len(candidates), dtype=np.bool_)
    rows = rows_per_band(threshold)
    for band in range(0, PERMUTATIONS, rows):
        keys = np.concatenate([band_keys(part[:, band : band + rows]) for part in parts()])
        members = np.flatnonzero(candidates & ~repeated & (keys != 0))
        order = members[np.argsort(keys[members], kind="stable")]
        del members
        same = keys[order[1:]] == keys[order[:-1]]
        if not same.any():
            continue
        group_start = np.maximum.accumulate(np.where(np.concatenate([[True], ~same]), np.arange(len(order)), 0))
        later = np.flatnonzero(same) + 1
        pairs = np.concatenate(
            [
                np.stack([order[group_start[later]], order[later]], axis=1),
                np.stack([order[later - 1], order[later]], axis=1),
            ]
        )
        pairs = np.unique(pairs[wholes[pairs[:, 0]] != wholes[pairs[:, 1]]], axis=0)
        repeated[pairs[_agree(parts, pairs, threshold), 1]] = True
    return repeated


def rows_per_band(threshold: float) -> int:
    """Return the widest band that still finds a pair at the threshold 99 times in 100."""
    for rows in (16, 8, 4, 2):
        if 1 - (1 - threshold**rows) ** (PERMUTATIONS // rows) >= 0.99:
            return rows
    return 1


def band_keys(columns: Signatures) -> NDArray[np.uint64]:
    """Return one key for each row, 0 for rows without a signature."""
    keys = np.zeros(len(columns), dtype=np.uint64)
    for column in columns.T:
        keys = mix(keys * np.uint64(31) + column.astype(np.uint64) + np.uint64(1))
    keys[keys == 0] = 1
    keys[(columns == 0xFFFFFFFF).all(axis=1)] = 0
    return keys


def _agree(parts: Callable[[], Iterable[Signatures]], pairs: NDArray[np.int64], threshold: float) -> NDArray[np.bool_]:
    """Return which pairs of documents have signatures that agree in at least the share `threshold`."""
    needed = np.unique(pairs)
    found = np.empty((len(needed), PERMUTATIONS), dtype=np.uint32)
    start = 0
    for part in parts():
        a, b = np.searchsorted(needed, [start, start + len(part)])
        found[a:b] = part[needed[a:b] - start]
        start += len(part)
    rows = np.searchsorted(needed, pairs)
    agreement = np.empty(len(pairs))
    for i in range(0, len(pairs), _BLOCK):
        first, second = rows[i : i + _BLOCK].T
        agreement[i : i + _BLOCK] = (found[first] == found[second]).mean(axis=1)
    return agreement >= threshold


def _shingles(token_hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Return a hash of the 5 tokens that begin at each position (shorter by 4 than the input)."""
    n = len(token_hashes) - SHINGLE + 1
    rolled = np.zeros(n, dtype=np.uint64)
    for offset in range(SHINGLE):
        rolled *= np.uint64(0x9E3779B97F4A7C15)
        rolled += token_hashes[offset : offset + n]
    return (rolled >> np.uint64(32)).astype(np.uint32)


def _finalise32(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    # The pre-mixing of datasketch's affine32 scheme (the finaliser of MurmurHash3).
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    values = (values ^ (values >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))

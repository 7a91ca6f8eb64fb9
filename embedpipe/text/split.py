"""Which documents are for training, which for validation, which for testing: decided by content and seed alone."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.deduplicate import mix

__all__ = [
    "DROPPED",
    "MIN_UNITS",
    "SPLITS",
    "hash_texts",
    "keep_share",
    "may_be_held_out",
    "split_documents",
    "units_of",
]

SPLITS = ("train", "validation", "test")
DROPPED = 255
MIN_UNITS = 20


def hash_texts(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Return a hash of each text as it was read: what `split_documents` decides by."""
    hashes = (blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(hashes), dtype="<u8").astype(np.uint64)


def may_be_held_out(hashes: NDArray[np.uint64], share: float, seed: int) -> NDArray[np.bool_]:
    """Return which documents `split_documents` may keep from training, however many others there are.

    It ranks by the same numbers, and `share` of all documents lies at the low end of their range. Twice that share is
    set apart here: with a hundred documents or more the ranks reach further less than once in three hundred corpora.

    Parameters
    ----------
    hashes : of `hash_texts`.
    share : of the validation and test documents together.
    """
    return _ranks(hashes, seed) < np.uint64(min(2 * share, 0.999) * 2.0**64)


def split_documents(
    hashes: NDArray[np.uint64], *, validation_share: float, test_share: float, seed: int
) -> NDArray[np.uint8]:
    """Return 0 (train), 1 (validation) or 2 (test) for each document.

    Documents are ranked by a seeded hash of their content, so that the order of the sources does not matter and equal
    documents stay together. There is at least one document in each split when there are at least three documents.

    Examples
    --------
    >>> splits = split_documents(np.arange(100, dtype=np.uint64), validation_share=0.1, test_share=0.05, seed=1)
    >>> np.bincount(splits).tolist()
    [85, 10, 5]
    """
    n = len(hashes)
    splits = np.zeros(n, dtype=np.uint8)
    if n < len(SPLITS):
        return splits
    n_validation = max(1, round(n * validation_share))
    n_test = max(1, min(round(n * test_share), n - n_validation - 1))
    keys = _ranks(hashes, seed)
    order = np.lexsort((np.arange(n), keys))
    splits[order[:n_validation]] = 1
    splits[order[n_validation : n_validation + n_test]] = 2
    # Where duplicates were kept, a run of equal documents must not lie across a border.
    for border in (n_validation, n_validation + n_test):
        i = border
        while 0 < i < n and keys[order[i]] == keys[order[border - 1]]:
            splits[order[i]] = splits[order[border - 1]]
            i += 1
    return splits


def keep_share(splits: NDArray[np.uint8], hashes: NDArray[np.uint64], share: float, seed: int) -> NDArray[np.uint8]:
    """Return the splits with all but a share of the training documents dropped; validation and test stay whole.

    The share is drawn by content and seed, so that a smaller one is a part of every larger one, and at least one
    document stays.

    Examples
    --------
    >>> hashes = np.arange(100, dtype=np.uint64)
    >>> splits = split_documents(hashes, validation_share=0.1, test_share=0.1, seed=1)
    >>> half, quarter = (keep_share(splits, hashes, share, seed=1) for share in (0.5, 0.25))
    >>> np.bincount(half[half != DROPPED]).tolist(), np.bincount(quarter[quarter != DROPPED]).tolist()
    ([40, 10, 10], [20, 10, 10])
    >>> bool((half[quarter == 0] == 0).all())
    True
    """
    training = np.flatnonzero(splits == 0)
    # Other numbers than those that drew the splits: the training documents are the upper ones of these.
    ranks = mix(_ranks(hashes[training], seed) ^ np.uint64(0xA5A5A5A5A5A5A5A5))
    n_kept = max(1, round(share * len(training)))
    left = splits.copy()
    left[training[np.lexsort((training, ranks))[n_kept:]]] = DROPPED
    return left


def _ranks(hashes: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    return mix(hashes ^ mix(np.full(1, seed, dtype=np.uint64)))


def units_of(documents: NDArray[np.uint32], run: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the sizes of the runs of at most `run` sentences that documents of these sizes are cut into, and the
    document that each run comes from. An empty document stays one empty run.

    Examples
    --------
    >>> sizes, sources = units_of(np.array([5, 0, 2], dtype=np.uint32), 2)
    >>> sizes.tolist(), sources.tolist()
    ([2, 2, 1, 0, 2], [0, 0, 0, 1, 2])
    """
    pieces = np.maximum(1, -(-documents.astype(np.int64) // run))
    sizes = np.full(int(pieces.sum()), run, dtype=np.int64)
    sizes[np.cumsum(pieces) - 1] = documents - (pieces - 1) * run
    return sizes.astype(np.uint32), np.repeat(np.arange(len(documents)), pieces)

"""How often two tokens stood side by side in training: what a sentence gives away without being understood."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.linguistic.pool import Codec
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS

__all__ = ["BIGRAM_CUES", "BigramCounts", "BigramCues", "count_bigrams"]

BIGRAM_CUES = "bigram counts"
"""The name of the baseline."""

_AT_MOST = 5_000_000


@dataclass(frozen=True, eq=False)
class BigramCounts:
    """Counts of pairs of ids; sentence ends are ``<eos>`` on both sides.

    Parameters
    ----------
    keys : uint64, ascending: first id times 2**32 plus second id.
    counts : int64 of the same shape.
    """

    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]

    def of(self, first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return how often `second` followed `first`, int64 of their shape; 0 where it never did."""
        keys = _keys(first, second)
        if not len(self.keys):
            return np.zeros(keys.shape, dtype=np.int64)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, self.counts[places], 0)


def count_bigrams(store: TokenStore, *, at_most: int = _AT_MOST) -> BigramCounts:
    """Return the counts of neighbouring ids in the first `at_most` tokens of a store.

    The ends of sentences count as tokens: what begins a sentence follows the ``<eos>`` of the one before.
    """
    tokens = np.asarray(store.tokens[:at_most])
    keys, counts = np.unique(_keys(tokens[:-1], tokens[1:]), return_counts=True)
    return BigramCounts(keys, counts.astype(np.int64))


@dataclass(frozen=True, eq=False)
class BigramCues:
    """Texts as what the counts of their bigrams say: a baseline without any vector.

    Parameters
    ----------
    codec : reads the texts.
    bigrams : counts of the training text.
    """

    codec: Codec
    bigrams: BigramCounts

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the mean and the lowest of log(1 + count), and the share of unseen bigrams: float32 of shape (n, 3).

        A text without a token is a zero row.
        """
        features = np.zeros((len(texts), 3), dtype=np.float32)
        ids, lengths = self.codec.encode_flat(texts)
        full = np.flatnonzero(lengths)
        if not len(full):
            return features
        ends = np.cumsum(lengths[full])
        starts = ends - lengths[full]
        before, after = np.insert(ids, ends, EOS), np.insert(ids, starts, EOS)
        seen = np.log1p(self.bigrams.of(after, before))
        begins = starts + np.arange(len(full))
        n_bigrams = lengths[full] + 1
        features[full, 0] = np.add.reduceat(seen, begins) / n_bigrams
        features[full, 1] = np.minimum.reduceat(seen, begins)
        features[full, 2] = np.add.reduceat((seen == 0).astype(np.float64), begins) / n_bigrams
        return features


def _keys(first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.uint64]:
    return first.astype(np.uint64) << np.uint64(32) | second.astype(np.uint64)

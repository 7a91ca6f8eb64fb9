"""Damage to sentences, so that an encoder learns what survives it: on padded batches of ids, without a loop over words.

Each function takes a share and a generator of torch on the device of the batch (None for its global one, which a
checkpoint of training holds), and returns a new batch. A share of 0 gives the batch itself back.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.nn.batches import Padded, compact
from embedpipe.nn.layers import length_mask
from embedpipe.text.vocabulary import SPECIALS, UNK

__all__ = ["Damage", "Synonyms", "delete_words", "drop_words", "nearest_words", "replace_words", "swap_words"]

_NEAREST = 10
_FREQUENT = 20_000
_BLOCK = 1_024
SYNONYM_COSINE = 0.5
"""Words below this cosine, in the space of the sentence vectors, are not taken for each other."""


def drop_words(batch: Padded, p: float, generator: torch.Generator | None = None) -> Padded:
    """Turn a share `p` of the words into ``<unk>``; a row that would lose all its words keeps them."""
    if p == 0.0:
        return batch
    dropped = _spared(_drawn(batch, p, generator), batch)
    return Padded(batch.ids.masked_fill(dropped, UNK), batch.lengths)


def delete_words(batch: Padded, p: float, generator: torch.Generator | None = None) -> Padded:
    """Take out a share `p` of the words; a row that would lose all its words keeps them."""
    if p == 0.0:
        return batch
    return compact(batch, ~_spared(_drawn(batch, p, generator), batch))


def swap_words(batch: Padded, p: float, generator: torch.Generator | None = None) -> Padded:
    """Let a share `p` of the words, at most half of them, change places with the one after them.

    No word moves twice: each row is cut into pairs from its first or from its second word on, and of these pairs
    the share 2 `p` is turned round.
    """
    if p == 0.0:
        return batch
    ids = batch.ids
    n, time = ids.shape
    parity = torch.rand(n, 1, device=ids.device, generator=generator) < 0.5
    position = torch.arange(time, device=ids.device)
    left = (position % 2 == parity) & (position + 1 < batch.lengths[:, None]) & _drawn(batch, min(2 * p, 1), generator)
    right = torch.zeros_like(left)
    right[:, 1:] = left[:, :-1]
    source = position + left.long() - right.long()
    return Padded(ids.gather(1, source), batch.lengths)


@dataclass(frozen=True, eq=False)
class Synonyms:
    """The nearest words of each word.

    Parameters
    ----------
    words : int64, shape (n_tokens, 10), nearest first.
    counts : int64, shape (n_tokens,): how many of them are near enough.
    """

    words: Tensor
    counts: Tensor

    def to(self, device: torch.device) -> "Synonyms":
        """Return the table on a device."""
        return Synonyms(self.words.to(device), self.counts.to(device))


def nearest_words(vectors: NDArray[np.float32], cosine: float = SYNONYM_COSINE) -> Synonyms:
    """Return for each frequent word the ten that are nearest, as far as their cosine is at least `cosine`.

    Only the 20,000 most frequent words have synonyms and are ones: of a rare word, the nearest are seldom its equals.

    Parameters
    ----------
    vectors : float32, shape (n_tokens, dim), unit rows, most frequent first after the specials.

    Examples
    --------
    >>> table = nearest_words(np.array([[0, 0]] * 4 + [[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32), 0.7)
    >>> table.words[4, 0].item(), table.words[5, 0].item(), table.counts.tolist()
    (5, 4, [0, 0, 0, 0, 1, 1, 0])
    """
    first, n = len(SPECIALS), len(vectors)
    frequent = np.ascontiguousarray(vectors[first : first + _FREQUENT])
    words = np.zeros((n, _NEAREST), dtype=np.int64)
    counts = np.zeros(n, dtype=np.int64)
    k = min(_NEAREST, len(frequent) - 1)
    for start in range(0, len(frequent) if k > 0 else 0, _BLOCK):
        cosines = frequent[start : start + _BLOCK] @ frequent.T
        rows = np.arange(len(cosines))
        cosines[rows, rows + start] = -1.0
        near = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        near = np.take_along_axis(near, np.argsort(-np.take_along_axis(cosines, near, axis=1), axis=1), axis=1)
        words[first + start : first + start + len(rows), :k] = near + first
        close = np.take_along_axis(cosines, near, axis=1) >= cosine
        counts[first + start : first + start + len(rows)] = close.sum(axis=1)
    return Synonyms(torch.from_numpy(words), torch.from_numpy(counts))


def replace_words(batch: Padded, p: float, synonyms: Synonyms, generator: torch.Generator | None = None) -> Padded:
    """Replace a share `p` of the words by one of their synonyms; a word without any stays."""
    if p == 0.0:
        return batch
    counts = synonyms.counts[batch.ids]
    chosen = _drawn(batch, p, generator) & (counts > 0)
    uniform = torch.rand(batch.ids.shape, device=batch.ids.device, generator=generator)
    column = (uniform * counts).long().clamp(max=_NEAREST - 1)
    return Padded(torch.where(chosen, synonyms.words[batch.ids, column], batch.ids), batch.lengths)


@dataclass(frozen=True, eq=False)
class Damage:
    """The damages of a training, done in this order: synonyms, swaps, deletions, words made unknown."""

    word_p: float = 0.0
    delete_p: float = 0.0
    swap_p: float = 0.0
    synonym_p: float = 0.0
    synonyms: Synonyms | None = None

    def __call__(self, batch: Padded, generator: torch.Generator | None = None) -> Padded:
        """Return the batch damaged; rows stay where they are."""
        if self.synonyms is not None:
            batch = replace_words(batch, self.synonym_p, self.synonyms, generator)
        batch = swap_words(batch, self.swap_p, generator)
        batch = delete_words(batch, self.delete_p, generator)
        return drop_words(batch, self.word_p, generator)


def _drawn(batch: Padded, p: float, generator: torch.Generator | None) -> Tensor:
    """Return a bool tensor of shape (batch, time), True at a share `p` of the words, drawn one by one."""
    uniform = torch.rand(batch.ids.shape, device=batch.ids.device, generator=generator)
    return (uniform < p) & length_mask(batch.lengths, batch.ids.shape[1])


def _spared(hit: Tensor, batch: Padded) -> Tensor:
    """Return `hit` without the rows in which it would leave no word."""
    return hit & (hit.sum(dim=1) < batch.lengths)[:, None]

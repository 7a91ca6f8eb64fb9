"""Interpolated Kneser-Ney: the n-gram model that a neural one has to beat."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import ConfigError
from embedpipe.generation.ngrams.discounts import N_CLASSES, count_of_counts, estimated_discounts
from embedpipe.generation.ngrams.suffixes import Suffixes, sort_stream
from embedpipe.text.vocabulary import EOS

__all__ = ["KneserNey"]

_BLOCK = 3_000_000
"""Occurrences of contexts that are counted at once."""
_KEY_BITS = 64


@dataclass(frozen=True, slots=True)
class KneserNey:
    """An n-gram model of a token stream; made by `KneserNey.fit`.

    The probability of a token *w* after a context *h* of *n* - 1 tokens is::

        p(w | h) = max(a(h w) - D, 0) / a(h ·) + D N(h) / a(h ·) · p(w | h without its oldest token)

    where *a* is the count at the highest order and at the others the number of different tokens before *h w*, *D* the
    discount for that count and *N(h)* the number of different tokens after *h* (one term for each discount). A
    context that was never seen passes on to the shorter one.

    Parameters
    ----------
    index : the sorted stream.
    discounts : float64, shape (order, 4): what is taken from counts of 0, 1, 2 and 3 or more at each order.
    base : float64, shape (n_tokens,): the probabilities without a context.
    """

    index: Suffixes
    discounts: NDArray[np.float64]
    base: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        train: NDArray[np.uint32],
        n_tokens: int,
        *,
        order: int = 5,
        discount: float | None = None,
        floor: bool = True,
        across: bool = True,
    ) -> "KneserNey":
        """Count a stream.

        Parameters
        ----------
        train : ids of the stream, sentences closed by ``<eos>``; it is kept, not copied, and may be memory-mapped.
        n_tokens : size of the vocabulary.
        order : tokens of the longest n-gram, the predicted one counted; 1 is a unigram model.
        discount : one for all counts and orders (Kneser and Ney, 1995), above 0 and at most 1. None: three for each
            order, estimated (Chen and Goodman, 1999), which is the stronger model.
        floor : the unigrams are discounted too, and what is taken is spread evenly over the vocabulary, so that no
            token is impossible. Without it, tokens that were never seen have the probability 0, as in NLTK.
        across : contexts reach over the ends of sentences, as the state of a neural model does.

        Raises
        ------
        ConfigError
            If an argument is out of its range, or the stream is empty or does not fit the vocabulary.

        Examples
        --------
        >>> stream = np.array([4, 5, 4, 5, 4, 6, 4, 5], dtype=np.uint32)
        >>> model = KneserNey.fit(stream, 7, order=2, discount=0.5, floor=False)
        >>> np.exp(model.log_probabilities([4])).round(3).tolist()  # 4 5 three times, 4 6 once; 5, 6 once, 4 twice
        [0.0, 0.0, 0.0, 0.0, 0.125, 0.688, 0.188]
        """
        if order < 1:
            raise ConfigError(f"order is {order}; n-grams have at least 1 token")
        if discount is not None and not 0 < discount <= 1:
            raise ConfigError(f"discount is {discount}; expected a number above 0 and at most 1")
        index = sort_stream(train, n_tokens, depth=order, across=across)
        n_grams, unigrams = count_of_counts(index)
        if discount is None:
            discounts = estimated_discounts(n_grams)
        else:
            discounts = np.tile(discount * (np.arange(N_CLASSES) > 0), (order, 1))
        return cls(index, discounts, _without_context(unigrams, discounts[0] if floor else np.zeros(N_CLASSES)))

    @property
    def order(self) -> int:
        """Tokens of the longest n-gram."""
        return self.index.depth

    def losses(self, tokens: NDArray[np.uint32]) -> NDArray[np.float64]:
        """Return the negative log-probability, in nats, of every token after the first of each row.

        Parameters
        ----------
        tokens : ids of shape (rows, time + 1); the first of each row is read and not predicted, and nothing is known
            of what stands before it.

        Returns
        -------
        float64 array of shape (rows, time); inf for a token of probability 0, which only a model without a floor has.

        Raises
        ------
        ConfigError
            If an id is not below the size of the vocabulary.
        """
        return np.stack(self.document_losses(list(tokens))) if len(tokens) else np.zeros((0, tokens.shape[1] - 1))

    def document_losses(self, documents: Sequence[NDArray[np.uint32]]) -> list[NDArray[np.float64]]:
        """Return what `losses` does for rows of different lengths, in the time of one call.

        Parameters
        ----------
        documents : uint32 ids of at least one token each, such as `by_documents` gives.

        Returns
        -------
        One float64 array for each document, one shorter than it.
        """
        sizes = np.array([len(document) - 1 for document in documents], dtype=np.int64)
        if not sizes.sum():
            return [np.zeros(0) for _ in documents]
        row = np.concatenate([document[:-1] for document in documents]).astype(np.int64)
        targets = np.concatenate([document[1:] for document in documents]).astype(np.int64)
        if (largest := max(int(row.max()), int(targets.max()))) >= self.index.n_tokens:
            raise ConfigError(f"the text holds id {largest}, but the vocabulary has {self.index.n_tokens} tokens")
        ends = np.cumsum(sizes)
        where = np.arange(len(row)) - np.repeat(ends - sizes, sizes)
        probability, at = self.base[targets], np.arange(len(row))
        low, high = self.index.starts[row], self.index.starts[row + 1]
        for length in range(1, self.order):
            if length > 1:
                kept = where[at] >= length - 1
                at, low, high = at[kept], low[kept], high[kept]
                oldest = row[at - length + 1]
                low, high = self.index.narrow(low, high, length - 1, oldest)
            seen = low < high
            if not self.index.across and length > 1:
                seen &= row[at - length + 2] != EOS
            at, low, high = at[seen], low[seen], high[seen]
            if not len(at):
                break
            probability[at] = self._interpolated(length, low, high, targets[at], probability[at])
        with np.errstate(divide="ignore"):
            return np.split(-np.log(probability), ends[:-1])

    def log_probabilities(self, context: NDArray[np.integer] | list[int]) -> NDArray[np.float64]:
        """Return the log-probability of every token of the vocabulary after a context.

        Parameters
        ----------
        context : ids, the last one nearest; all but the nearest `order` - 1 are ignored, and it may be empty.

        Returns
        -------
        float64 array of shape (n_tokens,), in nats.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary.
        """
        nearest = np.asarray(context, dtype=np.int64)[::-1][: self.order - 1]
        if len(nearest) and not 0 <= nearest.min() <= nearest.max() < self.index.n_tokens:
            raise ConfigError(f"a context holds ids from 0 to {self.index.n_tokens - 1}, not {nearest[::-1].tolist()}")
        probability = self.base.copy()
        for length, oldest in enumerate(nearest, start=1):
            if length == 1:
                low, high = self.index.starts[[oldest]], self.index.starts[[oldest + 1]]
            else:
                low, high = self.index.narrow(low, high, length - 1, nearest[length - 1 : length])
            if low[0] == high[0] or (not self.index.across and length > 1 and nearest[length - 2] == EOS):
                break
            for _, follower, count in self._followers(length, low, high):
                discounts = self.discounts[length][np.minimum(count, N_CLASSES - 1)]
                probability *= discounts.sum() / count.sum()
                probability[follower] += (count - discounts) / count.sum()
        with np.errstate(divide="ignore"):
            logarithm: NDArray[np.float64] = np.log(probability)
        return logarithm

    def _interpolated(
        self,
        length: int,
        low: NDArray[np.int64],
        high: NDArray[np.int64],
        targets: NDArray[np.int64],
        shorter: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the probabilities of targets after contexts, given those after the contexts one token shorter."""
        low, first, which = np.unique(low, return_index=True, return_inverse=True)
        high, n_tokens = high[first], self.index.n_tokens
        order = np.argsort(which, kind="stable")
        which, targets = which[order], targets[order]
        total, taken, own = np.zeros(len(low)), np.zeros(len(low)), np.zeros(len(which))
        for context, follower, count in self._followers(length, low, high):
            discounts = self.discounts[length][np.minimum(count, N_CLASSES - 1)]
            total += np.bincount(context, count, minlength=len(low))
            taken += np.bincount(context, discounts, minlength=len(low))
            asked = slice(*np.searchsorted(which, [context[0], context[-1] + 1]))
            keys, wanted = context * n_tokens + follower, which[asked] * n_tokens + targets[asked]
            place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            own[asked] = np.where(keys[place] == wanted, (count - discounts)[place], 0.0)
        taken[total == 0] = total[total == 0] = 1.0
        mixed = np.empty(len(shorter))
        mixed[order] = (own + taken[which] * shorter[order]) / total[which]
        return mixed

    def _followers(
        self, length: int, low: NDArray[np.int64], high: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """Yield what follows contexts that fill ranges of the index, one block of contexts after the other.

        Yields
        ------
        context, follower, count : int64 arrays, sorted by context (its number among the ranges) and follower; a
            context that nothing follows has no entry, and a block without any is left out.
        """
        index = self.index
        bits = np.uint64(index.n_tokens.bit_length())
        sizes, block = high - low, min(_BLOCK, 1 << (_KEY_BITS - 2 * int(bits)))
        edges = np.searchsorted(np.cumsum(sizes), np.arange(block, int(sizes.sum()) + block, block), side="left") + 1
        begin = 0
        for stop in np.unique(np.minimum(edges, len(sizes))).tolist():
            context = np.repeat(np.arange(stop - begin, dtype=np.uint64), sizes[begin:stop])
            offset = np.cumsum(sizes[begin:stop]) - sizes[begin:stop]
            places = np.arange(len(context)) + np.repeat(low[begin:stop] - offset, sizes[begin:stop])
            positions = index.positions[places]
            inside = positions < len(index.tokens) - 1
            positions, context = positions[inside], context[inside]
            keys = (context << bits) | index.tokens[positions + 1]
            if length < index.depth - 1:
                before = index.before(positions, length)
                if not index.across:
                    opens = index.before(positions, length - 1) == EOS
                    before[opens] = index.n_tokens
                keys, count = _different(np.sort((keys << bits) | before), bits, index)
            else:
                keys, count = np.unique(keys, return_counts=True)
            if len(keys):
                numbers = (keys >> bits).astype(np.int64) + begin
                yield numbers, (keys & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64), count
            begin = stop


def _different(
    keys: NDArray[np.uint64], bits: np.uint64, index: Suffixes
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the sorted keys without the token before, and how many different ones each has; those with none go."""
    if not len(keys):
        return keys, np.zeros(0, dtype=np.int64)
    new = np.concatenate([[True], keys[1:] != keys[:-1]])
    beyond = (keys & ((np.uint64(1) << bits) - np.uint64(1))) == index.n_tokens
    counted = new & ~beyond if index.across else new | beyond
    short = keys >> bits
    starts = np.flatnonzero(np.concatenate([[True], short[1:] != short[:-1]]))
    count = np.add.reduceat(counted, starts, dtype=np.int64)
    return short[starts][count > 0], count[count > 0]


def _without_context(unigrams: NDArray[np.int64], discounts: NDArray[np.float64]) -> NDArray[np.float64]:
    if not unigrams.sum():
        return np.full(len(unigrams), 1 / len(unigrams))
    taken = discounts[np.minimum(unigrams, N_CLASSES - 1)]
    base: NDArray[np.float64] = (unigrams - taken + taken.sum() / len(unigrams)) / float(unigrams.sum())
    return base

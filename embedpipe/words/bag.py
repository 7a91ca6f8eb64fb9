"""Sentence vectors by a weighted average of word vectors: NumPy alone, over a hundred thousand sentences a second.

The weights are those of SIF, a / (a + p(w)) (Arora et al., 2017, "A Simple but Tough-to-Beat Baseline for Sentence
Embeddings"). SIF then removes the first principal component of the sentences that it happens to be given; here full
Zipfian whitening of the word vectors takes that place (Yokoi et al., 2024), so that a sentence has one vector, whatever
stands beside it in a batch.

Whitened vectors are scaled to length 1 before they are weighted. Words of middling frequency come out of whitening
several times longer than frequent and rare ones, which is a second weighting and undoes the first: with it a would have
to be thirty times smaller than the value that is customary and right otherwise.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.codec import check_texts
from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.postprocess import unit_rows, zipfian_whitening

if TYPE_CHECKING:
    from embedpipe.text.codec import TextCodec

__all__ = ["Bag", "BagEncoder", "fit_bag", "plain_average", "sif_weights"]

_NUMBERS = 400_000
"""Gathered numbers held at once (1.6 MB): they stay in the processor cache, and memory does not grow with the batch."""
_TEXTS_AT_ONCE = 8_192


def sif_weights(probabilities: NDArray[np.float64], a: float) -> NDArray[np.float32]:
    """Return the SIF weights a / (a + p), float32 of shape (n,); 0 for the specials.

    >>> sif_weights(np.array([0, 0, 0, 0, 0.003, 0.001]), 0.001).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.25, 0.5]
    """
    weights = (a / (a + probabilities)).astype(np.float32)
    weights[: len(SPECIALS)] = 0.0
    return weights


def fit_bag(vectors: NDArray[np.float32], probabilities: NDArray[np.float64], a: float = 1e-3) -> "Bag":
    """Return the SIF sentence space over `vectors`, whitened in full under `probabilities` and scaled to length 1.

    Parameters
    ----------
    vectors : float32 array of shape (n, dim), as trained.
    probabilities : float64 array of shape (n,), unigram probabilities, 0 for the specials.
    a : smoothing of the SIF weights.
    """
    return Bag(unit_rows(zipfian_whitening(vectors, probabilities)), sif_weights(probabilities, a))


def plain_average(vectors: NDArray[np.float32]) -> "Bag":
    """Return the unweighted average of `vectors` as they are: the baseline that everything is compared with."""
    weights = np.ones(len(vectors), dtype=np.float32)
    weights[: len(SPECIALS)] = 0.0
    return Bag(vectors, weights)


class Bag:
    """Sentence vectors as weighted sums of word vectors, scaled to length 1.

    Parameters
    ----------
    vectors : float32 array of shape (n, dim), row *i* for id *i*; may be a read-only memory map.
    weights : float32 array of shape (n,); 0 for tokens that say nothing (specials, unknown words).

    Examples
    --------
    >>> bag = plain_average(np.array([[0, 0]] * 4 + [[3, 0], [0, 4]], dtype=np.float32))
    >>> bag.encode_ids([np.array([4, 5], dtype=np.uint32), np.array([1], dtype=np.uint32)]).round(2).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """

    def __init__(self, vectors: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
        if vectors.ndim != 2 or weights.shape != (len(vectors),):
            raise ValueError(f"vectors of shape {vectors.shape} do not go with weights of shape {weights.shape}")
        self.vectors = np.asarray(vectors)
        self.weights = np.asarray(weights)

    @property
    def dim(self) -> int:
        """Width of a sentence vector."""
        return int(self.vectors.shape[1])

    def encode_ids(self, ids: Sequence[NDArray[np.uint32]]) -> NDArray[np.float32]:
        """Return one vector per sequence of ids.

        Parameters
        ----------
        ids : integer arrays of shape (n_tokens,) each; they may be empty.

        Returns
        -------
        float32 C-contiguous array of shape (len(ids), dim): rows of length 1, or zero where no token has a weight.
            A row does not depend on the others. No ids give shape (0, dim).
        """
        lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
        return self.encode_flat(np.concatenate([np.empty(0, np.uint32), *ids]), lengths)

    def encode_flat(self, ids: NDArray[np.uint32], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return one vector per text, as `encode_ids`.

        Parameters
        ----------
        ids : shape (n_tokens,), the ids of all texts one after the other.
        lengths : shape (n,), how many each text has; they add up to n_tokens.
        """
        result = np.zeros((len(lengths), self.dim), dtype=np.float32)
        if not len(lengths):
            return result
        tokens_at_once = max(1, _NUMBERS // max(self.dim, 1))
        ends = np.cumsum(lengths)
        cuts = np.flatnonzero(np.diff((ends - 1) // tokens_at_once)) + 1
        for start, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), len(lengths)], strict=True):
            tokens = ids[ends[start] - lengths[start] : ends[stop - 1]]
            self._sum_into(result[start:stop], tokens, lengths[start:stop])
        norms = np.sqrt(np.einsum("ij,ij->i", result, result))[:, None]
        np.divide(result, norms, out=result, where=norms > 0)
        return result

    def _sum_into(self, rows: NDArray[np.float32], tokens: NDArray[np.uint32], lengths: NDArray[np.int64]) -> None:
        weights, vectors = self.weights[tokens], self.vectors[tokens]
        stop = 0
        # One small product per text: faster than a segmented sum over the block, and blind to the rest of the batch.
        for row, length in zip(rows, lengths.tolist(), strict=True):
            start, stop = stop, stop + length
            if length:
                np.dot(weights[start:stop], vectors[start:stop], out=row)


class BagEncoder:
    """Texts to sentence vectors with a bag: the contract of the sentence encoder, without torch.

    Parameters
    ----------
    codec : text to ids.
    bag : the sentence space.
    """

    def __init__(self, codec: "TextCodec", bag: Bag) -> None:
        self.codec, self.bag = codec, bag

    @property
    def dim(self) -> int:
        """Width of a sentence vector."""
        return self.bag.dim

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector per text.

        Parameters
        ----------
        texts : any number of texts.

        Returns
        -------
        float32 C-contiguous array of shape (len(texts), dim), row *i* for ``texts[i]``: length 1, or zero where no
            token is known. ``[]`` gives shape (0, dim).

        Raises
        ------
        TypeError
            If `texts` is a single string.
        """
        check_texts(texts)
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        # Slices keep the ids of a large request out of memory.
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            stop = start + _TEXTS_AT_ONCE
            vectors[start:stop] = self.bag.encode_flat(*self.codec.encode_flat(texts[start:stop]))
        return vectors

    def encode_ids(self, ids: Sequence[NDArray[np.uint32]]) -> NDArray[np.float32]:
        """Return one vector per sequence of ids, as `Bag.encode_ids`."""
        return self.bag.encode_ids(ids)

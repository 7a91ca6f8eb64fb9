"""Texts to vectors with a trained encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from embedpipe.nn.batches import batches_by_tokens, pad
from embedpipe.sentences.network import SentenceNetwork
from embedpipe.text.codec import check_texts

if TYPE_CHECKING:
    from embedpipe.text.codec import TextCodec

__all__ = ["Analysis", "SentenceEncoder"]

WINDOW = 512
_TOKENS_AT_ONCE = 16_384
_TEXTS_AT_ONCE = 8_192


@dataclass(frozen=True, slots=True)
class Analysis:
    """Vectors and what they were made from, row *i* for text *i*.

    Parameters
    ----------
    vectors : float32, shape (n, dim): what `SentenceEncoder.encode` returns.
    coverage : float32, shape (n,): share of the tokens that the encoder knows, 0 for a text without tokens.
    n_tokens : int64, shape (n,): tokens of each text.
    windowed : bool, shape (n,): the text is longer than one window and was encoded in several.
    empty : bool, shape (n,): no token is known, so the vector is zero.
    """

    vectors: NDArray[np.float32]
    coverage: NDArray[np.float32]
    n_tokens: NDArray[np.int64]
    windowed: NDArray[np.bool_]
    empty: NDArray[np.bool_]


class SentenceEncoder:
    """Texts to unit vectors: a codec and a trained network.

    No text is cut. One of more than 512 tokens is encoded in windows of 512, and its vector is the mean of theirs
    weighted by their known tokens, scaled to unit length.

    Parameters
    ----------
    codec : text to ids.
    network : ids to vectors; used where it lies, CPU or GPU.
    """

    def __init__(self, codec: "TextCodec", network: SentenceNetwork) -> None:
        self.codec = codec
        self.network = network.eval()
        self._known = network.known.cpu().numpy() > 0

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.network.shape.dim

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector per text.

        Parameters
        ----------
        texts : a sequence of texts. A text gives the same vector, to 1e-6, in whatever company it stands.

        Returns
        -------
        float32 array of shape (len(texts), dim), C-contiguous
            A text without a known token gives a zero row; no texts give shape (0, dim).

        Raises
        ------
        TypeError
            If `texts` is a bare string, or holds anything but strings.
        """
        check_texts(texts)
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        # Slices keep the ids of a large request out of memory.
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            stop = start + _TEXTS_AT_ONCE
            vectors[start:stop] = self.encode_ids(self.codec.encode_many(texts[start:stop]))
        return vectors

    def encode_ids(self, sequences: Sequence[NDArray[np.uint32]]) -> NDArray[np.float32]:
        """Return one unit vector per sequence of ids, as `encode` does; `sequences` may be empty."""
        windows, owner = _windows(sequences)
        encoded = np.zeros((len(windows), self.dim), dtype=np.float32)
        lengths = np.fromiter(map(len, windows), dtype=np.int64, count=len(windows))
        device = self.network.embedding.weight.device
        with torch.inference_mode():
            for chosen in batches_by_tokens(lengths, _TOKENS_AT_ONCE):
                batch = pad([windows[i] for i in chosen], device)
                encoded[chosen] = self.network(batch.ids, batch.lengths).cpu().numpy()
        if len(windows) == len(sequences):
            return encoded
        mass = np.array([self._known[window].sum() for window in windows], dtype=np.float32)
        vectors = np.zeros((len(sequences), self.dim), dtype=np.float32)
        np.add.at(vectors, owner, encoded * mass[:, None])
        parts = np.bincount(owner, minlength=len(sequences))
        vectors[parts == 1] = encoded[parts[owner] == 1]
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        several = (parts > 1) & (norms[:, 0] > 0)
        vectors[several] /= norms[several]
        return vectors

    def analyze(self, texts: Sequence[str]) -> Analysis:
        """Return the vectors of `encode` with the coverage of each text and whether it was windowed or empty."""
        sequences = self.codec.encode_many(texts)
        n_tokens = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
        n_known = np.array([int(self._known[ids].sum()) for ids in sequences], dtype=np.int64)
        coverage = (n_known / np.maximum(n_tokens, 1)).astype(np.float32)
        return Analysis(self.encode_ids(sequences), coverage, n_tokens, n_tokens > WINDOW, n_known == 0)


def _windows(sequences: Sequence[NDArray[np.uint32]]) -> tuple[list[NDArray[np.uint32]], NDArray[np.int64]]:
    """Return the sequences with the long ones cut into windows, and the sequence that each window is of."""
    windows: list[NDArray[np.uint32]] = []
    owner: list[int] = []
    for i, ids in enumerate(sequences):
        for start in range(0, max(len(ids), 1), WINDOW):
            windows.append(ids[start : start + WINDOW])
            owner.append(i)
    return windows, np.array(owner, dtype=np.int64)

"""Texts to vectors with a trained encoder."""

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from embedpipe.nn.batches import TokenSource, batches_by_tokens
from embedpipe.nn.frozen import FrozenPrecision
from embedpipe.nn.parallel import each, one_thread
from embedpipe.nn.precision import without_rounding
from embedpipe.runtime import DeviceName, n_torch_threads, resolve_device
from embedpipe.sentences.frozen import freeze_network
from embedpipe.sentences.network import SentenceNetwork
from embedpipe.text.codec import check_texts
from embedpipe.text.vocabulary import PAD

if TYPE_CHECKING:
    from embedpipe.text.codec import TextCodec

__all__ = ["Analysis", "SentenceEncoder"]

WINDOW = 512
_TOKENS_AT_ONCE = 16_384
_ROWS_AT_ONCE = 256
_FEW_ROWS = 32
"""Gates of so many sequences, 1 MB at hidden 256, stay in the processor cache with the weights."""
_FEW_TOKENS = 512
"""Up to which it is quicker to sort the ids than to mark them in the vocabulary."""
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
    network : ids to vectors; used on the device and with the weights that it has now (`to` makes one on another).
    precision : ``fp32``; ``bf16``; or, for an LSTM on a CPU, ``int8``. The lower ones are faster and give a little
        other vectors (`nn.frozen`).

    Raises
    ------
    ConfigError
        If the network or the processor cannot do int8.
    """

    def __init__(self, codec: "TextCodec", network: SentenceNetwork, precision: FrozenPrecision = "fp32") -> None:
        self.codec = codec
        self.network = network.eval()
        self.precision: FrozenPrecision = precision
        self._known = network.known.cpu().numpy() > 0
        with torch.inference_mode():
            self._over = freeze_network(network, precision)

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.network.shape.dim

    def at(self, precision: FrozenPrecision) -> "SentenceEncoder":
        """Return the same encoder at another precision."""
        return SentenceEncoder(self.codec, self.network, precision)

    def to(self, device: DeviceName) -> "SentenceEncoder":
        """Return the same encoder on another device; this one stays where it is.

        Parameters
        ----------
        device : ``cpu``, ``cuda``, or ``auto``, a GPU where there is one. Vectors of fp32 are the same on both to 1e-5.

        Raises
        ------
        ConfigError
            If torch sees no such device, or the encoder is one of int8, which a GPU does not compute.
        """
        where = resolve_device(device)
        return SentenceEncoder(self.codec, copy.deepcopy(self.network).to(where), self.precision)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector per text.

        Parameters
        ----------
        texts : a sequence of texts. A text gives the same vector, to 1e-6 (on a GPU 1e-5), in whatever company it
            stands.

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
            vectors[start:stop] = self.encode_flat(*self.codec.encode_flat(texts[start:stop]))
        return vectors

    def encode_ids(self, sequences: Sequence[NDArray[np.uint32]]) -> NDArray[np.float32]:
        """Return one unit vector per sequence of ids, as `encode` does; `sequences` may be empty."""
        lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
        return self.encode_flat(np.concatenate([np.empty(0, np.uint32), *sequences]), lengths)

    def encode_flat(self, ids: NDArray[np.uint32], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return one unit vector per text, as `encode` does.

        Parameters
        ----------
        ids : shape (n_tokens,), the ids of all texts one after the other.
        lengths : shape (n,), how many each text has; they add up to n_tokens.
        """
        n_windows = np.maximum(-(-lengths // WINDOW), 1)
        owner = np.repeat(np.arange(len(lengths)), n_windows)
        done = (np.arange(len(owner)) - (np.cumsum(n_windows) - n_windows)[owner]) * WINDOW
        starts = (np.cumsum(lengths) - lengths)[owner] + done
        sizes = np.minimum(lengths[owner] - done, WINDOW)
        encoded = self._encode_windows(ids, starts, sizes)
        if len(owner) == len(lengths):
            return encoded
        known_before = np.concatenate([[0], np.cumsum(self._known[ids])])
        mass = (known_before[starts + sizes] - known_before[starts]).astype(np.float32)
        vectors = np.zeros((len(lengths), self.dim), dtype=np.float32)
        np.add.at(vectors, owner, encoded * mass[:, None])
        vectors[n_windows == 1] = encoded[(n_windows == 1)[owner]]
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        several = (n_windows > 1) & (norms[:, 0] > 0)
        vectors[several] /= norms[several]
        return vectors

    def _encode_windows(
        self, ids: NDArray[np.uint32], starts: NDArray[np.int64], sizes: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        encoded = np.zeros((len(starts), self.dim), dtype=np.float32)
        distinct, numbers = self._distinct(ids)
        # Threads that wait for each other cost more than they save on a few words, far more beside other work.
        with torch.inference_mode(), one_thread() if len(distinct) <= _ROWS_AT_ONCE else nullcontext():
            encode_batch = self._over(torch.from_numpy(distinct))
        source = TokenSource(numbers, torch.device("cpu"))

        def work(chosen: NDArray[np.int64]) -> None:
            batch = source.gather(starts[chosen], sizes[chosen])
            with torch.inference_mode():
                encoded[chosen] = encode_batch(batch.ids, batch.lengths).numpy()

        rows = min(max(-(-len(sizes) // n_torch_threads()), _FEW_ROWS), _ROWS_AT_ONCE)
        with without_rounding(self.network.known.device):
            each(work, list(batches_by_tokens(sizes, _TOKENS_AT_ONCE, rows)))
        return encoded

    def _distinct(self, ids: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Return the distinct ids, the padding first, and the place among them of each id."""
        if len(ids) < _FEW_TOKENS:
            found, places = np.unique(np.append(ids, np.uint32(PAD)), return_inverse=True)
            return found.astype(np.int64), places[:-1].astype(np.uint32)
        seen = np.zeros(len(self._known), dtype=bool)
        seen[PAD] = True
        seen[ids] = True
        distinct = np.flatnonzero(seen)
        place = np.empty(len(seen), dtype=np.uint32)
        place[distinct] = np.arange(len(distinct), dtype=np.uint32)
        return distinct, place[ids]

    def analyze(self, texts: Sequence[str]) -> Analysis:
        """Return the vectors of `encode` with the coverage of each text and whether it was windowed or empty."""
        ids, n_tokens = self.codec.encode_flat(texts)
        known_before = np.concatenate([[0], np.cumsum(self._known[ids])])
        ends = np.cumsum(n_tokens)
        n_known = known_before[ends] - known_before[ends - n_tokens]
        coverage = (n_known / np.maximum(n_tokens, 1)).astype(np.float32)
        return Analysis(self.encode_flat(ids, n_tokens), coverage, n_tokens, n_tokens > WINDOW, n_known == 0)

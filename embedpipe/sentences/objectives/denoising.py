"""Denoising: a decoder writes a sentence from the vector of a damaged one (TSDAE; Wang et al., 2021)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.nn.batches import Batch, TokenSource
from embedpipe.nn.layers import length_mask
from embedpipe.nn.softmax import SampledSoftmax
from embedpipe.nn.spans import batches_of, sentences
from embedpipe.sentences.damage import delete_words, drop_words
from embedpipe.sentences.objectives.objective import Setup, mean_figure
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import BOS, EOS

if TYPE_CHECKING:
    from embedpipe.sentences.network import SentenceNetwork

__all__ = ["Decoder", "DenoisingObjective", "token_counts"]

_DELETED = 0.6
"""Share of the words kept from the encoder: the best in the paper."""
_UNSEEN = 0.5
"""Share of the words kept from the decoder, which could else do without the vector (Bowman et al., 2016)."""
_SAMPLES = 2_048
_TOKENS_AT_ONCE = 10_000_000


class Decoder(nn.Module):
    """An LSTM that predicts each next token from the ones before it and from the sentence's vector.

    Parameters
    ----------
    word_dim, dim : widths of the word vectors, which are its input and its output table, and of the sentence vectors.
    hidden : width of the LSTM.
    probabilities : shape (n_tokens,), of the tokens, above zero: what it predicts at the start.
    """

    def __init__(self, word_dim: int, dim: int, hidden: int, probabilities: Tensor) -> None:
        super().__init__()
        self.lstm = nn.LSTM(word_dim + dim, hidden, batch_first=True)
        self.output = nn.Linear(hidden, word_dim)
        self.bias = nn.Parameter(probabilities.log())

    def forward(self, words: Tensor, vectors: Tensor) -> Tensor:
        """Return what is compared with the table of words, shape (batch, time, word_dim).

        Parameters
        ----------
        words : shape (batch, time, word_dim), embeddings of the tokens before each.
        vectors : shape (batch, dim), of the sentences.
        """
        time = words.shape[1]
        given = vectors[:, None, :].expand(-1, time, -1) * vectors.shape[1] ** 0.5
        hidden, _ = self.lstm(torch.cat([words * words.shape[2] ** 0.5, given.to(words.dtype)], dim=2))
        written: Tensor = self.output(hidden)
        return written


class DenoisingObjective:
    """The mean loss of each token of a sentence, given the vector of what is left of it.

    Parameters
    ----------
    store, source : the sentences, and their tokens where batches are gathered.
    weight : share of the steps.
    setup : batch and so on; its damage comes on top of the deletions.
    network : the encoder, whose table of words the decoder shares.
    hidden : width of the decoder.
    """

    name = "denoising"
    agreement = ""
    agree = staticmethod(mean_figure)

    def __init__(
        self,
        store: TokenStore,
        source: TokenSource,
        weight: float,
        setup: Setup,
        network: "SentenceNetwork",
        hidden: int,
    ) -> None:
        self.source, self.weight, self.setup = source, weight, setup
        self.draw = sentences(store, setup.max_tokens)
        n_tokens, word_dim = network.embedding.weight.shape
        counts = token_counts(store, n_tokens)
        probabilities = torch.from_numpy((counts + 1.0) / (counts + 1.0).sum()).float()
        self.embedding = network.embedding
        decoder = Decoder(word_dim, network.shape.dim, hidden, probabilities)
        self.decoder = decoder.to(setup.device)
        self.softmax = SampledSoftmax(counts, _SAMPLES, setup.device, sparse=setup.device.type == "cpu")

    @property
    def heads(self) -> nn.Module:
        """The decoder."""
        return self.decoder

    def batches(self, start: int) -> Iterator[Batch]:
        """Yield batch number `start` and all that follow."""
        seed = self.setup.seed_of(self.name)
        return batches_of(self.draw, self.source, self.setup.batch, seed=seed, start=start)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the estimated mean loss of a token, in nats."""
        rows, table = batch.rows, self.embedding.weight
        left = delete_words(rows, _DELETED) if network.training else rows
        vectors = self.setup.vectors(network, left)
        seen = drop_words(rows, _UNSEEN) if network.training else rows
        words = F.embedding(F.pad(seen.ids, (1, 0), value=BOS), table, sparse=self.softmax.sparse)
        written = self.decoder(words, vectors)  # (batch, time + 1, word_dim)
        last = F.one_hot(rows.lengths, rows.ids.shape[1] + 1)
        targets = F.pad(rows.ids, (0, 1)) + EOS * last
        inside = length_mask(rows.lengths + 1, targets.shape[1])
        return self.softmax(table, self.decoder.bias, written[inside], targets[inside])

    def measure(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss and NaN."""
        loss = self.loss(network, batch)
        return loss, torch.full_like(loss, torch.nan)


def token_counts(store: TokenStore, n_tokens: int) -> NDArray[np.float64]:
    """Return how often each token stands in `store`, float64 of shape (n_tokens,)."""
    counts = np.zeros(n_tokens, dtype=np.float64)
    for start in range(0, len(store.tokens), _TOKENS_AT_ONCE):
        counts += np.bincount(store.tokens[start : start + _TOKENS_AT_ONCE], minlength=n_tokens)
    return counts

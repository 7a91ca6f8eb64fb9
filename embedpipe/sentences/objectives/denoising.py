"""Denoising: a language model writes a sentence from the vector of a damaged one (TSDAE; Wang et al., 2021)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embedpipe.nn.batches import Batch, TokenSource
from embedpipe.nn.spans import batches_of, sentences
from embedpipe.sentences.damage import delete_words
from embedpipe.sentences.objectives.objective import Setup, mean_figure
from embedpipe.text.token_store import TokenStore

__all__ = ["Decoder", "DenoisingObjective", "MakeDecoder"]

_DELETED = 0.6
"""Share of the words kept from the encoder: the best in the paper."""


@dataclass(frozen=True, eq=False)
class Decoder:
    """What writes sentences from their vectors, trained beside the encoder.

    Parameters
    ----------
    network : called with unit vectors of shape (batch, dim), their sentences as `Padded`, and how many rows it is to
        read at once (0 is all); gives the mean loss of a token in nats. In training it sees part of the words alone.
    sparse, dense : its tables of words, those of which a step reads a few rows and those of which it reads all; the
        weight decay is not for them.
    """

    network: nn.Module
    sparse: tuple[nn.Parameter, ...] = ()
    dense: tuple[nn.Parameter, ...] = ()


MakeDecoder = Callable[[TokenStore, int, torch.device], Decoder]
"""The sentences to be written, the width of the vectors and where to train, to a decoder, drawn from torch's global
generator: made above this room, where language models are known."""


class DenoisingObjective:
    """The mean loss of each token of a sentence, given the vector of what is left of it.

    Parameters
    ----------
    store, source : the sentences, and their tokens where batches are gathered.
    weight : share of the steps.
    setup : batch and so on; its damage comes on top of the deletions.
    decoder : writes the sentences.
    """

    name = "denoising"
    agreement = ""
    agree = staticmethod(mean_figure)

    def __init__(self, store: TokenStore, source: TokenSource, weight: float, setup: Setup, decoder: Decoder) -> None:
        self.source, self.weight, self.setup, self.decoder = source, weight, setup, decoder
        self.draw = sentences(store, setup.max_tokens)

    @property
    def heads(self) -> nn.Module:
        """The decoder's network."""
        return self.decoder.network

    def batches(self, start: int) -> Iterator[Batch]:
        """Yield batch number `start` and all that follow."""
        seed = self.setup.seed_of(self.name)
        return batches_of(self.draw, self.source, self.setup.batch, seed=seed, start=start)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the estimated mean loss of a token, in nats."""
        left = delete_words(batch.rows, _DELETED) if network.training else batch.rows
        loss: Tensor = self.decoder.network(self.setup.vectors(network, left), batch.rows, self.setup.at_once)
        return loss

    def measure(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss and NaN."""
        loss = self.loss(network, batch)
        return loss, torch.full_like(loss, torch.nan)

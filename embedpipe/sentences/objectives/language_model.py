"""Language model: what was read up to a word says the next one, in both directions (ELMo; Peters et al., 2018)."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from embedpipe.errors import ConfigError
from embedpipe.nn.batches import Batch, Padded, TokenSource
from embedpipe.nn.distributed import n_processes, share_of_rows
from embedpipe.nn.layers import length_mask
from embedpipe.nn.readers import one_way_sides
from embedpipe.nn.softmax import SampledSoftmax
from embedpipe.nn.spans import batches_of, sentences
from embedpipe.sentences.network import SentenceNetwork
from embedpipe.sentences.objectives.objective import Setup, mean_figure
from embedpipe.text.token_store import TokenStore

__all__ = ["LanguageModelObjective"]

_SAMPLES = 1_024
"""Words that a batch is compared with."""
_CHUNK = 1 << 22
"""Tokens counted at once."""
_LITTLE = 1e-9


class LanguageModelObjective:
    """The mean loss of a word, given what a direction of the reader has read before it.

    The probability of a word is exp(its log frequency + the product of its vector and a linear map of the state), over
    the sum of all. The vectors are those that are read, which this objective does not move as what is said. Unknown
    words are read and not asked for, and sentences are not damaged.

    Parameters
    ----------
    store, source : the sentences, and their tokens where batches are gathered.
    weight : share of the steps.
    setup : batch and so on.
    network : whose reader and word vectors it is about.

    Raises
    ------
    ConfigError
        If no output of the reader depends on the words of one side alone.
    """

    name = "language_model"
    agreement = ""
    agree = staticmethod(mean_figure)

    def __init__(
        self, store: TokenStore, source: TokenSource, weight: float, setup: Setup, network: SentenceNetwork
    ) -> None:
        self.sides = () if network.reader is None else one_way_sides(network.reader)
        if not self.sides:
            raise ConfigError(
                "sentences.language_model is above 0, and no output of this encoder depends on the words of one side "
                "alone: set it to 0, or train a bilstm of one layer, an lstm, gru or rnn"
            )
        self.source, self.weight, self.setup = source, weight, setup
        self.draw = sentences(store, setup.max_tokens)
        known = network.known.cpu().numpy() > 0
        counts = np.where(known, _counts(store.tokens, network.shape.n_tokens), 0.0).clip(min=1.0)
        self.softmax = SampledSoftmax(counts, _SAMPLES, setup.device, sparse=False)
        self.log_frequency = torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32)).to(setup.device)
        widths = [side.stop - side.start for side, _ in self.sides]
        maps = [nn.Linear(width, network.shape.word_dim, bias=False) for width in widths]
        self.maps = nn.ModuleList(maps).to(setup.device)

    @property
    def heads(self) -> nn.Module:
        """The map of each direction."""
        return self.maps

    def batches(self, start: int) -> Iterator[Batch]:
        """Yield batch number `start` and all that follow."""
        seed = self.setup.seed_of(self.name)
        return batches_of(self.draw, self.source, self.setup.batch, seed=seed, start=start)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the estimated mean loss of a word in nats, over both directions."""
        assert isinstance(network, SentenceNetwork)
        rows, share = batch.rows, 1
        if torch.is_grad_enabled() and n_processes() > 1:
            # The mean over the processes, which fit takes of gradients and losses, is then the mean over all words.
            rows, share = share_of_rows(batch.rows), n_processes()
        whole = batch.rows.ids, batch.rows.lengths
        asked = torch.stack([self._asked(network, *whole, step).sum() for _, step in self.sides]).sum()
        return self._sum(network, rows) * share / asked.clamp(min=1)

    def measure(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss and NaN."""
        loss = self.loss(network, batch)
        return loss, torch.full_like(loss, torch.nan)

    def _sum(self, network: SentenceNetwork, rows: Padded) -> Tensor:
        at_once = self.setup.at_once
        if not 0 < at_once < len(rows.lengths):
            return self._losses(network, rows.ids, rows.lengths)
        parts = zip(torch.split(rows.ids, at_once), torch.split(rows.lengths, at_once), strict=True)
        if not torch.is_grad_enabled():
            return torch.stack([self._losses(network, *part) for part in parts]).sum()
        return torch.stack([checkpoint(self._losses, network, *part, use_reentrant=False) for part in parts]).sum()

    def _losses(self, network: SentenceNetwork, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the sum over all words that are asked for."""
        outputs = network.output_dropout(network.reading(ids, lengths).outputs)
        said, targets, weights = [], [], []
        for (side, step), to_words in zip(self.sides, self.maps, strict=True):
            said.append((to_words(outputs[:, _before(step), side]) * network.feature_scale).flatten(0, 1))
            targets.append(ids[:, _before(-step)].flatten())
            weights.append(self._asked(network, ids, lengths, step).flatten())
        weight = torch.cat(weights)
        table = network.embedding.weight.detach()
        # Where nothing is asked for, all are asked for a little, and the sum is zero.
        mean = self.softmax(table, self.log_frequency, torch.cat(said), torch.cat(targets), weight + _LITTLE)
        return mean * weight.sum()

    def _asked(self, network: SentenceNetwork, ids: Tensor, lengths: Tensor, step: int) -> Tensor:
        """Return 1 for each word that is known and has one before it in reading order, else 0: (batch, time - 1)."""
        both = length_mask(lengths, ids.shape[1])[:, 1:]
        return network.known[ids[:, _before(-step)]] * both


def _before(step: int) -> slice:
    """Return the places that have one after them, going by steps of 1 or of -1."""
    return slice(None, -1) if step == 1 else slice(1, None)


def _counts(tokens: NDArray[np.uint32], n_tokens: int) -> NDArray[np.float64]:
    """Return how often each token stands in the text."""
    counts = np.zeros(n_tokens)
    for start in range(0, len(tokens), _CHUNK):
        counts += np.bincount(tokens[start : start + _CHUNK], minlength=n_tokens)
    return counts

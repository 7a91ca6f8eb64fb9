"""Several objectives in one training: one of them is drawn for each batch, by weight."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from embedpipe.nn.batches import Batch
from embedpipe.sentences.objectives.denoising import DenoisingObjective
from embedpipe.sentences.objectives.objective import Objective

__all__ = ["Mixed", "Mixture", "Trainee"]

_BLOCK = 1_024


@dataclass(frozen=True, slots=True)
class Mixed:
    """A batch and the number of the objective that it is of."""

    objective: int
    batch: Batch


class Mixture:
    """The batches of several objectives, in an order and with shares that follow from the seed and the weights.

    Parameters
    ----------
    objectives : at least one, of weights above zero.
    seed : of the order.
    """

    def __init__(self, objectives: Sequence[Objective], seed: int) -> None:
        self.objectives, self.seed = objectives, seed
        weights = np.cumsum([objective.weight for objective in objectives])
        self.limits = weights[:-1] / weights[-1]

    def drawn(self, block: int) -> NDArray[np.int64]:
        """Return the objectives of batches 1024 `block` to 1024 `block` + 1023."""
        uniform = np.random.default_rng([self.seed, block]).random(_BLOCK)
        return np.searchsorted(self.limits, uniform, side="right").astype(np.int64)

    def batches(self, start: int) -> Iterator[Mixed]:
        """Yield batch number `start` and all that follow; each objective goes on from where it was."""
        block, within = divmod(start, _BLOCK)
        before = [self.drawn(i) for i in range(block)] + [self.drawn(block)[:within]]
        done = np.bincount(np.concatenate(before), minlength=len(self.objectives)).tolist()
        streams = [objective.batches(n) for objective, n in zip(self.objectives, done, strict=True)]
        for number in count(block):
            for i in self.drawn(number)[within if number == block else 0 :].tolist():
                yield Mixed(i, next(streams[i]))


class Trainee(nn.Module):
    """The network and what is trained beside it, as one module from a mixed batch to a loss.

    Parameters
    ----------
    network : the encoder.
    objectives : in the order of the mixture.
    l1 : factor on the sum of the sizes of all weights of matrices, the tables of words not counted.
    """

    def __init__(self, network: nn.Module, objectives: Sequence[Objective], l1: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.heads = nn.ModuleList(objective.heads for objective in objectives if objective.heads is not None)
        self.objectives, self.l1 = tuple(objectives), l1

    def decoder_tables(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Return the tables beside the network's own: those read in part, and those read whole."""
        decoders = [one.decoder for one in self.objectives if isinstance(one, DenoisingObjective)]
        return [table for one in decoders for table in one.sparse], [table for one in decoders for table in one.dense]

    def forward(self, mixed: Mixed) -> Tensor:
        """Return the loss of a batch."""
        loss = self.objectives[mixed.objective].loss(self.network, mixed.batch)
        if not self.l1:
            return loss
        tables = {id(module.weight) for module in self.modules() if isinstance(module, nn.Embedding)}
        tables.update(id(table) for kind in self.decoder_tables() for table in kind)
        weights = [p for p in self.parameters() if p.requires_grad and p.ndim > 1 and id(p) not in tables]
        return loss + self.l1 * sum((p.abs().sum() for p in weights), start=loss.new_zeros(()))

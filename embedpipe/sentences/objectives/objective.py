"""What every objective has, and the settings that they share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from zlib import crc32

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.nn.batches import Batch, Padded
from embedpipe.nn.distributed import n_processes
from embedpipe.nn.memory import Parts
from embedpipe.sentences.damage import Damage
from embedpipe.sentences.embed import embed
from embedpipe.sentences.nested import truncate

if TYPE_CHECKING:
    from embedpipe.config import SentencesConfig

__all__ = ["Objective", "Setup", "mean_figure"]


class Objective(Protocol):
    """A source of batches and a loss over them."""

    @property
    def name(self) -> str:
        """The kind, and for labelled data the file after a colon."""

    @property
    def weight(self) -> float:
        """Its share of the steps is its weight among those of all objectives."""

    @property
    def heads(self) -> nn.Module | None:
        """What is trained beside the network and not kept, such as a classifier."""

    @property
    def agreement(self) -> str:
        """What the figure of `agree` is called; empty where there is none."""

    def batches(self, start: int) -> Iterator[Batch]:
        """Yield batch number `start` and all that follow; batch *k* depends on the seed and *k* alone."""

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the loss that gradients are taken of, a scalar."""

    def measure(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss, and what `agree` makes of all batches how well the network does."""

    def agree(self, seen: Sequence[Tensor]) -> float:
        """Return a measure that people read, NaN where there is none, from what `measure` saw in each batch."""


def mean_figure(seen: Sequence[Tensor]) -> float:
    """Return the mean of a figure over batches.

    >>> mean_figure([torch.tensor(0.5), torch.tensor(1.0)])
    0.75
    """
    return sum(map(float, seen)) / len(seen)


@dataclass(frozen=True, slots=True)
class Setup:
    """What the objectives of one training share; names as in `SentencesConfig`.

    Parameters
    ----------
    own : components, at the end of the vectors, that are what the network reads; 0 where it has none of its own.
    """

    batch: int
    device: torch.device
    seed: int
    max_tokens: int = 64
    temperature: float = 0.05
    nested_dims: tuple[int, ...] = ()
    micro_batch: int = 0
    damage: Damage = field(default_factory=Damage)
    own: int = 0
    parts: Parts | None = None
    """Where memory runs out, a batch is read in more parts than `micro_batch` asks for."""

    @classmethod
    def of(
        cls,
        config: "SentencesConfig",
        *,
        seed: int,
        device: torch.device,
        damage: Damage,
        own: int = 0,
        parts: Parts | None = None,
    ) -> "Setup":
        """Return the setup that `config` asks for; several processes share a batch of `config.batch` rows for each."""
        return cls(
            config.batch * n_processes(),
            device,
            seed,
            config.max_tokens,
            config.temperature,
            config.nested_dims,
            config.micro_batch,
            damage,
            own,
            parts,
        )

    @property
    def at_once(self) -> int:
        """Rows that are read at once; 0 is all."""
        return self.micro_batch if self.parts is None else self.parts.at_once

    def seed_of(self, name: str) -> int:
        """Return a seed of an objective's own, so that two objectives do not draw the same numbers."""
        return self.seed << 32 | crc32(name.encode())

    def views(self, vectors: Tensor) -> list[Tensor]:
        """Return all that is to be good as vectors: the nested widths, what the network reads, and the whole, last.

        What stands beside the average with a small share would learn next to nothing from the cosine of the whole.

        Returns
        -------
        Unit rows, each of shape (batch, width)
        """
        views = [truncate(vectors, width) for width in self.nested_dims]
        if self.own:
            views.append(F.normalize(vectors[:, -self.own :], dim=1))
        return [*views, vectors]

    def vectors(self, network: nn.Module, rows: Padded) -> Tensor:
        """Return the vectors of `rows`, which are damaged while the network is in training."""
        return embed(network, self.damage(rows) if network.training else rows, self.at_once)

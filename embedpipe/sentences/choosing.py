"""What is measured on held-out rows while an encoder is trained, and which of its states is the best by it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embedpipe.nn.batches import Batch
from embedpipe.nn.memory import Parts
from embedpipe.sentences.objectives.objective import Objective, mean_figure

__all__ = ["ChooseBy", "Choosing", "Figures", "Watched"]

ChooseBy = Literal["probe", "loss"]
Figures = tuple[float, float]
"""The loss and the agreement of an objective on what is held out; NaN where they cannot be measured."""

_SMALLEST_LOSS = 1e-6
_SMALLEST_ERROR = 0.01
_BETWEEN_EQUALS = 1e-6
"""Weight of the losses beside the errors: less than one answer of a million."""


@dataclass(frozen=True, eq=False)
class Watched:
    """An objective on fixed batches of what is held out.

    Parameters
    ----------
    objective : its loss and agreement are measured.
    batches : of which the mean is taken.
    n_train, n_held_out, n_dropped : rows of labelled data, 0 for text.
    parts : in how many a batch is read; more from then on where memory runs out.
    """

    objective: Objective
    batches: Sequence[Batch]
    n_train: int = 0
    n_held_out: int = 0
    n_dropped: int = 0
    parts: Parts | None = None

    @property
    def n_measured(self) -> int:
        """Items that are measured on: at most `SentencesConfig.held_out`, a batch where that is more."""
        return sum(len(batch.tags) for batch in self.batches)

    @property
    def probe(self) -> str:
        """Name of the figure that people read, or of the loss where there is none."""
        return f"{self.objective.name} {self.objective.agreement or 'loss'}"

    def measure(self, network: nn.Module) -> Figures:
        """Return the mean loss and agreement of a network that is in evaluation mode.

        Raises
        ------
        DeviceError
            If memory runs out with one row at a time too.
        """
        if not self.batches:
            return math.nan, math.nan

        def figures() -> Figures:
            with torch.no_grad():
                seen = [self.objective.measure(network, batch) for batch in self.batches]
            losses, agreements = zip(*seen, strict=True)
            return mean_figure(losses), self.objective.agree(agreements)

        return figures() if self.parts is None else self.parts.within_memory(figures, lambda: None)


class Choosing:
    """How far a network is from its start, by what is held out.

    By ``probe`` what counts is the error of each figure, 1 - figure: of the reciprocal rank at which the neighbouring
    sentence is found among those of the batch, of the share of right labels, of the correlation with scores. By
    ``loss`` it is the loss. Both come of one pass over the same rows. Errors and losses of different kinds differ in
    size, and none is to drown the others by that: each is taken as a share of what it was at the start, and the
    weighted mean of the shares is what the best state has least of. Among states of one error, as a few held-out rows
    give them, the one of the lowest loss is the best.

    Parameters
    ----------
    how : what counts. A figure that the start does not have, such as the correlation with scores that are all the same,
        is replaced by its loss.

    Attributes
    ----------
    watched : what is measured, and the weight of each.
    seen : the figures of the last measurement, by name.
    """

    def __init__(self, how: ChooseBy) -> None:
        self.how = how
        self._without: frozenset[int] = frozenset()
        self.watched: list[tuple[Watched, float]] = []
        self.seen: dict[str, float] = {}

    def __bool__(self) -> bool:
        """Return whether there is something to choose by."""
        return bool(self.watched)

    @property
    def metric(self) -> str:
        """What `value` returns, in words."""
        probed = any(self._probed(i) for i in range(len(self.watched)))
        return f"held-out {'error' if probed else 'loss'} as a share of its start"

    @property
    def by(self) -> list[str]:
        """The names of what counts; where the start lacks a figure only once `begin` has found that."""
        return [
            one.probe if self._probed(i) else f"{one.objective.name} loss" for i, (one, _) in enumerate(self.watched)
        ]

    def begin(self, network: nn.Module) -> NDArray[np.float64]:
        """Measure the start: return its figures; from now on the loss counts where it has none."""
        start = self.measure(network)
        self._without = frozenset(np.flatnonzero(np.isnan(start[:, 1])).tolist())
        self._see(start)
        return start

    def measure(self, network: nn.Module) -> NDArray[np.float64]:
        """Return the figures of a network in evaluation mode, shape (watched, 2): loss and agreement."""
        figures = np.array([one.measure(network) for one, _ in self.watched], dtype=np.float64).reshape(-1, 2)
        self._see(figures)
        return figures

    def _probed(self, i: int) -> bool:
        return self.how == "probe" and i not in self._without

    def _see(self, figures: NDArray[np.float64]) -> None:
        counted = [float(row[1 if self._probed(i) else 0]) for i, row in enumerate(figures)]
        self.seen = {name: x for name, x in zip(self.by, counted, strict=True) if not math.isnan(x)}

    def value(self, figures: NDArray[np.float64], start: NDArray[np.float64]) -> float:
        """Return the weighted mean of what counts, each as a share of its start: 1 at the start, lower is better.

        Parameters
        ----------
        figures, start : what `measure` gives now and gave before training. A loss of 0 that stays 0 counts for nothing,
            and an error that began below a hundredth as if it had begun there.
        """
        losses = figures[:, 0] / np.maximum(start[:, 0], _SMALLEST_LOSS)
        shares = losses
        if self.how == "probe":
            errors = (1 - figures[:, 1]) / np.maximum(1 - start[:, 1], _SMALLEST_ERROR)
            shares = np.where(np.isnan(start[:, 1]), losses, errors + _BETWEEN_EQUALS * (losses - 1))
        return float(np.average(shares, weights=[weight for _, weight in self.watched]))

"""The moving average of the weights, which stands in for them when a model is judged and published."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Average"]

_UPDATES_OF_A_TABLE = 16


class Average:
    """An exponential moving average of the trained parameters (Polyak and Juditsky, 1992), kept beside them.

    The first updates weigh more, by the usual ramp ``min(decay, (1 + n) / (10 + n))``, so that the random start is
    soon forgotten. Buffers are not averaged. A parameter with sparse gradients, of which a step changes few rows, is
    taken in at every sixteenth update with the weight of all since: reading a large table in each would cost more.

    Parameters
    ----------
    model : whose parameters are averaged.
    decay : share of the average that an update leaves, in [0, 1); with 0 nothing is kept and the weights are their
        own average.

    Examples
    --------
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.zeros_(layer.weight)
    >>> average = Average(layer, 0.9)
    >>> _ = nn.init.ones_(layer.weight)
    >>> average.update(torch.tensor(1.0))
    >>> with average.in_place():
    ...     print(round(layer.weight.item(), 3))
    0.9
    >>> layer.weight.item()
    1.0
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        trained = [p for p in model.parameters() if p.requires_grad] if decay else []
        self.decay, self.n_updates = decay, 0
        self._pairs = [(parameter, parameter.detach().clone()) for parameter in trained]
        self._late: set[int] = set()
        self._left = torch.ones((), device=trained[0].device if trained else None)

    @torch.no_grad()
    def update(self, sound: Tensor) -> None:
        """Move towards the present weights, or not at all where `sound` (a scalar, 1 or NaN) is NaN."""
        if not self._pairs:
            return
        weight = torch.nan_to_num(sound) * (1.0 - min(self.decay, (1 + self.n_updates) / (10 + self.n_updates)))
        for number, (parameter, mean) in enumerate(self._pairs):
            if parameter.grad is not None and parameter.grad.is_sparse:
                self._late.add(number)
            else:
                mean.lerp_(parameter, weight)
        self._left = self._left * (1.0 - weight)
        self.n_updates += 1
        if self.n_updates % _UPDATES_OF_A_TABLE == 0:
            self._catch_up()

    def _catch_up(self) -> None:
        for number in sorted(self._late):
            parameter, mean = self._pairs[number]
            mean.lerp_(parameter.detach(), 1.0 - self._left)
        self._left = torch.ones_like(self._left)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the average in place of the weights for a while."""
        self._catch_up()
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def publish(self) -> None:
        """Leave the average in place of the weights."""
        self._catch_up()
        for parameter, mean in self._pairs:
            parameter.copy_(mean)

    @torch.no_grad()
    def _swap(self) -> None:
        # Values, not storages: cuDNN reads the weights of an LSTM from one flat buffer.
        for parameter, mean in self._pairs:
            weights = parameter.detach().clone()
            parameter.copy_(mean)
            mean.copy_(weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the averages, the number of updates, and how far those of sparse gradients lag behind."""
        return {
            "means": [mean for _, mean in self._pairs],
            "n_updates": self.n_updates,
            "late": sorted(self._late),
            "left": self._left,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        for (_, mean), saved in zip(self._pairs, state["means"], strict=True):
            mean.copy_(saved)
        self.n_updates = state["n_updates"]
        self._late = set(state.get("late", []))
        self._left.copy_(state.get("left", torch.ones(())))

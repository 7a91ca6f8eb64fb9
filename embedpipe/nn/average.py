"""The moving average of the weights, which stands in for them when a model is judged and published."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Average"]


class Average:
    """An exponential moving average of the trained parameters (Polyak and Juditsky, 1992), kept beside them.

    The first updates weigh more, by the usual ramp ``min(decay, (1 + n) / (10 + n))``, so that the random start is
    soon forgotten. Buffers are not averaged. Every parameter is read in every step, whatever part of it changed.

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

    @torch.no_grad()
    def update(self, sound: Tensor) -> None:
        """Move towards the present weights, or not at all where `sound` (a scalar, 1 or NaN) is NaN."""
        if self._pairs:
            weight = torch.nan_to_num(sound) * (1.0 - min(self.decay, (1 + self.n_updates) / (10 + self.n_updates)))
            for parameter, mean in self._pairs:
                mean.lerp_(parameter, weight)
            self.n_updates += 1

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the average in place of the weights for a while."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def publish(self) -> None:
        """Leave the average in place of the weights."""
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
        """Return the averages and the number of updates."""
        return {"means": [mean for _, mean in self._pairs], "n_updates": self.n_updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        for (_, mean), saved in zip(self._pairs, state["means"], strict=True):
            mean.copy_(saved)
        self.n_updates = state["n_updates"]

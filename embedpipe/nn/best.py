"""The lowest evaluation of a training so far, and the weights that gave it."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from embedpipe.nn.average import Average
from embedpipe.nn.distributed import value_of_first
from embedpipe.runtime import Evaluated, Listener

__all__ = ["Best"]


class Best:
    """Measures a model, keeps the lowest value and, if asked to, the weights that gave it.

    Parameters
    ----------
    model : measured in evaluation mode, with `average` in place of its weights.
    evaluate : a number that is the better the lower; None measures nothing.
    keep : whether the weights are kept.
    patience : measurements without a lower value after which training is `exhausted`; 0 never is.
    stage, metric, listener : for the `Evaluated` events.

    Attributes
    ----------
    value : the lowest, NaN before the first measurement.
    step : the number of steps after which it was measured.
    weights : the state of the model there; empty if not kept.
    history : the step and the value of every measurement, in order.
    """

    def __init__(
        self,
        model: nn.Module,
        average: Average,
        evaluate: Callable[[], float] | None,
        *,
        keep: bool,
        patience: int,
        stage: str,
        metric: str,
        listener: Listener,
    ) -> None:
        self.model, self.average, self.evaluate, self.keep = model, average, evaluate, keep
        self.patience, self.stage, self.metric, self.listener = patience, stage, metric, listener
        self.value, self.step, self.n_worse = math.nan, 0, 0
        self.weights: dict[str, Tensor] = {}
        self.history: list[tuple[int, float]] = []

    @property
    def exhausted(self) -> bool:
        """Whether `patience` measurements in a row were no lower."""
        return 0 < self.patience <= self.n_worse

    def measure(self, step: int) -> None:
        """Measure the model after `step` steps."""
        if self.evaluate is None:
            return
        self.model.eval()
        with torch.no_grad(), self.average.in_place():
            value = value_of_first(self.evaluate())
            self.history.append((step, value))
            self.n_worse += 1
            if value < self.value or (math.isnan(self.value) and not math.isnan(value)):
                self.value, self.step, self.n_worse = value, step, 0
                self._keep()
        self.listener(Evaluated(self.stage, self.metric, value, step))

    def _keep(self) -> None:
        for name, tensor in self.model.state_dict().items() if self.keep else ():
            if name in self.weights:
                self.weights[name].copy_(tensor)
            else:
                self.weights[name] = tensor.detach().clone()

    def publish(self) -> None:
        """Leave the model with the best weights; where none are kept, with the average."""
        if self.weights:
            self.model.load_state_dict(self.weights)
        else:
            self.average.publish()

    def state_dict(self) -> dict[str, Any]:
        """Return what is known of the measurements, without the weights."""
        return {"value": self.value, "step": self.step, "n_worse": self.n_worse, "history": self.history}

    def load_state_dict(self, state: dict[str, Any], weights: dict[str, Tensor]) -> None:
        """Take over what `state_dict` gave, and the weights kept beside it."""
        self.value, self.step, self.n_worse = state["value"], state["step"], state["n_worse"]
        self.history = [(int(at), float(value)) for at, value in state.get("history", [])]
        device = next(self.model.parameters()).device
        self.weights = {name: tensor.to(device) for name, tensor in weights.items()}

"""What keeps an update that is not finite out of a model, and the losses until they are looked at."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["Guard"]

_SMOOTHED = 20
_SMALLEST_SCALE = 2.0**-20
"""Of a loss whose gradients are of fp16: where even this overflows, no scale will do."""


class Guard:
    """Lets no update in from the first step on whose loss or gradient is not finite.

    Reading a number from a GPU waits until it has done all work that was given to it. So on one the losses are kept
    there until `look`, and the fused optimizers themselves leave a step out when the guard's tensor tells them to,
    as they do under a scaled loss; from then on every loss is multiplied by NaN, so that no later step gets in either.
    Elsewhere each loss is looked at in its step.

    Parameters
    ----------
    optimizers : that take the steps.
    device : of the model.
    scaler : of the loss (`precision.loss_scaler`), or None. With one a gradient that is not finite is nothing unusual:
        the scaler leaves such steps out and tries a smaller scale.
    lazy : look only when asked to, which needs fused optimizers; None is wherever that saves waiting.

    Attributes
    ----------
    losses : of the steps looked at, those before the first that is not finite.
    sound : scalar on `device`, 1, and NaN from the first bad step on; the factor of every loss.
    broken : whether a bad step was seen.
    """

    def __init__(
        self,
        optimizers: Sequence[torch.optim.Optimizer],
        device: torch.device,
        *,
        scaler: Any = None,
        lazy: bool | None = None,
    ) -> None:
        fused = all(group.get("fused") for optimizer in optimizers for group in optimizer.param_groups)
        self.lazy = (device.type != "cpu" and fused) if lazy is None else lazy
        self.scaler, self.losses, self.broken = scaler, list[float](), False
        self.sound = torch.ones((), device=device)
        self._leave_out = torch.zeros((), device=device)
        self._waiting: list[Tensor] = []
        self._told = list(optimizers) if self.lazy and scaler is None else []
        for optimizer in self._told:
            optimizer.found_inf = self._leave_out  # type: ignore[attr-defined]

    def admits(self, loss: Tensor, norm: Tensor) -> bool:
        """Return whether the step may be taken, as far as is known without waiting.

        Parameters
        ----------
        loss : scalar of the step.
        norm : scalar that is finite where all gradients are.
        """
        watched = loss + norm if self.scaler is None else loss
        if self.lazy:
            self.sound = torch.where(watched.isfinite(), self.sound, torch.nan)
            self._leave_out.copy_(self.sound.isnan())
            self._waiting.append(loss * self.sound)
            return True
        value = loss.item()
        self.broken = not math.isfinite(watched.item())
        if not self.broken:
            self.losses.append(value)
        return not self.broken

    def look(self) -> bool:
        """Read the losses of the steps since the last look; return whether all is finite so far."""
        if self._waiting:
            for value in torch.stack(self._waiting).tolist():
                self.broken = self.broken or not math.isfinite(value)
                if not self.broken:
                    self.losses.append(value)
            self._waiting.clear()
        if self.scaler is not None and self.scaler.get_scale() < _SMALLEST_SCALE:
            self.broken = True
        return not self.broken

    @property
    def recent(self) -> float:
        """Mean of the last losses that were looked at."""
        return sum(self.losses[-_SMOOTHED:]) / len(self.losses[-_SMOOTHED:])

    def release(self) -> None:
        """Take the guard's tensor from the optimizers again."""
        for optimizer in self._told:
            del optimizer.found_inf  # type: ignore[attr-defined]
        self._told = []

"""How far a training has come, in steps or in seconds, and the clock that counts them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from embedpipe.nn.schedule import Schedule, rate_factor

__all__ = ["Budget"]

_MARKS = 10
_PARTS = 10_000
"""That the seconds are cut into for the learning rate, so that a second may hold many steps of its schedule."""


class Budget:
    """The end of a training, the learning rate on the way there, and when it is evaluated.

    Parameters
    ----------
    steps : to take, at most.
    seconds : of training, in which pauses do not count; 0 is no limit. The learning rate follows the seconds then,
        and ten evaluations are spread over them; how many steps are taken depends on the machine.
    warmup, schedule : of the learning rate, as `rate_factor` takes them.
    evaluate_every : steps from one evaluation to the next, where there are no seconds.

    Attributes
    ----------
    elapsed : seconds of training until each evaluation.

    Examples
    --------
    >>> budget = Budget(4, 0.0, 0.0, "linear", 2)
    >>> [budget.goes_on(done) for done in (3, 4)], budget.factor(2), [budget.due(done) for done in (1, 2, 3, 4)]
    ([True, False], 0.5, [False, True, False, True])
    """

    def __init__(self, steps: int, seconds: float, warmup: float, schedule: Schedule, evaluate_every: int) -> None:
        self.steps, self.seconds, self.warmup, self.schedule = steps, seconds, warmup, schedule
        self.evaluate_every = evaluate_every
        self.elapsed: list[float] = []
        self._before, self._since = 0.0, time.monotonic()

    def spent(self) -> float:
        """Return the seconds of training so far."""
        return self._before + time.monotonic() - self._since

    def goes_on(self, done: int) -> bool:
        """Return whether there is another step after `done` of them."""
        return done < self.steps and (not self.seconds or self.spent() < self.seconds)

    def factor(self, done: int) -> float:
        """Return the factor on the learning rate of the next step."""
        if self.seconds:
            part = min(self.spent() / self.seconds, 0.999) * _PARTS
            return rate_factor(part, _PARTS, self.warmup, self.schedule)
        return rate_factor(done, self.steps, self.warmup, self.schedule)

    def due(self, done: int) -> bool:
        """Return whether the model is to be evaluated after `done` steps."""
        if self.seconds:
            return self.spent() >= self.seconds * len(self.elapsed) / _MARKS
        return done == self.steps or done % self.evaluate_every == 0

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Stop the clock for an evaluation and note its time."""
        self._before = self.spent()
        self.elapsed.append(self._before)
        try:
            yield
        finally:
            self._since = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Return the seconds so far and those of the evaluations."""
        return {"spent": self.spent(), "elapsed": list(self.elapsed)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on counting from what `state_dict` gave."""
        self._before, self._since = state["spent"], time.monotonic()
        self.elapsed = list(state["elapsed"])

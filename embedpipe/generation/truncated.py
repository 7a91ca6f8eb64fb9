"""The loss of a window of the stream, its state carried over from the window before (Williams and Peng, 1990)."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from embedpipe.generation.language_model import LanguageModel, Reading
from embedpipe.generation.noise import UnigramNoise
from embedpipe.generation.state import BEGINNING, State
from embedpipe.generation.stream import Window
from embedpipe.nn.distributed import is_first, n_processes, rank
from embedpipe.nn.memory import Parts

__all__ = ["Penalties", "Softmax", "Truncated", "own_rows"]


def own_rows(window: Window) -> Window:
    """Return the rows of a window that this process reads; the first ones again where there are too few for all."""
    if n_processes() == 1:
        return window
    n = min(n_processes(), len(window.inputs))
    inputs, targets = (ids.tensor_split(n)[rank() % n] for ids in (window.inputs, window.targets))
    return Window(inputs, targets, window.fresh, window.weight)


class Softmax(Protocol):
    """Compares what a model makes of its inputs with the targets: the mean loss."""

    def __call__(self, table: Tensor, bias: Tensor, hidden: Tensor, targets: Tensor, /) -> Tensor:
        """Return the mean loss, as `nn.softmax.FullSoftmax` does."""
        ...


@dataclass(frozen=True, slots=True)
class Penalties:
    """What is added to the loss so that a model stays simple.

    Parameters
    ----------
    ar : factor on the mean square of the last layer's outputs, as dropout leaves them (activation regularisation:
        Merity et al., 2017).
    tar : factor on the mean square of the differences of the outputs, before dropout, from one token to the next
        (temporal activation regularisation).
    l1 : factor on the sum of the sizes of all weights of matrices, the tables of words not counted.
    """

    ar: float = 0.0
    tar: float = 0.0
    l1: float = 0.0

    def of_reading(self, reading: Reading) -> Tensor | float:
        """Return what a reading adds to the loss.

        >>> hidden = torch.tensor([[[1.0, 2.0], [3.0, 2.0]]])
        >>> Penalties(ar=2.0, tar=1.0).of_reading(Reading(2 * hidden, hidden, BEGINNING)).item()
        38.0
        """
        added: Tensor | float = 0.0
        if self.ar:
            added = added + self.ar * reading.hidden.float().square().mean()
        if self.tar and reading.raw.shape[1] > 1:
            added = added + self.tar * reading.raw.float().diff(dim=1).square().mean()
        return added

    def of_weights(self, model: LanguageModel) -> Tensor | float:
        """Return what the weights add to the loss."""
        if not self.l1:
            return 0.0
        tables = {id(model.table), id(model.output_table)}
        weights = [p for p in model.parameters() if p.ndim >= 2 and id(p) not in tables]
        return self.l1 * sum((weight.abs().sum() for weight in weights), start=torch.zeros((), device=model.device))


class Truncated:
    """The mean loss of the tokens of one window, and the penalties on it.

    Parameters
    ----------
    softmax : compares what the model makes of the inputs with the targets.
    device : of the model.
    penalties : added to the loss.
    noise : replaces some of the tokens that are read.

    Attributes
    ----------
    parts : in how many parts the rows are read; None is one.
    state : of the rows after the last window.
    n_tokens : read so far, by all processes.
    """

    def __init__(
        self,
        softmax: Softmax,
        device: torch.device,
        penalties: Penalties | None = None,
        noise: UnigramNoise | None = None,
    ) -> None:
        self.softmax, self.device, self.noise = softmax, device, noise
        self.penalties = penalties or Penalties()
        self.parts: Parts | None = None
        self.state = BEGINNING
        self.n_tokens = 0

    def __call__(self, model: nn.Module, window: Window) -> Tensor:
        assert isinstance(model, LanguageModel)
        state = BEGINNING if window.fresh else self.state.detach()
        self.n_tokens += window.inputs.numel() * n_processes()
        inputs = window.inputs if self.noise is None else self.noise(window.inputs)
        if self.parts is None or self.parts.n == 1:
            loss, self.state = self._read(model, inputs, window.targets, state)
        else:
            loss, self.state = self._read_in_parts(model, inputs, window.targets, state, self.parts.at_once)
        loss = loss + self.penalties.of_weights(model)
        # The loss stays the mean of its tokens; the gradient counts as many as there are.
        return loss if window.weight == 1.0 else loss.detach() + window.weight * (loss - loss.detach())

    def _read_in_parts(
        self, model: LanguageModel, inputs: Tensor, targets: Tensor, state: State, at_once: int
    ) -> tuple[Tensor, State]:
        n_rows, total, states = len(inputs), torch.zeros((), device=self.device), []
        for rows in torch.split(torch.arange(n_rows, device=inputs.device), at_once):
            part = (inputs[rows], targets[rows], state.rows(rows))
            # Each part is read again when gradients flow back, so that memory holds one of them at a time.
            loss, after = checkpoint(self._read, model, *part, use_reentrant=False)
            total = total + loss * (len(rows) / n_rows)
            states.append(after)
        return total, State.concatenate(states)

    def _read(self, model: LanguageModel, inputs: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        reading = model.read(inputs, state)
        loss = self.softmax(model.output_table, model.bias, reading.hidden, targets)
        return loss + self.penalties.of_reading(reading), reading.state

    def state_dict(self) -> dict[str, Any]:
        """Return the state and the count."""
        return {"layers": self.state.detach().layers, "n_tokens": self.n_tokens}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; it is of the first process's rows, and the others begin theirs anew."""
        layers = saved["layers"] if is_first() else ()
        self.state = State(tuple(tuple(layer) for layer in layers)).to(self.device)
        self.n_tokens = saved["n_tokens"]

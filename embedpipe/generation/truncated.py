"""The loss of a window of the stream, its state carried over from the window before (Williams and Peng, 1990)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.state import BEGINNING, State
from embedpipe.generation.stream import Window
from embedpipe.nn.distributed import is_first, n_processes, rank
from embedpipe.nn.memory import Parts
from embedpipe.nn.softmax import FullSoftmax, SampledSoftmax

__all__ = ["Truncated", "own_rows"]


def own_rows(window: Window) -> Window:
    """Return the rows of a window that this process reads; the first ones again where there are too few for all."""
    if n_processes() == 1:
        return window
    n = min(n_processes(), len(window.inputs))
    inputs, targets = (ids.tensor_split(n)[rank() % n] for ids in (window.inputs, window.targets))
    return Window(inputs, targets, window.fresh)


class Truncated:
    """The mean loss of the tokens of one window.

    Parameters
    ----------
    softmax : compares what the model makes of the inputs with the targets.
    device : of the model.

    Attributes
    ----------
    parts : in how many parts the rows are read; None is one.
    state : of the rows after the last window.
    n_tokens : read so far, by all processes.
    """

    def __init__(self, softmax: FullSoftmax | SampledSoftmax, device: torch.device) -> None:
        self.softmax, self.device = softmax, device
        self.parts: Parts | None = None
        self.state = BEGINNING
        self.n_tokens = 0

    def __call__(self, model: nn.Module, window: Window) -> Tensor:
        assert isinstance(model, LanguageModel)
        state = BEGINNING if window.fresh else self.state.detach()
        self.n_tokens += window.inputs.numel() * n_processes()
        if self.parts is None or self.parts.n == 1:
            loss, self.state = self._read(model, window.inputs, window.targets, state)
            return loss
        n_rows, total, states = len(window.inputs), torch.zeros((), device=self.device), []
        for rows in torch.split(torch.arange(n_rows, device=window.inputs.device), self.parts.at_once):
            own = state.rows(rows)
            part = (window.inputs[rows], window.targets[rows], own)
            # Each part is read again when gradients flow back, so that memory holds one of them at a time.
            loss, after = checkpoint(self._read, model, *part, use_reentrant=False)
            total = total + loss * (len(rows) / n_rows)
            states.append(after)
        self.state = State.concatenate(states)
        return total

    def _read(self, model: LanguageModel, inputs: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        hidden, after = model(inputs, state)
        return self.softmax(model.output_table, model.bias, hidden, targets), after

    def state_dict(self) -> dict[str, Any]:
        """Return the state and the count."""
        return {"layers": self.state.detach().layers, "n_tokens": self.n_tokens}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; it is of the first process's rows, and the others begin theirs anew."""
        layers = saved["layers"] if is_first() else ()
        self.state = State(tuple(tuple(layer) for layer in layers)).to(self.device)
        self.n_tokens = saved["n_tokens"]

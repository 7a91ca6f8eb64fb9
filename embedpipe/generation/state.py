"""What a language model carries from token to token."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["BEGINNING", "State"]


@dataclass(frozen=True, slots=True)
class State:
    """What a language model knows of the text before, for each row of a batch.

    Parameters
    ----------
    layers : for each layer the tensors it goes on from, all with the batch as their second dimension: hidden and cell
        of an LSTM, hidden alone of a GRU or a plain RNN, keys and values of a Transformer. None is the beginning.
    given : float of shape (batch, dim), what the text is conditioned on, added to the vector of every token that is
        read; None for nothing.
    added : float of shape (batch, width), the same for what the layers give, before the output; None for nothing.

    Examples
    --------
    >>> state = State(((torch.zeros(1, 2, 3),),), torch.ones(2, 4))
    >>> state.rows(torch.tensor([1])).given.shape, state.rows(torch.tensor([1])).repeat(5).layers[0][0].shape
    (torch.Size([1, 4]), torch.Size([1, 5, 3]))
    """

    layers: tuple[tuple[Tensor, ...], ...] = ()
    given: Tensor | None = None
    added: Tensor | None = None

    def detach(self) -> "State":
        """Return the state cut off from the graph that made it; what is given and added stays in the graph."""
        return State(tuple(tuple(part.detach() for part in layer) for layer in self.layers), self.given, self.added)

    def to(self, device: torch.device) -> "State":
        """Return the state on a device."""
        layers = tuple(tuple(part.to(device) for part in layer) for layer in self.layers)
        return State(layers, *(None if part is None else part.to(device) for part in (self.given, self.added)))

    def rows(self, rows: Tensor) -> "State":
        """Return the state of some rows of the batch; `rows` holds indices or is a mask."""
        layers = tuple(tuple(part[:, rows] for part in layer) for layer in self.layers)
        return State(layers, *(None if part is None else part[rows] for part in (self.given, self.added)))

    def repeat(self, n: int) -> "State":
        """Return the state of a batch of one as that of `n` equal rows."""
        layers = tuple(tuple(part.repeat(1, n, *[1] * (part.ndim - 2)) for part in layer) for layer in self.layers)
        return State(layers, *(None if part is None else part.repeat(n, 1) for part in (self.given, self.added)))

    @staticmethod
    def concatenate(states: Sequence["State"]) -> "State":
        """Return several batches as one; all have read equally much."""
        layers = tuple(
            tuple(torch.cat(parts, dim=1) for parts in zip(*same, strict=True))
            for same in zip(*(state.layers for state in states), strict=True)
        )
        given = [state.given for state in states if state.given is not None]
        added = [state.added for state in states if state.added is not None]
        return State(layers, torch.cat(given) if given else None, torch.cat(added) if added else None)


BEGINNING = State()
"""Nothing has been read yet."""

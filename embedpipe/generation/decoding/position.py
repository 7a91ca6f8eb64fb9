"""Where the writing stands: what a model expects next, for each row, and how it reads on.

Everything that decides the next token is in a `Position`, whatever the network, what the text is conditioned on, and
whether a memory of what was read is mixed in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.state import BEGINNING, State

__all__ = ["Memory", "Position", "Predictor"]

_READ_AT_ONCE = 8_192


class Memory(Protocol):
    """What is remembered of the text beside the state of the network, such as a continuous cache."""

    def mix(self, log_probabilities: Tensor, hidden: Tensor) -> Tensor:
        """Return log-probabilities of shape (rows, n_tokens) with what is remembered mixed in."""

    def remember(self, hidden: Tensor, tokens: Tensor) -> None:
        """Take in tokens (rows, time) and the outputs (rows, time, width) that they were predicted from."""

    def rows(self, rows: Tensor) -> Self:
        """Return the memory of some rows; `rows` holds indices, which may repeat."""


@dataclass(frozen=True, slots=True)
class Position:
    """What is expected next in each row.

    Parameters
    ----------
    logits : float of shape (rows, n_tokens), of any precision; with a memory, log-probabilities.
    hidden : shape (rows, width), what they were made from.
    state : of the model.
    memory : what is remembered, or None.
    """

    logits: Tensor
    hidden: Tensor
    state: State
    memory: Memory | None = None

    def __len__(self) -> int:
        return len(self.logits)

    def rows(self, rows: Tensor) -> "Position":
        """Return some rows; `rows` holds indices, which may repeat."""
        memory = None if self.memory is None else self.memory.rows(rows)
        return Position(self.logits[rows], self.hidden[rows], self.state.rows(rows), memory)

    def read_rows(self, rows: Tensor) -> "Position":
        """Return what reading some rows on needs: all but their logits."""
        memory = None if self.memory is None else self.memory.rows(rows)
        return Position(self.logits[:0], self.hidden[rows], self.state.rows(rows), memory)

    def joins(self, other: "Position") -> bool:
        """Return whether the rows of both can be read on in one batch: equally shaped, and without a memory."""
        if self.memory is not None or other.memory is not None:
            return False
        return _row_shapes(self.state) == _row_shapes(other.state)

    @staticmethod
    def concatenate(positions: Sequence["Position"]) -> "Position":
        """Return several that join as one."""
        if len(positions) == 1:
            return positions[0]
        return Position(
            torch.cat([position.logits for position in positions]),
            torch.cat([position.hidden for position in positions]),
            State.concatenate([position.state for position in positions]),
        )


@dataclass(frozen=True, slots=True)
class Predictor:
    """A language model as writers use it.

    Parameters
    ----------
    model : in evaluation mode.
    new_memory : makes an empty memory for each text; None for none.
    output : gives the logits of what the model puts out; None for the model's own.
    """

    model: LanguageModel
    new_memory: Callable[[], Memory] | None = None
    output: Callable[[Tensor], Tensor] | None = None

    def begin(self, ids: Tensor, start: State = BEGINNING) -> Position:
        """Return the position after tokens.

        Parameters
        ----------
        ids : int64 of shape (rows, time), time at least 1.
        start : of the same rows, or the beginning.
        """
        memory = None if self.new_memory is None else self.new_memory()
        state, step, last = start, max(1, _READ_AT_ONCE // len(ids)), None
        for first in range(0, ids.shape[1], step):
            block = ids[:, first : first + step]
            hidden, state = self.model(block, state)
            if memory is not None:
                if last is not None:
                    memory.remember(last, block[:, :1])
                if block.shape[1] > 1:
                    memory.remember(hidden[:, :-1], block[:, 1:])
            last = hidden[:, -1:]
        assert last is not None
        return self._at(last[:, 0], state, memory)

    def go_on(self, position: Position, tokens: Tensor) -> Position:
        """Return the position after one more token in each row, int64 of shape (rows,)."""
        if position.memory is not None:
            position.memory.remember(position.hidden[:, None], tokens[:, None])
        hidden, state = self.model(tokens[:, None], position.state)
        return self._at(hidden[:, -1], state, position.memory)

    def log_probabilities(self, position: Position, logits: Tensor, total: Tensor, tokens: Tensor) -> Tensor:
        """Return the logarithm of the probability of one token in each row, float32, in nats.

        Where `output` rounds, and there is no memory, the token's own logit is made with all digits, in its place in
        the sum as well; roundings of all others nearly cancel there.

        Parameters
        ----------
        logits : of the position, before any filter.
        total : the logarithm of the sum of their exponentials, shape (rows,).
        tokens : int64 of shape (rows,).
        """
        given = logits.gather(1, tokens[:, None])[:, 0].float()
        if self.output is None or position.memory is not None:
            return given - total
        exact = (position.hidden * self.model.output_table[tokens]).sum(dim=1) + self.model.bias[tokens]
        return exact - total - torch.log1p((exact - total).exp() - (given - total).exp())

    def _at(self, hidden: Tensor, state: State, memory: Memory | None) -> Position:
        logits = (self.output or self.model.logits)(hidden)
        if memory is not None:
            logits = memory.mix(torch.log_softmax(logits.float(), dim=1), hidden.float())
        return Position(logits, hidden, state, memory)


def _row_shapes(state: State) -> list[tuple[int, ...] | None]:
    layers = [(part.shape[0], *part.shape[2:]) for layer in state.layers for part in layer]
    return [*layers, *(None if part is None else tuple(part.shape[1:]) for part in (state.given, state.added))]

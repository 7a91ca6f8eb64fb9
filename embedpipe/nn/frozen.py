"""LSTMs whose weights stand still, on a CPU: what a trained encoder or an evaluation runs.

What a step of an LSTM costs is two products, of the word with (width, 4 hidden) and of the state with (hidden, 4
hidden). For weights that stand still the first is the same wherever a word stands, so it is taken once for each
distinct word of a few thousand texts and then gathered: of 2 · 4 · hidden · (width + hidden) operations a token only
those of the state are left (56 % at width 200 and hidden 256), in the same precision. Sequences stand longest first,
so that a step works on those that have not ended, and nothing is spent on padding.

What is left is bound by the product of the state. It is also taken in bfloat16 (twice as fast with AVX512-BF16 or AMX)
and in int8 (four times with VNNI). A state lies between -1 and 1, so its scale is known beforehand, needs no
calibration and does not depend on the batch. Gates stay in float32 throughout.

Rounding to fewer digits makes a difference in the last place of a number large now and then: a state on the border
between two integers falls to either side. So that a sequence gives the same to the bit in whatever company it stands,
nothing before such a rounding may depend on how many rows there are: sums of integers are exact, oneDNN sums a row of
bfloat16 in one order, and MKL a row of float32 too, but for products of three rows and fewer, which are filled up
(`FEWEST_ROWS`). Two things would depend on it. A row of 32 in bfloat16 is now and then summed otherwise when it is
alone, and torch takes the last sigmoids of a tensor, where its size is no multiple of 32, by other instructions. So at
these two precisions the state is filled with units that stay exactly 0, up to a multiple of `_UNITS`.
"""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import islice
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.errors import ConfigError

__all__ = ["FEWEST_ROWS", "FrozenLSTM", "FrozenPrecision", "freeze", "is_int8_exact", "read_one"]

FrozenPrecision = Literal["fp32", "bf16", "int8"]
_AddProduct = Callable[[Tensor, Tensor], object]
_LARGEST = 127
FEWEST_ROWS = 4
"""Of a product of float32 that is to be summed as that of more rows is."""
_UNITS = 64
"""The states of bf16 and int8 are a multiple of so many units wide."""


class FrozenLSTM:
    """One layer of an LSTM in one direction.

    Its gates are sigmoids alone: tanh(x) is 2 · sigmoid(2 x) - 1, and torch computes a sigmoid six times as fast.
    What it keeps is twice the cell and half the output, which spares two operations a step.

    Parameters
    ----------
    input_weight, state_weight : float32, shapes (4 hidden, width) and (4 hidden, hidden), as ``nn.LSTM`` has them.
    bias : float32, shape (4 hidden,), the sum of both.
    precision : of the products with the state.

    Raises
    ------
    ConfigError
        For int8, if this processor does not multiply such integers exactly.

    Attributes
    ----------
    hidden : width of what it gives.
    state_dim : width of what it computes: `hidden`, and units that stay 0.

    Examples
    --------
    >>> lstm = nn.LSTM(2, 3).requires_grad_(False)
    >>> words, index = torch.randn(4, 2), torch.tensor([[3, 1], [0, 0]])
    >>> (layer,), outputs = freeze(lstm, "fp32"), torch.zeros(2, 2, 3)
    >>> layer(layer.project(words), index, [2, 2], into=outputs)
    >>> bool(torch.allclose(outputs, lstm(words[index])[0], atol=1e-6))
    True
    """

    def __init__(self, input_weight: Tensor, state_weight: Tensor, bias: Tensor, precision: FrozenPrecision) -> None:
        self.hidden = state_weight.shape[1]
        self.state_dim = self.hidden if precision == "fp32" else -(-self.hidden // _UNITS) * _UNITS
        scale = torch.ones(4, 1, 1)
        scale[2] = 2.0  # the cell gate, whose tanh becomes a sigmoid
        # Weights and bias of a unit that is filled in are 0: its cell gate is then 0, and so are its cell and output.
        fill = self.state_dim - self.hidden
        by_gate = [x.view(4, self.hidden, -1) * scale for x in (input_weight, bias, 2 * state_weight)]
        inputs, self._bias = (F.pad(x, (0, 0, 0, fill)).flatten(0, 1) for x in by_gate[:2])
        self._input, self._bias = inputs.T.contiguous(), self._bias[:, 0]
        self.add_product = _product(F.pad(by_gate[2], (0, fill, 0, fill)).flatten(0, 1), precision)

    def project(self, x: Tensor) -> Tensor:
        """Return what `x`, shape (n, width), adds to the gates: float32, shape (n, 4 state_dim)."""
        n = len(x)
        filled = x if n >= FEWEST_ROWS else F.pad(x, (0, 0, 0, FEWEST_ROWS - n))
        return torch.addmm(self._bias, filled, self._input)[:n]

    def __call__(
        self, rows: Tensor, index: Tensor, live: Sequence[int], into: Tensor, *, backwards: bool = False
    ) -> None:
        """Write the outputs at every token.

        Parameters
        ----------
        rows : float32, shape (n, 4 state_dim): what `project` returns.
        index : int64, shape (time, batch): the row that each sequence reads at each step.
        live : how many sequences have a token at each of the first steps; they are the first ones of the batch.
        into : float32, shape (time, batch, state_dim), zeros; stays so where a sequence has ended, and beyond `hidden`.
        backwards : read from the last token to the first. A sequence that is shorter than others then begins later,
            from the zeros that stand where it has ended.
        """
        batch = index.shape[1]
        cell, spare = rows.new_zeros(batch, self.state_dim), rows.new_empty(batch, self.state_dim)
        all_gates = rows.new_empty(batch, 4 * self.state_dim)
        before = None
        for step in reversed(range(len(live))) if backwards else range(len(live)):
            n = live[step]
            gates = all_gates[:n]
            torch.index_select(rows, 0, index[step, :n], out=gates)
            if before is not None:
                self.add_product(gates, before[:n])
            entry, kept, new, shown = gates.sigmoid_().chunk(4, dim=1)
            before = into[step]
            _finish(cell[:n], spare[:n], entry, kept, new, shown, into=before[:n])
        into.mul_(2.0)


def _finish(cell: Tensor, spare: Tensor, entry: Tensor, kept: Tensor, new: Tensor, shown: Tensor, into: Tensor) -> None:
    """Bring twice the cell to this step and write half the output, given the gates; `spare` is written over."""
    cell.mul_(kept).addcmul_(entry, new, value=4.0).sub_(entry, alpha=2.0)
    torch.mul(shown, torch.sigmoid(cell, out=spare).sub_(0.5), out=into)


def read_one(directions: Sequence[FrozenLSTM], rows: Sequence[Tensor], index: Tensor) -> Tensor:
    """Return the outputs over a single sequence, read in all directions at once: half as many operations of one row.

    Parameters
    ----------
    directions : of one layer; the second, where there is one, reads from the last token to the first.
    rows : what each direction's `project` returns.
    index : int64, shape (time,), time at least 1: the row that is read at each step.

    Returns
    -------
    float32 of shape (time, len(directions) * hidden), those of a batch of one sequence to the last place
    """
    time, hidden, state_dim = len(index), directions[0].hidden, directions[0].state_dim
    orders = [index, index.flip(0)][: len(directions)]
    gates = torch.stack([table[order] for table, order in zip(rows, orders, strict=True)], dim=1)[:, :, None]
    outputs = gates.new_empty(time, len(directions), 1, state_dim)
    cell, spare = torch.zeros_like(outputs[0]), torch.empty_like(outputs[0])
    add_products = [direction.add_product for direction in directions] * (time - 1)
    sums, states = gates.flatten(0, 1).unbind(0), outputs.flatten(0, 1).unbind(0)
    products = zip(add_products, sums[len(directions) :], states[: -len(directions)], strict=True)
    views = (gates, *gates.chunk(4, dim=3), outputs)  # (time, directions, 1, width)
    for step, (now, entry, kept, new, shown, into) in enumerate(zip(*(view.unbind(0) for view in views), strict=True)):
        for add_product, into_gates, state in islice(products, len(directions) if step else 0):
            add_product(into_gates, state)
        now.sigmoid_()
        _finish(cell, spare, entry, kept, new, shown, into)
    ahead, *back = outputs.mul_(2.0)[:, :, 0, :hidden].unbind(1)
    return torch.cat([ahead, *(read.flip(0) for read in back)], dim=1)


def freeze(lstm: nn.LSTM, precision: FrozenPrecision) -> list[FrozenLSTM]:
    """Return the layers of a one-way LSTM."""
    return [
        FrozenLSTM(
            getattr(lstm, f"weight_ih_l{layer}").detach(),
            getattr(lstm, f"weight_hh_l{layer}").detach(),
            getattr(lstm, f"bias_ih_l{layer}").detach() + getattr(lstm, f"bias_hh_l{layer}").detach(),
            precision,
        )
        for layer in range(lstm.num_layers)
    ]


def _product(weight: Tensor, precision: FrozenPrecision) -> _AddProduct:
    """Return what adds the product of half a state with `weight`, shape (4 hidden, hidden), to gates in place."""
    if precision == "fp32":
        transposed = weight.T.contiguous()
        return lambda gates, state: torch.addmm(gates, state, transposed, out=gates)
    if precision == "bf16":
        halved = weight.bfloat16().T
        return lambda gates, state: gates.add_(torch.mm(state.bfloat16(), halved))
    if not is_int8_exact(weight.shape[1]):
        raise ConfigError(
            "this processor does not multiply int8 exactly (it has no dot product instructions such as VNNI); "
            "use bf16 or fp32"
        )
    scale = weight.abs().amax(dim=1).clamp(min=1e-30) / _LARGEST
    integers = (weight / scale[:, None]).round().to(torch.int8).T
    scale = scale / (2 * _LARGEST)
    return lambda gates, state: gates.addcmul_(
        torch._int_mm((state * (2 * _LARGEST)).round_().to(torch.int8), integers), scale
    )


@cache
def is_int8_exact(hidden: int) -> bool:
    """Return whether products of int8 are exact here: without VNNI, sums of two may be cut off at 16 bits."""
    largest = torch.full((32, hidden), _LARGEST, dtype=torch.int8)
    products = torch._int_mm(largest, torch.full((4 * hidden, hidden), _LARGEST, dtype=torch.int8).T)
    return bool((products == hidden * _LARGEST**2).all())

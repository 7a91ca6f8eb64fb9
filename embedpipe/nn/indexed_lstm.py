"""LSTMs in training on a CPU, over rows that many tokens share.

Of the products of a layer, that of the input is taken once for each distinct row (word) of a batch and gathered, and
so is its gradient: of the 13,000 tokens of 512 sentences a third are distinct. Padding is never read, both directions
go side by side, and what the way back needs lies in memory that is used again in the next step: one step takes
some 200 MB, and to have it fetched from the system anew takes a fifth of the time. The more often words repeat, the
less time this takes, for the same gradients as ``nn.LSTM``'s: two thirds of its time where a third are distinct.

As in `nn.frozen` gates are sigmoids alone, tanh(x) being 2 · sigmoid(2 x) - 1: the cell gate's weights are doubled.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from embedpipe.nn.layers import at_end
from embedpipe.nn.packing import Packing, pack

__all__ = ["Spare", "read_rows"]


class Spare:
    """Memory that is used again: a buffer is free when what was computed in it has been used."""

    def __init__(self) -> None:
        self._free: dict[torch.dtype, list[Tensor]] = {}

    def __deepcopy__(self, memo: object) -> "Spare":
        return Spare()

    def take(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return a tensor that holds anything, in the smallest free buffer that is large enough, or a new one."""
        n = torch.Size(shape).numel()
        free = self._free.setdefault(dtype, [])
        place = next((i for i, buffer in enumerate(free) if len(buffer) >= n), None)
        if place is None:
            # The largest that is too small goes, so that no more are kept than are in use at once.
            del free[-1:]
            buffer = torch.empty(n + n // 8, dtype=dtype)
        else:
            buffer = free.pop(place)
        return buffer[:n].view(shape)

    def give_back(self, *tensors: Tensor) -> None:
        """Take back what `take` returned, when nothing reads it any more."""
        for tensor in tensors:
            free = self._free.setdefault(tensor.dtype, [])
            free.append(torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage()))
            free.sort(key=len)


def read_rows(
    lstms: Sequence[Sequence[nn.LSTM]], rows: Tensor, numbers: Tensor, lengths: Tensor, spare: Spare
) -> tuple[Tensor, Tensor]:
    """Return what layers of LSTMs read: the outputs and the last states, as `nn.readers` defines them.

    Parameters
    ----------
    lstms : of each layer one that reads forwards and, where there are two, one that reads backwards; of one layer each.
    rows : float of shape (n_rows, width), on a CPU.
    numbers : int64 of shape (batch, time): the row that each token reads.
    lengths : int64 of shape (batch,).
    spare : the memory of what the way back needs.

    Notes
    -----
    Under autocast products are of its type, and all else is in float32.

    Examples
    --------
    >>> lstm, rows = nn.LSTM(2, 3, batch_first=True), torch.randn(4, 2)
    >>> numbers, lengths = torch.tensor([[3, 1, 0], [2, 0, 0]]), torch.tensor([3, 1])
    >>> outputs, last = read_rows([[lstm]], rows, numbers, lengths, Spare())
    >>> bool(torch.allclose(outputs[0], lstm(rows[numbers])[0][0], atol=1e-6)), outputs[1, 1:].any().item()
    (True, False)
    """
    batch, time = numbers.shape
    packing = pack(lengths, time)
    if not packing.live:
        width = sum(lstm.hidden_size for lstm in lstms[-1])
        return rows.new_zeros(batch, time, width), rows.new_zeros(batch, width)
    both = len(lstms[0]) > 1
    index = _index(numbers.flatten()[packing.place], packing, both)
    for layer in lstms:
        read = _read_layer(layer, rows, index, packing.live, spare)  # (n_tokens, directions, hidden)
        rows = torch.cat([read[:, 0], read[packing.mirror, 1]], dim=1) if both else read[:, 0]
        index = _index(torch.arange(len(rows)), packing, both)
    outputs = packing.unpack(rows, batch, time)
    hidden = lstms[-1][0].hidden_size
    ends = [at_end(outputs[:, :, :hidden], lengths), *([outputs[:, 0, hidden:]] if both else [])]
    return outputs, torch.cat(ends, dim=1)


def _index(numbers: Tensor, packing: Packing, both: bool) -> Tensor:
    """Return the row that each packed token reads in each direction, int64 of shape (n_tokens, directions)."""
    return torch.stack([numbers, numbers[packing.mirror]], dim=1) if both else numbers[:, None]


def _read_layer(lstms: Sequence[nn.LSTM], rows: Tensor, index: Tensor, live: list[int], spare: Spare) -> Tensor:
    """Return the outputs of one layer at each packed token, float of shape (n_tokens, directions, hidden)."""
    scale = torch.ones(4, 1)
    scale[2] = 2.0  # the cell gate, whose tanh becomes a sigmoid
    scale = scale.expand(4, lstms[0].hidden_size).reshape(-1, 1)
    weights = [lstm.all_weights[0] for lstm in lstms]
    inputs = torch.cat([weight * scale for weight, _, _, _ in weights])
    bias = torch.cat([(one + other) * scale[:, 0] for _, _, one, other in weights])
    projected = F.linear(rows, inputs, bias).view(len(rows), len(lstms), -1)
    states = torch.stack([weight * scale for _, weight, _, _ in weights])
    read: Tensor = _Steps.apply(projected, states, index, live, spare)  # type: ignore[no-untyped-call]
    return read


class _Steps(torch.autograd.Function):
    """All steps of one layer: what it reads forwards, and back the gradients of the projected rows and the weights."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor, weight: Tensor, index: Tensor, live: list[int], spare: Spare) -> Tensor:
        """Return the outputs, shape (n_tokens, directions, hidden).

        Parameters
        ----------
        projected : shape (n_rows, directions, 4 hidden), its type that of the products.
        weight : shape (directions, 4 hidden, hidden).
        index : the row that each packed token reads in each direction.
        """
        n_rows, directions, width = projected.shape
        n_tokens, hidden, full = len(index), width // 4, weight.dtype
        flat = (index * directions + torch.arange(directions)).flatten()
        table, weight = projected.reshape(-1, width), weight.to(projected.dtype)
        is_full = projected.dtype == full
        gates = spare.take((n_tokens, directions, width), full)
        cells, shown = (spare.take((n_tokens, directions, hidden), full) for _ in range(2))
        before = spare.take((n_tokens, directions, hidden), projected.dtype)
        outputs = torch.empty(n_tokens, directions, hidden, dtype=full)
        if is_full:
            torch.index_select(table, 0, flat, out=gates.view(-1, width))
        start = previous = 0
        for step, n in enumerate(live):
            now, earlier = slice(start, start + n), slice(previous, previous + n)
            gate, cell = gates[now], cells[now]
            if not is_full:
                gate.copy_(table[flat[start * directions : (start + n) * directions]].view(gate.shape))
            if step:
                state = before[now].copy_(outputs[earlier])
                for one in range(directions):
                    if is_full:
                        gate[:, one].addmm_(state[:, one], weight[one].T)
                    else:
                        gate[:, one].add_(state[:, one] @ weight[one].T)
            entry, kept, new, out = gate.sigmoid_().chunk(4, dim=2)
            torch.addcmul(entry, entry, new, value=-2.0, out=cell).neg_()
            if step:
                cell.addcmul_(kept, cells[earlier])
            tanh = torch.mul(cell, 2.0, out=shown[now]).sigmoid_().mul_(2.0).sub_(1.0)
            torch.mul(out, tanh, out=outputs[now])
            previous, start = start, start + n
        ctx.live, ctx.n_rows, ctx.spare = live, n_rows, spare
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(weight, flat, gates, cells, shown, before)
        else:
            spare.give_back(gates, cells, shown, before)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        """Return the gradients of the projected rows and of the weights."""
        weight, flat, gates, cells, shown, before = ctx.saved_tensors
        live, n_rows = ctx.live, ctx.n_rows
        n_tokens, directions, width = gates.shape
        products = ctx.spare.take(gates.shape, weight.dtype) if weight.dtype != gates.dtype else gates
        of_output, of_cell = torch.zeros_like(cells[: live[0]]), torch.zeros_like(cells[: live[0]])
        one, two, three = (torch.empty_like(of_cell) for _ in range(3))
        end = n_tokens
        for step in reversed(range(len(live))):
            n = live[step]
            now, earlier = slice(end - n, end), slice(end - n - live[step - 1], end - live[step - 1])
            down = None if step == 0 else cells[earlier]
            hidden, cell, gate = of_output[:n].add_(gradient[now]), of_cell[:n], gates[now]
            _to_gates(gate, shown[now], down, hidden, cell, (one[:n], two[:n], three[:n]))
            if products is not gates:
                products[now].copy_(gate)
            for direction in range(directions if step else 0):
                hidden[:, direction].copy_(products[now][:, direction] @ weight[direction])
            end -= n
        rows = ctx.spare.take((n_rows * directions, width), gates.dtype)
        rows.zero_().index_add_(0, flat, gates.view(-1, width))
        of_rows = rows.to(weight.dtype, copy=True).view(n_rows, directions, width)
        later = slice(live[0], None)
        of_weight = [products[later, i].T @ before[later, i] for i in range(directions)]
        ctx.spare.give_back(gates, cells, shown, before, rows, *([products] if products is not gates else []))
        return of_rows, torch.stack(of_weight).to(gates.dtype), None, None, None


def _to_gates(
    gates: Tensor,
    shown: Tensor,
    before: Tensor | None,
    hidden: Tensor,
    cell: Tensor,
    spare: tuple[Tensor, Tensor, Tensor],
) -> None:
    """Turn the gates of a step, in place, into the gradient of what their sigmoids were taken of.

    Parameters
    ----------
    gates : shape (rows, directions, 4 hidden).
    shown : tanh of the cell.
    before : the cell of the step before, or None at the first.
    hidden, cell : gradients of the output and, from the step after, of the cell, which becomes that for the step
        before.
    spare : written over.
    """
    entry, kept, new, out = gates.chunk(4, dim=2)
    one, two, three = spare
    torch.mul(hidden, out, out=one)
    cell.add_(one)
    cell.sub_(one.mul_(shown).mul_(shown))
    torch.mul(cell, entry, out=one)
    torch.mul(new, 2.0, out=two).sub_(1.0).mul_(cell)
    if before is not None:
        torch.mul(cell, before, out=three)
        cell.mul_(kept)
    gates.addcmul_(gates, gates, value=-1.0)
    entry.mul_(two)
    new.mul_(one).mul_(2.0)
    out.mul_(hidden).mul_(shown)
    if before is None:
        kept.zero_()
    else:
        kept.mul_(three)

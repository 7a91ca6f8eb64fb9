"""Several processes that train one model: rows shared out, vectors gathered with their gradient, gradients averaged.

Every process draws the same batches, reads its share of the rows, gathers the vectors of all rows and computes the same
loss on them; the averaged gradients are those of one process with the whole batch. In a single process every function
here gives back what it is given.
"""

import json
import os
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from embedpipe.errors import ConfigError
from embedpipe.nn.batches import Padded
from embedpipe.runtime import DeviceName, launched, resolve_device

__all__ = [
    "announce",
    "average_gradients",
    "copy_from_first",
    "gather_rows",
    "heard",
    "is_first",
    "join_processes",
    "leave_processes",
    "mean_over_processes",
    "n_processes",
    "rank",
    "set_apart",
    "share_of_rows",
    "value_of_first",
    "wait_for_all",
]

_PATIENCE = timedelta(days=7)
"""The others wait, by gloo, while the first process prepares the text and trains the words."""
_STEP_PATIENCE = timedelta(minutes=10)
"""NCCL exchanges what belongs to one step: who waits longer waits for a machine that is gone."""
_groups: dict[str, Any] = {}
"""Who exchanges tensors of a kind of device, where it is not all of the processes by gloo."""


def n_processes() -> int:
    """Return how many processes train together; 1 where none have joined."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if n_processes() > 1 else 0


def is_first() -> bool:
    """Return whether this process is the one that writes, prints and reports.

    >>> is_first()
    True
    """
    return rank() == 0


def join_processes(device: DeviceName = "auto") -> None:
    """Join the processes that ``torchrun`` or ``accelerate launch`` started; does nothing without them, or twice.

    Tensors of the processor are exchanged by gloo, those of GPUs by NCCL; each process takes the GPU of its number on
    this machine.

    Parameters
    ----------
    device : where they will train.

    Raises
    ------
    ConfigError
        If torch sees no such device, or the launcher started more processes on this machine than it has GPUs and they
        are to train on those.
    """
    if launched()[1] == 1 or dist.is_initialized():
        return
    cuda = resolve_device(device).type == "cuda"
    if cuda:
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise ConfigError(
                f"process {local} of this machine has no GPU: it has {torch.cuda.device_count()}; start as many "
                "processes (--nproc-per-node), or train with --device cpu"
            )
        torch.cuda.set_device(local)
    dist.init_process_group("gloo", timeout=_PATIENCE)
    if cuda:
        _groups["cuda"] = dist.new_group(backend="nccl", timeout=_STEP_PATIENCE)


def wait_for_all() -> None:
    """Wait until every process is here: one that leaves while another still listens may take it down at its exit."""
    if n_processes() > 1:
        dist.barrier()


def leave_processes() -> None:
    """Go on alone; the others are told by the connection that breaks."""
    if n_processes() > 1:
        _groups.clear()
        dist.destroy_process_group()


def copy_from_first(model: nn.Module) -> None:
    """Give the model of every process the weights of the first one's."""
    if n_processes() > 1:
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                dist.broadcast(tensor, 0, group=_groups.get(tensor.device.type))


def set_apart() -> None:
    """Let torch draw other numbers in each process, for equal dropout masks on other rows would be no chance."""
    if rank() > 0:
        torch.manual_seed(int(torch.randint(2**48, ())) + rank())


def share_of_rows(batch: Padded) -> Padded:
    """Return the rows of a batch that this process reads: a run of them, in the order of the processes.

    Raises
    ------
    ConfigError
        If there are fewer rows than processes.
    """
    n, rows = n_processes(), len(batch.lengths)
    if n == 1:
        return batch
    if rows < n:
        raise ConfigError(f"a batch of {rows} rows cannot be shared by {n} processes; set a larger batch")
    return Padded(batch.ids.tensor_split(n)[rank()], batch.lengths.tensor_split(n)[rank()])


def gather_rows(rows: Tensor, total: int) -> Tensor:
    """Return the rows of all processes, of shape (total, ...), on each of them, with gradient.

    The gradient of a row is the sum over the processes of what their losses want of it, so that `average_gradients`
    gives that of the mean of their losses.

    Parameters
    ----------
    rows : what this process made of its `share_of_rows`.
    total : the rows of the whole batch.

    Examples
    --------
    >>> gather_rows(torch.ones(2, 3), 2).shape
    torch.Size([2, 3])
    """
    if n_processes() == 1:
        return rows
    gathered: Tensor = _GatherRows.apply(rows, total)  # type: ignore[no-untyped-call]
    return gathered


class _GatherRows(torch.autograd.Function):
    """A sum of tables that hold one share each and zero elsewhere: shares need not be equal, and zeros add exactly."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, total: int) -> Tensor:
        sizes = [len(part) for part in torch.empty(total, 0).tensor_split(n_processes())]
        ctx.start = sum(sizes[: rank()])
        ctx.stop = ctx.start + len(rows)
        whole = rows.new_zeros(total, *rows.shape[1:])
        whole[ctx.start : ctx.stop] = rows
        _sum(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        summed = gradient.clone(memory_format=torch.contiguous_format)
        _sum(summed)
        return summed[ctx.start : ctx.stop], None


def _sum(tensor: Tensor) -> None:
    """Replace a tensor by its sum over the processes."""
    dist.all_reduce(tensor, group=_groups.get(tensor.device.type))


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace the gradients, dense and sparse, by their mean over the processes.

    A parameter without a gradient in any of them keeps none.

    Parameters
    ----------
    parameters : the same ones in the same order in every process.
    """
    if n_processes() == 1:
        return
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained:
        return
    # What one process has not used, another may have. Told on the CPU, for a GPU would have to be waited for.
    gradients = [parameter.grad for parameter in trained]
    kinds = torch.tensor([[g is not None and g.is_sparse is sparse for g in gradients] for sparse in (False, True)])
    kinds = kinds.to(torch.uint8)
    dist.all_reduce(kinds, op=dist.ReduceOp.MAX)
    is_dense, is_sparse = kinds.tolist()
    dense = [parameter for parameter, one in zip(trained, is_dense, strict=True) if one]
    if dense:
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in dense])
        _sum(flat)
        flat /= n_processes()
        pieces = torch.split(flat, [parameter.numel() for parameter in dense])
        for parameter, piece in zip(dense, pieces, strict=True):
            parameter.grad = piece.view_as(parameter)
    for parameter, one in zip(trained, is_sparse, strict=True):
        if one:
            parameter.grad = _mean_of_sparse(parameter)


def _mean_of_sparse(parameter: nn.Parameter) -> Tensor:
    """Return the mean of a sparse gradient over the processes: their rows side by side, those of one index summed.

    Padded to the longest, because NCCL reduces no sparse tensors and gathers only equal shapes.
    """
    n, width = n_processes(), parameter.shape[1:]
    if parameter.grad is None:
        indices = torch.empty(0, dtype=torch.int64, device=parameter.device)
        values = parameter.new_empty(0, *width)
    else:
        coalesced = parameter.grad.coalesce()
        indices, values = coalesced.indices()[0], coalesced.values()
    counts = [torch.zeros(1, dtype=torch.int64) for _ in range(n)]
    dist.all_gather(counts, torch.tensor([len(indices)]))
    lengths = [int(count) for count in counts]
    own_indices = indices.new_zeros(max(lengths))
    own_values = values.new_zeros(max(lengths), *width)
    own_indices[: len(indices)], own_values[: len(values)] = indices, values
    all_indices = [torch.empty_like(own_indices) for _ in range(n)]
    all_values = [torch.empty_like(own_values) for _ in range(n)]
    group = _groups.get(parameter.device.type)
    dist.all_gather(all_indices, own_indices, group=group)
    dist.all_gather(all_values, own_values, group=group)
    found = zip(all_indices, all_values, lengths, strict=True)
    pairs = [(indices[:length], values[:length]) for indices, values, length in found]
    merged = torch.sparse_coo_tensor(
        torch.cat([indices for indices, _ in pairs])[None],
        torch.cat([values for _, values in pairs]) / n,
        parameter.shape,
        check_invariants=False,
    )
    return merged.coalesce()


def mean_over_processes(value: Tensor) -> Tensor:
    """Return the mean of a scalar over the processes, without gradient; not finite where one of them is not."""
    if n_processes() == 1:
        return value.detach()
    mean = value.detach().clone()
    _sum(mean)
    return mean / n_processes()


def value_of_first(value: float) -> float:
    """Return the first process's `value` on all, so that what is decided by it is decided alike."""
    if n_processes() == 1:
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    dist.broadcast(shared, 0)
    return float(shared)


def announce(message: dict[str, Any]) -> None:
    """Send a message, as JSON, from the first process to all others, which wait in `heard`."""
    if n_processes() == 1:
        return
    content = torch.frombuffer(bytearray(json.dumps(message).encode()), dtype=torch.uint8)
    dist.broadcast(torch.tensor([len(content)]), 0)
    dist.broadcast(content, 0)


def heard() -> dict[str, Any]:
    """Wait for what the first process announces next, and return it."""
    length = torch.zeros(1, dtype=torch.int64)
    dist.broadcast(length, 0)
    content = torch.empty(int(length), dtype=torch.uint8)
    dist.broadcast(content, 0)
    message: dict[str, Any] = json.loads(bytes(content.tolist()))
    return message

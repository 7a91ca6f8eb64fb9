"""AdamW for the dense parameters, and what suits the device for tables of which a batch touches a few rows."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["make_optimizers", "set_sparse"]


def set_sparse(model: nn.Module, device: torch.device) -> None:
    """Give the sparse ``nn.Embedding`` tables of `model` the gradients that `device` updates fastest.

    On a CPU they stay sparse. SparseAdam waits for a GPU in every step, to learn how many rows there are, while a
    fused AdamW over the whole table is quick there and waits for nothing: so the gradients become dense.

    >>> table = nn.Embedding(5, 2, sparse=True)
    >>> set_sparse(table, torch.device("cpu")), table.sparse
    (None, True)
    >>> set_sparse(table, torch.device("cuda")), table.sparse
    (None, False)
    """
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            module.sparse = module.sparse and device.type == "cpu"


def make_optimizers(
    model: nn.Module,
    learning_rate: float,
    weight_decay: float,
    *,
    sparse: Iterable[nn.Parameter] = (),
    dense: Iterable[nn.Parameter] = (),
    sparse_learning_rate: float | None = None,
) -> list[torch.optim.Optimizer]:
    """Return AdamW for the parameters with dense gradients and SparseAdam for those with sparse ones.

    The group of dense tables of which a step reads a few rows is marked ``clipped=False``: `fit` clips their gradients
    no more than it can clip sparse ones.

    A dense Adam step over a large embedding table costs more on a CPU than the LSTM above it; SparseAdam touches only
    the rows of the batch. Weight decay falls on matrices only, and never on a table.

    Parameters
    ----------
    model : its ``nn.Embedding`` tables are found here; which of them have sparse gradients, `set_sparse` decides.
    sparse : further tables of which a step reads a few rows, with sparse gradients on a CPU, such as the argument of
        ``F.embedding(ids, weight, sparse=True)``, and dense ones elsewhere.
    dense : further tables of which a step reads all rows.
    sparse_learning_rate : of all tables; `learning_rate` when None.
    """
    rate = learning_rate if sparse_learning_rate is None else sparse_learning_rate
    embeddings = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    further = list(sparse)
    scattered = _trained([*(e.weight for e in embeddings if e.sparse), *(t for t in further if t.device.type == "cpu")])
    in_part = _trained(
        [*(e.weight for e in embeddings if not e.sparse), *(t for t in further if t.device.type != "cpu")]
    )
    whole = _trained(dense)
    others = [p for p in _trained(model.parameters()).values() if id(p) not in scattered | in_part | whole]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
        {"params": list(in_part.values()), "weight_decay": 0.0, "lr": rate, "clipped": False},
        {"params": list(whole.values()), "weight_decay": 0.0, "lr": rate},
    ]
    optimizers: list[torch.optim.Optimizer] = []
    if any(group["params"] for group in groups):
        optimizers.append(torch.optim.AdamW([g for g in groups if g["params"]], lr=learning_rate, fused=True))
    if scattered:
        optimizers.append(torch.optim.SparseAdam(list(scattered.values()), lr=rate))
    return optimizers


def _trained(parameters: Iterable[Tensor]) -> dict[int, Tensor]:
    return {id(parameter): parameter for parameter in parameters if parameter.requires_grad}

"""Ids to vectors in training, in parts where the whole batch does not fit into memory."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from embedpipe.nn.batches import Padded
from embedpipe.nn.distributed import gather_rows, n_processes, share_of_rows

__all__ = ["embed"]


def embed(network: nn.Module, batch: Padded, micro_batch: int = 0) -> Tensor:
    """Return the vectors of all rows, shape (rows, dim), with the gradients of the whole batch.

    Rows are read `micro_batch` at a time, and each part is read once more when gradients flow back into it
    (activation checkpointing; Chen et al., 2016): a contrastive loss over all rows then takes the memory of one part
    (gradient caching; Gao et al., 2021), for a third more work. Dropout draws the same masks both times. Of several
    processes that train together each reads its share of the rows and is given all vectors (`nn.distributed`).

    Parameters
    ----------
    network : called with ids and lengths.
    batch : the rows.
    micro_batch : rows read at once; 0 is all of them.
    """
    if torch.is_grad_enabled() and n_processes() > 1:
        return gather_rows(_read(network, share_of_rows(batch), micro_batch), len(batch.lengths))
    return _read(network, batch, micro_batch)


def _read(network: nn.Module, batch: Padded, micro_batch: int) -> Tensor:
    if not 0 < micro_batch < len(batch.lengths):
        vectors: Tensor = network(batch.ids, batch.lengths)
        return vectors
    parts = zip(torch.split(batch.ids, micro_batch), torch.split(batch.lengths, micro_batch), strict=True)
    if not torch.is_grad_enabled():
        return torch.cat([network(*part) for part in parts])
    return torch.cat([checkpoint(network, *part, use_reentrant=False, preserve_rng_state=True) for part in parts])

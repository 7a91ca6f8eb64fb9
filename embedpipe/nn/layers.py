"""Layers that the encoder and the language model share. Shapes are batch first: (batch, time, dim)."""

import torch
from torch import Tensor, nn

__all__ = ["BidirectionalLSTM", "LockedDropout", "embedding_dropout", "length_mask", "reverse_within_length"]


def length_mask(lengths: Tensor, time: int) -> Tensor:
    """Return a bool tensor of shape (batch, time): True where a position lies within its sequence.

    >>> length_mask(torch.tensor([2, 0]), 3).tolist()
    [[True, True, False], [False, False, False]]
    """
    return torch.arange(time, device=lengths.device) < lengths[:, None]


def reverse_within_length(x: Tensor, lengths: Tensor) -> Tensor:
    """Return `x` with each sequence reversed within its own length and its padding left in place.

    Parameters
    ----------
    x : shape (batch, time) or (batch, time, dim).
    lengths : integers of shape (batch,), from 0 to time.

    Examples
    --------
    >>> reverse_within_length(torch.tensor([[1, 2, 3, 0], [4, 0, 0, 0]]), torch.tensor([3, 1])).tolist()
    [[3, 2, 1, 0], [4, 0, 0, 0]]
    """
    position = torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1)  # (batch, time)
    mirrored = lengths[:, None] - 1 - position
    source = torch.where(mirrored >= 0, mirrored, position)
    if x.ndim == 3:
        source = source[:, :, None].expand(-1, -1, x.shape[2])
    return x.gather(1, source)


def embedding_dropout(embedded: Tensor, ids: Tensor, n_tokens: int, p: float) -> Tensor:
    """Drop whole words from a batch: every occurrence of a dropped token becomes zero, the others are scaled up.

    Source: Gal & Ghahramani (2016), as used by Merity et al. (2018). Call it in training only.

    Parameters
    ----------
    embedded : shape (batch, time, dim), the embedding of `ids` of shape (batch, time).
    n_tokens : number of rows of the table.
    p : share of the vocabulary that is dropped, in [0, 1).
    """
    if p == 0.0:
        return embedded
    keep = (torch.rand(n_tokens, device=embedded.device) >= p).to(embedded.dtype) / (1.0 - p)
    return embedded * keep[ids][:, :, None]


class LockedDropout(nn.Module):
    """Dropout with one mask per sequence, the same at every time step (Gal & Ghahramani, 2016).

    Parameters
    ----------
    p : share of the features that is dropped, in [0, 1); the others are scaled by 1 / (1 - p).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0.0 <= p < 1.0:
            raise ValueError(f"a dropout share lies in [0, 1), not {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        keep = torch.rand(x.shape[0], 1, x.shape[2], device=x.device) >= self.p  # (batch, 1, dim)
        return x * (keep.to(x.dtype) / (1.0 - self.p))


class BidirectionalLSTM(nn.Module):
    """Two one-way LSTMs, the second over each sequence reversed within its own length.

    A padded ``nn.LSTM(bidirectional=True)`` lets padding into the backward state, and a packed one loses the fast
    kernels; this is exact and fast, and a sequence gives the same output in whatever batch it stands.

    Parameters
    ----------
    input_dim : width of the input.
    hidden : width of the LSTM in each direction.
    """

    def __init__(self, input_dim: int, hidden: int) -> None:
        super().__init__()
        self.forwards = nn.LSTM(input_dim, hidden, batch_first=True)
        self.backwards = nn.LSTM(input_dim, hidden, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs and the two final states.

        Parameters
        ----------
        x : shape (batch, time, input_dim), time at least 1.
        lengths : integers of shape (batch,), from 0 to time.

        Returns
        -------
        outputs : shape (batch, time, 2 * hidden), zero in the padding.
        last : shape (batch, 2 * hidden): the forward state at the end of each sequence beside the backward state at
            its beginning, zero for an empty sequence.
        """
        ahead, _ = self.forwards(x)  # (batch, time, hidden)
        back, _ = self.backwards(reverse_within_length(x, lengths))
        final = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, ahead.shape[2])
        last = torch.cat([ahead.gather(1, final), back.gather(1, final)], dim=2)[:, 0]
        last = last * (lengths > 0)[:, None]
        outputs = torch.cat([ahead, reverse_within_length(back, lengths)], dim=2)
        return outputs * length_mask(lengths, x.shape[1])[:, :, None], last

"""Networks that read a batch of sequences, behind one interface. Shapes are batch first: (batch, time, width).

A reader is a module with the width `out_dim` of what it gives and
``forward(x, lengths) -> (outputs, last)``:

x : shape (batch, time, width), time at least 1.
lengths : integers of shape (batch,), from 0 to time.
outputs : shape (batch, time, out_dim), zero in the padding.
last : shape (batch, out_dim), what stands at the end of each sequence, zero for an empty one.

What lies in the padding of `x` is never seen, and a sequence gives the same in whatever batch it stands.
"""

from typing import Literal, cast

import torch
from torch import Tensor, nn

from embedpipe.nn.layers import at_end, length_mask, reverse_within_length

__all__ = [
    "BidirectionalLSTM",
    "ReaderKind",
    "Recurrent",
    "Transformer",
    "lstms_of",
    "make_reader",
    "one_way_sides",
    "reader_width",
    "sinusoids",
]

ReaderKind = Literal["bilstm", "lstm", "gru", "rnn", "transformer"]
_ONE_WAY: dict[str, type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def reader_width(kind: ReaderKind, hidden: int) -> int:
    """Return the width `out_dim` of what a reader of this kind gives.

    >>> reader_width("bilstm", 4), reader_width("gru", 4)
    (8, 4)
    """
    return 2 * hidden if kind == "bilstm" else hidden


def make_reader(
    kind: ReaderKind, input_dim: int, hidden: int, layers: int = 1, heads: int = 1
) -> "BidirectionalLSTM | Recurrent | Transformer":
    """Return a reader of one of the five kinds.

    Parameters
    ----------
    input_dim : width of what is read.
    hidden : width of the layers, of a bidirectional LSTM in each direction.
    layers : how many.
    heads : attention heads of a Transformer, whose `hidden` is a multiple of them; the others have none.

    Examples
    --------
    >>> {kind: make_reader(kind, 6, 4).out_dim for kind in ("bilstm", "lstm", "gru", "rnn", "transformer")}
    {'bilstm': 8, 'lstm': 4, 'gru': 4, 'rnn': 4, 'transformer': 4}
    """
    if kind == "bilstm":
        return BidirectionalLSTM(input_dim, hidden, layers)
    if kind == "transformer":
        return Transformer(input_dim, hidden, layers, heads)
    return Recurrent(_ONE_WAY[kind](input_dim, hidden, layers, batch_first=True))


def lstms_of(reader: nn.Module | None) -> list[list[nn.LSTM]]:
    """Return the LSTMs of each layer of a reader, one for each direction.

    None of a reader that has others, and none of a one-way LSTM of several layers, which torch keeps in one module.

    >>> [len(layer) for layer in lstms_of(make_reader("bilstm", 6, 4, layers=3))], lstms_of(make_reader("gru", 6, 4))
    ([2, 2, 2], [])
    """
    if isinstance(reader, BidirectionalLSTM):
        layers = zip(reader.forwards, reader.backwards, strict=True)
        return [[cast("nn.LSTM", one) for one in layer] for layer in layers]
    if isinstance(reader, Recurrent) and isinstance(reader.net, nn.LSTM) and reader.net.num_layers == 1:
        return [[reader.net]]
    return []


def one_way_sides(reader: nn.Module) -> tuple[tuple[slice, int], ...]:
    """Return the components of the outputs that depend on one side of the text alone, and in which steps it was read.

    Steps of 1 are from the first token to the last, of -1 from the last to the first. A transformer has none, nor has a
    bidirectional reader of several layers, whose second reads both directions of the first.

    >>> one_way_sides(make_reader("gru", 6, 4)), one_way_sides(make_reader("bilstm", 6, 4, layers=2))
    (((slice(0, 4, None), 1),), ())
    """
    if isinstance(reader, Recurrent):
        return ((slice(0, reader.out_dim), 1),)
    if isinstance(reader, BidirectionalLSTM) and len(reader.forwards) == 1:
        half = reader.out_dim // 2
        return (slice(0, half), 1), (slice(half, reader.out_dim), -1)
    return ()


class Recurrent(nn.Module):
    """A recurrent network that reads from the first token to the last.

    Parameters
    ----------
    net : an ``nn.RNN``, ``nn.GRU`` or ``nn.LSTM``, one way and batch first.

    Examples
    --------
    >>> outputs, last = Recurrent(nn.GRU(2, 3, batch_first=True))(torch.ones(1, 4, 2), torch.tensor([2]))
    >>> outputs.shape, bool((last == outputs[:, 1]).all()), outputs[0, 2:].any().item()
    (torch.Size([1, 4, 3]), True, False)
    """

    def __init__(self, net: nn.RNNBase) -> None:
        super().__init__()
        self.net = net
        self.out_dim = net.hidden_size

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs and, for each sequence, the one at its end."""
        outputs, _ = self.net(x)
        outputs = outputs * length_mask(lengths, x.shape[1])[:, :, None]
        return outputs, at_end(outputs, lengths)


class BidirectionalLSTM(nn.Module):
    """In each layer two one-way LSTMs, the second over each sequence reversed within its own length.

    A padded ``nn.LSTM(bidirectional=True)`` lets padding into the backward state, and a packed one loses the fast
    kernels; this is exact and fast.

    Parameters
    ----------
    input_dim : width of the input.
    hidden : width of the LSTM in each direction; `out_dim` is twice that.
    layers : how many; the second reads both directions of the first, and so on.
    """

    def __init__(self, input_dim: int, hidden: int, layers: int = 1) -> None:
        super().__init__()
        widths = [input_dim] + [2 * hidden] * (layers - 1)
        self.forwards = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.backwards = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.out_dim = 2 * hidden

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs and the two final states of the last layer.

        `last` holds the forward state at the end of each sequence beside the backward state at its beginning.
        """
        for forwards, backwards in zip(self.forwards, self.backwards, strict=True):
            ahead, _ = forwards(x)  # (batch, time, hidden)
            back, _ = backwards(reverse_within_length(x, lengths))
            x = torch.cat([ahead, reverse_within_length(back, lengths)], dim=2)
        last = torch.cat([at_end(ahead, lengths), at_end(back, lengths)], dim=1)
        return x * length_mask(lengths, x.shape[1])[:, :, None], last


class Transformer(nn.Module):
    """A Transformer encoder (Vaswani et al., 2017), normalised before each part, with sinusoidal positions.

    `last` is the output at the last token.

    Parameters
    ----------
    input_dim : width of the input.
    hidden : width of the layers, a multiple of `heads`; the feed-forward parts are four times as wide.
    layers : how many.
    heads : attention heads of a layer.
    """

    def __init__(self, input_dim: int, hidden: int, layers: int, heads: int) -> None:
        super().__init__()
        self.entry = nn.Linear(input_dim, hidden)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                hidden, heads, 4 * hidden, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(hidden)
        self.out_dim = hidden

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs and, for each sequence, the one at its last token."""
        x = self.entry(x) + sinusoids(x.shape[1], self.out_dim, x.device)  # (batch, time, hidden)
        # An empty sequence attends to its first place, for the softmax over nothing is NaN.
        outside = ~length_mask(lengths.clamp(min=1), x.shape[1])
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=outside)
        outputs = self.norm(x) * length_mask(lengths, x.shape[1])[:, :, None]
        return outputs, at_end(outputs, lengths)


def sinusoids(time: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return the sine of each position at falling frequencies, and then the cosines: shape (time, width).

    Source: Vaswani et al. (2017), the pairs of sine and cosine put one half beside the other.

    >>> (100 * sinusoids(2, 4)).round().long().tolist()
    [[0, 0, 100, 100], [84, 1, 54, 100]]
    """
    n_frequencies = (width + 1) // 2
    frequencies = 10_000.0 ** (-torch.arange(n_frequencies, device=device) / n_frequencies)
    angles = torch.arange(time, device=device)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]

"""Networks that read on from where they stopped, behind one interface. Shapes are batch first: (batch, time, width).

A causal reader is a module with the width `out_dim` of what it gives and
``forward(x, layers) -> (outputs, layers)``:

x : shape (batch, time, width), time at least 1.
layers : what the call before gave for the same rows; empty at the beginning. Every tensor has the batch as its second
    dimension, so that rows are chosen and repeated alike whatever the network.
outputs : shape (batch, time, out_dim); position *t* depends on what was read up to and including *t* alone.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from embedpipe.nn.layers import LockedDropout

__all__ = ["CausalKind", "Layers", "RecurrentStack"]

CausalKind = Literal["lstm", "gru", "rnn", "transformer"]
Layers = tuple[tuple[Tensor, ...], ...]
_NETS: dict[str, type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
_WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
"""In the order in which torch reads them."""


class RecurrentStack(nn.Module):
    """Single-layer recurrent networks, one above the other, with dropout between them and on their own weights.

    Parameters
    ----------
    kind : of the layers.
    widths : of the input and of each layer's output.
    hidden_p : share of the features dropped between layers, the same at all times (Gal and Ghahramani, 2016).
    weight_p : share of the hidden-to-hidden weights dropped in each forward pass of training (Wan et al., 2013; as
        DropConnect of LSTMs: Merity et al., 2018). Nothing is dropped in evaluation.

    Examples
    --------
    >>> stack = RecurrentStack("gru", [4, 6, 5]).eval()
    >>> outputs, layers = stack(torch.ones(2, 3, 4), ())
    >>> outputs.shape, [part.shape for part, in layers]
    (torch.Size([2, 3, 5]), [torch.Size([1, 2, 6]), torch.Size([1, 2, 5])])
    """

    def __init__(self, kind: CausalKind, widths: Sequence[int], hidden_p: float = 0.0, weight_p: float = 0.0) -> None:
        super().__init__()
        net = _NETS[kind]
        self.layers = nn.ModuleList(net(width, following, batch_first=True) for width, following in pairwise(widths))
        self.dropout = LockedDropout(hidden_p)
        self.weight_p, self.out_dim = weight_p, widths[-1]
        if kind == "lstm":
            with torch.no_grad():
                for lstm, width in zip(self.layers, widths[1:], strict=True):
                    # An open forget gate lets gradients reach back from the first step on (Jozefowicz et al., 2015).
                    lstm.bias_ih_l0[width : 2 * width] = 1.0  # type: ignore[operator]
                    lstm.bias_hh_l0.zero_()  # type: ignore[operator]

    def forward(self, x: Tensor, layers: Layers) -> tuple[Tensor, Layers]:
        """Read on from `layers`."""
        after = []
        for i, net in enumerate(self.layers):
            assert isinstance(net, nn.RNNBase)
            x, state = self._read(net, self.dropout(x) if i else x, layers[i] if layers else ())
            after.append(state)
        return x, tuple(after)

    def _read(self, net: nn.RNNBase, x: Tensor, before: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        if self.training and self.weight_p:
            return self._read_dropped(net, x, before)
        given = (x,) if not before else (x, before if isinstance(net, nn.LSTM) else before[0])
        outputs, state = net(*given)
        return outputs, state if isinstance(state, tuple) else (state,)

    def _read_dropped(
        self, net: nn.RNNBase, x: Tensor, before: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Read with other weights in place of the net's own, which stay as they are and get the gradient."""
        weights: list[Tensor] = [net.get_parameter(name) for name in _WEIGHTS]
        # Drawn by hand: torch's dropout takes half as long again on a processor.
        kept = torch.rand_like(weights[1]) >= self.weight_p
        weights[1] = weights[1] * (kept.to(weights[1].dtype) / (1.0 - self.weight_p))
        if x.device.type == "cuda":
            weights = _in_one_buffer(weights)
        if not before:
            zeros = x.new_zeros(1, x.shape[0], net.hidden_size)
            before = (zeros, zeros) if isinstance(net, nn.LSTM) else (zeros,)
        options = (weights, True, 1, 0.0, True, False, True)  # biases, layers, dropout, training, two ways, batch first
        if isinstance(net, nn.LSTM):
            outputs, *state = torch.lstm(x, before, *options)
        elif isinstance(net, nn.GRU):
            outputs, *state = torch.gru(x, before[0], *options)
        else:
            outputs, *state = torch.rnn_tanh(x, before[0], *options)
        return outputs, tuple(state)


def _in_one_buffer(weights: Sequence[Tensor]) -> list[Tensor]:
    """Return the weights as views of one tensor: cuDNN reads them so, and would copy and complain."""
    flat = torch.cat([weight.flatten() for weight in weights])
    parts = torch.split(flat, [weight.numel() for weight in weights])
    return [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]

"""A Transformer that reads on from the keys and values of the tokens before. Shapes are batch first outside."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedpipe.nn.causal import Layers
from embedpipe.nn.layers import LockedDropout, draw_normal

__all__ = ["CausalTransformer", "distances"]

_FIRST_OUTPUT = 0.1
_PIECE = 512


class CausalTransformer(nn.Module):
    """A Transformer (Vaswani et al., 2017) that looks back on at most `context` tokens, and on none ahead.

    It normalises before each part (Xiong et al., 2020) and tells positions apart by a penalty on the distance
    (ALiBi; Press et al., 2022), so that keys and values need no position of their own: the state is those of the last
    `context` tokens of every layer, a memory as in Transformer-XL (Dai et al., 2019). Reading a text in pieces gives
    what reading it at once gives.

    Parameters
    ----------
    dim : width of the input and of the output, a multiple of `heads`.
    hidden : width of the feed-forward parts.
    layers : how many.
    heads : attention heads of a layer.
    context : the most tokens looked back on.
    hidden_p : share of the features dropped of what each part adds, the same at all times.

    Examples
    --------
    >>> reader = CausalTransformer(8, hidden=16, layers=2, heads=2, context=3).eval()
    >>> outputs, layers = reader(torch.ones(5, 4, 8), ())
    >>> outputs.shape, layers[1][0].shape  # keys: (heads, batch, time, dim / heads)
    (torch.Size([5, 4, 8]), torch.Size([2, 5, 3, 4]))
    """

    def __init__(self, dim: int, hidden: int, layers: int, heads: int, context: int, hidden_p: float = 0.0) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads do not divide the width {dim} into equal parts")
        self.layers = nn.ModuleList(_Block(dim, hidden, layers, heads, hidden_p) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.exit = nn.Linear(dim, dim)
        # Small outputs at first, so that a model begins near the unigrams and not by expecting each word again.
        draw_normal(self.exit.weight, _FIRST_OUTPUT / math.sqrt(dim))
        nn.init.zeros_(self.exit.bias)
        self.heads, self.context, self.out_dim = heads, context, dim

    def forward(self, x: Tensor, layers: Layers) -> tuple[Tensor, Layers]:
        """Read on from `layers`."""
        found = []
        # Long texts are read in pieces, so that memory does not grow with the square of their length.
        for piece in torch.split(x, _PIECE, dim=1):
            outputs, layers = self._read(piece, layers)
            found.append(outputs)
        return found[0] if len(found) == 1 else torch.cat(found, dim=1), layers

    def _read(self, x: Tensor, layers: Layers) -> tuple[Tensor, Layers]:
        n_before = layers[0][0].shape[2] if layers else 0
        bias = distances(x.shape[1], n_before, self.heads, self.context, x.device)
        after = []
        for i, block in enumerate(self.layers):
            x, keys, values = block(x, layers[i] if layers else (), bias)
            after.append((keys[:, :, -self.context :], values[:, :, -self.context :]))
        return self.exit(self.norm(x)), tuple(after)


class _Block(nn.Module):
    """Attention, then a feed-forward part, each normalised before and added to what came in."""

    def __init__(self, dim: int, hidden: int, layers: int, heads: int, hidden_p: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_inner = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.asked = nn.Linear(dim, 3 * dim)
        self.answer = nn.Linear(dim, dim)
        self.inner, self.outer = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.dropout = LockedDropout(hidden_p)
        for linear, share in ((self.asked, 1.0), (self.answer, 2.0 * layers), (self.inner, 1.0)):
            draw_normal(linear.weight, 1.0 / math.sqrt(dim * share))
            nn.init.zeros_(linear.bias)
        draw_normal(self.outer.weight, 1.0 / math.sqrt(hidden * 2.0 * layers))
        nn.init.zeros_(self.outer.bias)

    def forward(self, x: Tensor, before: tuple[Tensor, ...], bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the outputs, and the keys and values of all that is in reach."""
        parts = self.asked(self.before_attention(x)).unflatten(2, (3, self.heads, -1))
        queries, keys, values = parts.permute(2, 3, 0, 1, 4)  # (heads, batch, time, dim / heads)
        if before:
            keys, values = torch.cat([before[0], keys], dim=2), torch.cat([before[1], values], dim=2)
        found = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
        x = x + self.dropout(self.answer(found.permute(1, 2, 0, 3).flatten(2)))
        return x + self.dropout(self.outer(F.gelu(self.inner(self.before_inner(x))))), keys, values


def distances(time: int, n_before: int, heads: int, context: int, device: torch.device | None = None) -> Tensor:
    """Return what is added to the attention of each position to those up to it: shape (heads, 1, time, before + time).

    It falls with the distance, for each head at another rate, and is minus infinity ahead and out of reach.

    >>> distances(2, 1, 1, 1)[0, 0].mul(256).tolist()
    [[-1.0, -0.0, -inf], [-inf, -1.0, -0.0]]
    """
    back = torch.arange(n_before, n_before + time, device=device)[:, None] - torch.arange(
        n_before + time, device=device
    )  # (time, before + time)
    rates = torch.exp2(torch.arange(1, heads + 1, device=device) * (-8.0 / heads))
    falling = rates[:, None, None, None] * -back.float()
    return falling.masked_fill((back < 0) | (back > context), -torch.inf)

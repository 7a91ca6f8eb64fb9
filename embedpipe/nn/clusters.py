"""A softmax in two levels: the frequent words beside one entry for each cluster of rarer ones."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Clusters", "automatic_cutoffs"]

_SMALLEST_HEAD = 1_000
_CANDIDATES = 24
_MOST_CLUSTERS = 3
_COST_OF_A_CLUSTER = 256
"""What choosing the rows of a cluster costs, in products with rows of the table."""


class Clusters(nn.Module):
    """The adaptive softmax (Grave et al., 2017) over a table of full width.

    A word of the head has the probability that the softmax over the head gives it; a word of a cluster has that of
    its cluster in the head times its own within the cluster. All words keep their rows of one table, which may be that
    of the inputs; there are no narrower projections. The probabilities are exact, in training too, and only the
    clusters that occur among the targets are computed there.

    Parameters
    ----------
    cutoffs : ids at which the clusters begin, rising; those below the first are the head.
    n_tokens : size of the vocabulary, above the last cutoff.
    width : of what is compared with the table.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> clusters, table, bias = Clusters([3, 5], 9, 4), torch.randn(9, 4), torch.zeros(9)
    >>> hidden = torch.randn(2, 4)
    >>> found = clusters.log_probabilities(table, bias, hidden)
    >>> [round(total, 5) for total in found.exp().sum(dim=1).tolist()]
    [1.0, 1.0]
    >>> targets = torch.tensor([1, 7])
    >>> bool(torch.allclose(clusters(table, bias, hidden, targets), F.nll_loss(found, targets)))
    True
    """

    def __init__(self, cutoffs: Sequence[int], n_tokens: int, width: int) -> None:
        super().__init__()
        bounds = [0, *cutoffs, n_tokens]
        if len(bounds) < 3 or bounds != sorted(set(bounds)):
            raise ValueError(f"cutoffs {tuple(cutoffs)} do not rise between 0 and the {n_tokens:,} tokens")
        self.cutoffs = tuple(cutoffs)
        self.sizes = [stop - start for start, stop in pairwise(bounds)]
        self.entries = nn.Linear(width, len(cutoffs))

    def forward(self, table: Tensor, bias: Tensor, hidden: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss.

        Parameters
        ----------
        table, bias : shapes (n_tokens, width) and (n_tokens,).
        hidden : shape (..., width).
        targets : int64, shape (...).
        """
        hidden, targets = hidden.flatten(0, -2), targets.flatten()
        # Split once, so that the gradients of the parts are put together once.
        tables, biases = torch.split(table, self.sizes), torch.split(bias, self.sizes)
        cluster = torch.bucketize(targets, torch.tensor(self.cutoffs, device=targets.device), right=True)
        first = self.cutoffs[0]
        in_head = torch.where(cluster == 0, targets, first + cluster - 1)
        total = F.cross_entropy(self._head(tables[0], biases[0], hidden), in_head, reduction="sum")
        for number, start in enumerate(self.cutoffs, 1):
            rows = (cluster == number).nonzero()[:, 0]
            if len(rows):
                scores = F.linear(hidden[rows], tables[number], biases[number])
                total = total + F.cross_entropy(scores, targets[rows] - start, reduction="sum")
        return total / len(targets)

    def log_probabilities(self, table: Tensor, bias: Tensor, hidden: Tensor) -> Tensor:
        """Return the log-probability of every token, shape (..., n_tokens)."""
        scores = torch.split(F.linear(hidden, table, bias), self.sizes, dim=-1)
        head = torch.cat([scores[0], self.entries(hidden)], dim=-1).log_softmax(dim=-1)
        first = self.cutoffs[0]
        rare = [part.log_softmax(dim=-1) + head[..., first + i : first + i + 1] for i, part in enumerate(scores[1:])]
        return torch.cat([head[..., :first], *rare], dim=-1)

    @torch.no_grad()
    def initialise(self, probabilities: Tensor) -> None:
        """Give the clusters the mass of their words; `probabilities` has shape (n_tokens,)."""
        masses = torch.stack([part.sum() for part in torch.split(probabilities, self.sizes)[1:]])
        self.entries.weight.zero_()
        self.entries.bias.copy_(masses.log())

    def _head(self, table: Tensor, bias: Tensor, hidden: Tensor) -> Tensor:
        weight, offset = torch.cat([table, self.entries.weight]), torch.cat([bias, self.entries.bias])
        return F.linear(hidden, weight, offset)


def automatic_cutoffs(n_tokens: int) -> tuple[int, ...]:
    """Return the cutoffs that make a target cheapest on average where words follow Zipf's law.

    The cost of a target is that of the rows it is compared with, and a little for each cluster.

    Examples
    --------
    >>> automatic_cutoffs(200), automatic_cutoffs(10_000)
    ((100,), (1000, 3007, 6061))
    """
    if n_tokens <= 4 * _SMALLEST_HEAD:
        return (n_tokens // 2,)
    mass = np.cumsum(1.0 / np.arange(1, n_tokens + 1))
    mass /= mass[-1]
    ends = np.unique(np.geomspace(_SMALLEST_HEAD, n_tokens, _CANDIDATES).astype(int))

    # best[i]: the cheapest clusters from ends[i] to the last token, and where they begin.
    def cost(i: int, j: int) -> float:
        return float((mass[ends[j] - 1] - mass[ends[i] - 1]) * (ends[j] - ends[i]) + _COST_OF_A_CLUSTER)

    last = len(ends) - 1
    best: dict[int, tuple[float, tuple[int, ...]]] = {i: (cost(i, last), (int(ends[i]),)) for i in range(last)}
    found = dict(best)
    for _ in range(_MOST_CLUSTERS - 1):
        best = {
            i: min((cost(i, j) + best[j][0], (int(ends[i]), *best[j][1])) for j in range(i + 1, last) if j in best)
            for i in range(last - 1)
            if any(j in best for j in range(i + 1, last))
        }
        for i, each in best.items():
            found[i] = min(found[i], each)
    return min((ends[i] + price, chosen) for i, (price, chosen) in found.items())[1]

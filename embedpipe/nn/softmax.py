"""The next-word loss: the full softmax, and an estimate of it for vocabularies where the full one costs too much."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.nn.parallel import each
from embedpipe.runtime import n_torch_threads

__all__ = ["FullSoftmax", "SampledSoftmax", "exact_losses"]

_ROWS_IN_CACHE = 256
_COLUMNS_IN_CACHE = 2_048
_ROWS_OF_A_THREAD = 128


def exact_losses(table: Tensor, bias: Tensor, hidden: Tensor, targets: Tensor, *, half: Tensor | None = None) -> Tensor:
    """Return the negative log-probability of each target under the softmax over the whole vocabulary.

    It is the logarithm of the sum of exp(score - score of the target) over all words, added up over parts of the
    vocabulary, so that the scores stay in the cache and are never held together. On a processor the rows are shared out
    over its threads. For losses without gradients.

    Parameters
    ----------
    table, bias : what `hidden` is compared with, float32 of shape (n_tokens, dim), and what is added, (n_tokens,).
    hidden : float32 of shape (n, dim).
    targets : int64, shape (n,).
    half : the table in bfloat16; the products of the sum are then made with it, those of the targets and the sums
        themselves still in float32.

    Returns
    -------
    float32 of shape (n,), in nats.

    Examples
    --------
    >>> exact_losses(torch.eye(2), torch.zeros(2), torch.tensor([[0.0, 0.0]]), torch.tensor([1])).exp().tolist()
    [2.0]
    """
    n_parts = min(n_torch_threads(), len(hidden) // _ROWS_OF_A_THREAD) if hidden.device.type == "cpu" else 1
    if n_parts < 2:
        return _exact_losses(table, bias, hidden, targets, half)
    rows = list(zip(hidden.tensor_split(n_parts), targets.tensor_split(n_parts), strict=True))
    found: dict[int, Tensor] = {}

    def read(part: int) -> None:
        found[part] = _exact_losses(table, bias, *rows[part], half)

    each(read, range(n_parts))
    return torch.cat([found[part] for part in range(n_parts)])


@torch.no_grad()
def _exact_losses(table: Tensor, bias: Tensor, hidden: Tensor, targets: Tensor, half: Tensor | None) -> Tensor:
    own = ((hidden * table[targets]).sum(dim=1) + bias[targets])[:, None]
    coarse, total = hidden if half is None else hidden.to(half.dtype), torch.zeros_like(own[:, 0])
    for start in range(0, len(table), _COLUMNS_IN_CACHE):
        part = slice(start, start + _COLUMNS_IN_CACHE)
        scores = bias[part] - own
        if half is None:
            scores.addmm_(coarse, table[part].T)
        else:
            scores += torch.mm(coarse, half[part].T).float()
        total += scores.exp_().sum(dim=1)
    # No probability is above 1, where rounding would have it so.
    losses = total.log_().clamp_(min=0.0)
    # Where a word is e^88 times as probable as the target, the sum is beyond float32.
    beyond = (~losses.isfinite()).nonzero()[:, 0]
    if len(beyond):
        scores = F.linear(hidden[beyond], table, bias)
        losses[beyond] = F.cross_entropy(scores, targets[beyond], reduction="none")
    return losses


class FullSoftmax:
    """Mean cross-entropy over the whole vocabulary."""

    def __call__(self, table: Tensor, bias: Tensor, hidden: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss.

        Parameters
        ----------
        table, bias : what `hidden` is compared with, shape (n_tokens, dim), and what is added, shape (n_tokens,).
        hidden : shape (..., dim).
        targets : int64, shape (...).
        """
        return F.cross_entropy(F.linear(hidden.flatten(0, -2), table, bias), targets.flatten())


class SampledSoftmax:
    """Cross-entropy with the normaliser estimated from part of the vocabulary.

    The most frequent half of the budget is always in the sum; the rest of the vocabulary is represented by draws
    from unigram^0.75, each counted 1 / (draws * probability) times, shared by all positions of a window. The target
    itself is always in, and a draw that happens to be the target is left out, so the normaliser is unbiased.
    The always-present head removes most of the variance, because most of the mass lies there.

    Parameters
    ----------
    counts : how often each token is a target in training, most frequent first after the four specials.
    samples : rows of the table that a window is compared with, at least 2.
    device : where the model is.
    sparse : whether the gradient of a table on a CPU is sparse, of the rows that were compared.

    Notes
    -----
    Importance sampling of the normaliser: Bengio & Senécal (2003); shared samples and the correction by the log of
    the proposal: Jean et al. (2015). Draws come from torch's global generator.
    """

    def __init__(self, counts: NDArray[np.float64], samples: int, device: torch.device, *, sparse: bool = True) -> None:
        self.sparse = sparse
        samples = min(max(samples, 2), len(counts))
        self.n_head = samples if samples == len(counts) else samples // 2
        self.n_draws = samples - self.n_head
        weights = np.maximum(counts[self.n_head :], 1.0) ** 0.75
        cumulative = np.cumsum(weights)
        total = cumulative[-1] if self.n_draws else 1.0
        self.cumulative = torch.from_numpy(cumulative / total).to(device, torch.float64)
        expected = weights / total * max(self.n_draws, 1)
        self.log_expected = torch.from_numpy(np.log(expected).astype(np.float32)).to(device)
        self.head = torch.arange(self.n_head, device=device)

    def candidates(self) -> tuple[Tensor, Tensor]:
        """Return the ids of the head and of new draws, and the log of how often each is expected among them."""
        if not self.n_draws:
            return self.head, torch.zeros(self.n_head, device=self.head.device)
        uniform = torch.rand(self.n_draws, device=self.cumulative.device, dtype=torch.float64)
        drawn = torch.searchsorted(self.cumulative, uniform).clamp_(max=len(self.cumulative) - 1)
        log_expected = torch.cat([torch.zeros(self.n_head, device=drawn.device), self.log_expected[drawn]])
        return torch.cat([self.head, drawn + self.n_head]), log_expected

    def __call__(
        self, table: Tensor, bias: Tensor, hidden: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> Tensor:
        """Return the estimated mean loss; parameters as `FullSoftmax` takes them.

        Parameters
        ----------
        weights : of each target in the mean, of its shape and not all 0; None weighs all alike. With 0 for padding,
            which is the mean over the rest, a GPU is not waited for, as it is where the rest is picked out.
        """
        hidden, targets = hidden.flatten(0, -2), targets.flatten()
        ids, log_expected = self.candidates()
        everything = torch.cat([targets, ids])
        rows = F.embedding(everything, table, sparse=self.sparse and table.device.type == "cpu")
        offsets = bias[everything]
        n = len(targets)
        true = (hidden * rows[:n]).sum(dim=1) + offsets[:n]  # (n,)
        shares = None if weights is None else (weights.flatten() / weights.sum()).float()
        loss: Tensor = _CandidateLoss.apply(hidden, rows[n:], offsets[n:] - log_expected, true, ids, targets, shares)  # type: ignore[no-untyped-call]
        return loss


class _CandidateLoss(torch.autograd.Function):
    """Mean, by `shares` of sum 1 or of all alike, of log(exp(true) + sum of exp(candidates but the target)) - true.

    The gradients are made in the forward pass, some rows at a time, so that the logits stay in the cache and only
    one copy of a part of them ever exists: about half the time of the same formula left to autograd.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        table: Tensor,
        bias: Tensor,
        true: Tensor,
        ids: Tensor,
        targets: Tensor,
        shares: Tensor | None,
    ) -> Tensor:
        n = len(hidden)
        rows = _ROWS_IN_CACHE if hidden.device.type == "cpu" else max(n, 1)
        to_hidden = torch.empty_like(hidden, dtype=torch.float32)
        to_table, to_bias = torch.zeros_like(table), torch.zeros_like(bias)
        to_true = torch.empty_like(true, dtype=torch.float32)
        total = torch.zeros((), device=hidden.device)
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, n, rows):
                part, answer = hidden[start : start + rows].float(), true[start : start + rows].float()
                logits = torch.addmm(bias, part, table.T)  # (rows, candidates)
                logits.masked_fill_(ids == targets[start : start + rows, None], -torch.inf)
                normaliser = torch.logaddexp(torch.logsumexp(logits, dim=1), answer)
                losses, share = normaliser - answer, logits.sub_(normaliser[:, None]).exp_()
                to_answer = (answer - normaliser).exp() - 1.0
                if shares is None:
                    total += losses.sum()
                    share.div_(n)
                    to_true[start : start + rows] = to_answer / n
                else:
                    part_of_all = shares[start : start + rows]
                    total += (losses * part_of_all).sum()
                    share.mul_(part_of_all[:, None])
                    to_true[start : start + rows] = to_answer * part_of_all
                to_hidden[start : start + rows] = share @ table
                if ctx.needs_input_grad[1]:
                    to_table.addmm_(share.T, part)
                if ctx.needs_input_grad[2]:
                    to_bias += share.sum(dim=0)
        ctx.save_for_backward(to_hidden, to_table, to_bias, to_true)
        return total / n if shares is None else total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        to_hidden, to_table, to_bias, to_true = ctx.saved_tensors
        return gradient * to_hidden, gradient * to_table, gradient * to_bias, gradient * to_true, None, None, None

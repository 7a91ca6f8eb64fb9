"""The adaptive softmax against torch's own, against the full one, and against finite differences."""

import numpy as np
import pytest
import torch
from torch import nn

from embedpipe.nn.clusters import Clusters, automatic_cutoffs

WIDTH, SIZE, CUTOFFS = 6, 40, [8, 21]


@pytest.fixture
def parts() -> tuple[Clusters, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    clusters = Clusters(CUTOFFS, SIZE, WIDTH)
    table, bias = torch.randn(SIZE, WIDTH, requires_grad=True), torch.randn(SIZE, requires_grad=True)
    return clusters, table, bias, torch.randn(5, 9, WIDTH), torch.randint(0, SIZE, (5, 9))


def test_it_is_torchs_where_weights_are_equal(parts) -> None:
    clusters, table, _, hidden, targets = parts
    theirs = nn.AdaptiveLogSoftmaxWithLoss(WIDTH, SIZE, CUTOFFS, div_value=1.0, head_bias=True)
    zero = torch.zeros(SIZE)
    with torch.no_grad():
        theirs.head.weight.copy_(torch.cat([table[:8], clusters.entries.weight]))
        theirs.head.bias.copy_(torch.cat([zero[:8], clusters.entries.bias]))
        for (narrow, wide), rows in zip(theirs.tail, (table[8:21], table[21:]), strict=True):
            narrow.weight.copy_(torch.eye(WIDTH))
            wide.weight.copy_(rows)
    flat = hidden.flatten(0, 1)
    torch.testing.assert_close(clusters.log_probabilities(table, zero, flat), theirs.log_prob(flat))
    torch.testing.assert_close(clusters(table, zero, hidden, targets), theirs(flat, targets.flatten()).loss)


def test_the_loss_and_its_gradients_are_those_of_the_log_probabilities(parts) -> None:
    clusters, table, bias, hidden, targets = parts
    found = []
    for loss in (
        lambda at: clusters(table, bias, at, targets),
        lambda at: -clusters.log_probabilities(table, bias, at).gather(2, targets[:, :, None]).mean(),
    ):
        leaf = hidden.clone().requires_grad_()
        value = loss(leaf)
        wanted = [leaf, table, bias, *clusters.parameters()]
        found.append((value.detach(), *torch.autograd.grad(value, wanted)))
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("only", [0, 9, 39])
def test_clusters_that_do_not_occur_are_not_needed(parts, only) -> None:
    clusters, table, bias, hidden, _ = parts
    with torch.no_grad():
        for start, stop in ((0, 8), (8, 21), (21, 40)):
            if start and not start <= only < stop:
                table[start:stop] = torch.nan
    assert torch.isfinite(clusters(table, bias, hidden, torch.full((5, 9), only)))


def test_a_model_begins_with_the_unigrams() -> None:
    probabilities = np.arange(1, SIZE + 1)[::-1] / np.arange(1, SIZE + 1).sum()
    clusters = Clusters(CUTOFFS, SIZE, WIDTH)
    clusters.initialise(torch.from_numpy(probabilities))
    bias = torch.from_numpy(np.log(probabilities)).float()
    found = clusters.log_probabilities(torch.zeros(SIZE, WIDTH), bias, torch.randn(2, WIDTH)).exp()
    np.testing.assert_allclose(found.detach().numpy(), np.stack([probabilities] * 2), rtol=1e-5)


@pytest.mark.parametrize("cutoffs", [[], [0, 3], [5, 5], [7, 3], [40], [41]])
def test_cutoffs_rise_within_the_vocabulary(cutoffs) -> None:
    with pytest.raises(ValueError, match="do not rise between 0 and the 40 tokens"):
        Clusters(cutoffs, SIZE, WIDTH)


@pytest.mark.parametrize("n_tokens", [10, 100, 999, 2_001, 5_000, 38_000, 270_000])
def test_cutoffs_that_are_chosen_fit_and_save(n_tokens) -> None:
    """By Zipf's law a target is compared with far fewer rows than there are."""
    cutoffs = automatic_cutoffs(n_tokens)
    sizes = Clusters(cutoffs, n_tokens, 1).sizes
    mass = np.add.reduceat(1 / np.arange(1, n_tokens + 1), [0, *cutoffs])
    rows = sizes[0] + float(mass[1:] @ sizes[1:]) / float(mass.sum())
    assert rows < 0.75 * n_tokens
    if n_tokens > 30_000:
        assert rows < 0.25 * n_tokens

"""The layers against hand-worked values."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.nn.layers import (
    LockedDropout,
    embedding_dropout,
    length_mask,
    reverse_within_length,
)


def _source(sizes: list[int]) -> torch.Tensor:
    """Where each value comes from, as torch's own gather takes it."""
    rows = [[*reversed(range(n)), *range(n, 6)] for n in sizes]
    return torch.tensor(rows)[:, :, None].expand(-1, -1, 2)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=5))
def test_reversing_equals_a_loop_and_undoes_itself(sizes: list[int]) -> None:
    lengths = torch.tensor(sizes)
    x = torch.randn(len(sizes), 6, 2, requires_grad=True)
    expected = x.detach().clone()
    for row, n in enumerate(sizes):
        expected[row, :n] = x.detach()[row, :n].flip(0)
    once = reverse_within_length(x, lengths)
    assert torch.equal(once, expected)
    assert torch.equal(reverse_within_length(once, lengths), x)
    once.backward(expected)
    assert torch.equal(x.grad, x), "the gradient is turned back"
    assert torch.equal(x.grad, torch.autograd.grad(x.gather(1, _source(sizes)), x, expected)[0])


def test_locked_dropout_drops_whole_features_of_a_sequence_and_keeps_the_mean() -> None:
    torch.manual_seed(2)
    dropped = LockedDropout(0.25).train()(torch.ones(400, 6, 50))
    assert dropped.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped)), "one mask for all time steps"
    assert (dropped[0] != dropped[1]).any(), "a mask of its own for each sequence"
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)


def test_locked_dropout_is_the_identity_outside_training() -> None:
    x = torch.randn(2, 3, 4)
    assert torch.equal(LockedDropout(0.5).eval()(x), x)
    with pytest.raises(ValueError, match=r"not 1\.0"):
        LockedDropout(1.0)


def test_embedding_dropout_drops_every_occurrence_of_a_word() -> None:
    torch.manual_seed(3)
    ids = torch.arange(1_000).repeat(2)[None]
    dropped = embedding_dropout(torch.ones(1, 2_000, 3), ids, 1_000, 0.2)[0]
    assert torch.equal(dropped[:1_000], dropped[1_000:])
    kept = dropped[:1_000, 0] > 0
    assert kept.float().mean().item() == pytest.approx(0.8, abs=0.05)
    assert dropped[:1_000][kept].unique().tolist() == [pytest.approx(1.25)]


def test_length_mask_of_an_empty_and_a_full_row() -> None:
    assert length_mask(torch.tensor([0, 3]), 3).tolist() == [[False] * 3, [True] * 3]

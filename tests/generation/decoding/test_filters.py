"""Each filter alone: hand-worked cases, and properties that its definition implies."""

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embedpipe.generation.decoding.filters import (
    ban_,
    block_ngrams_,
    in_nucleus,
    in_typical,
    keep_min_p,
    keep_nucleus,
    keep_top_k,
    keep_typical,
    penalise_repeats_,
    surprise,
)

HALVES = torch.tensor([[0.125, 0.5, 0.0625, 0.25, 0.0625]])
WEIGHTS = st.lists(st.integers(0, 8), min_size=1, max_size=12).filter(any)
SHARES = st.sampled_from([0.01, 0.2, 0.5, 0.77, 0.95, 1.0])


def probabilities(weights: list[int]) -> torch.Tensor:
    return torch.tensor([weights], dtype=torch.float64) / sum(weights)


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [
        (0.01, [1]),
        (0.5, [1]),
        (0.51, [1, 3]),
        (0.75, [1, 3]),
        (0.875, [0, 1, 3]),
        (0.88, [0, 1, 2, 3, 4]),
        (1.0, [0, 1, 2, 3, 4]),
    ],
)
def test_nucleus_by_hand(top_p, kept) -> None:
    """The two tokens at 1/16 are in or out together."""
    mask = keep_nucleus(HALVES, top_p)[0]
    assert mask.nonzero()[:, 0].tolist() == kept
    one_by_one = [bool(in_nucleus(HALVES, torch.tensor([i]), top_p)) for i in range(5)]
    assert one_by_one == mask.tolist()


@given(WEIGHTS, SHARES)
@example([3, 5, 5, 5, 6, 6, 6], 0.5)
@settings(deadline=None)
def test_membership_equals_the_sorted_nucleus(weights, top_p) -> None:
    """In the example three sixths of 6/36 reach the half exactly, which rounding must not decide in two ways."""
    p = probabilities(weights)
    mask = keep_nucleus(p, top_p)[0]
    inside = [bool(in_nucleus(p, torch.tensor([i]), top_p)) for i in range(len(weights))]
    mass, least = p[0][mask].sum(), p[0][mask].min()
    assert inside == mask.tolist()
    assert mass >= top_p - 1e-12
    assert p[0][p[0] > least].sum() < top_p + 1e-12, "a smaller set would have been enough"
    assert (p[0][~mask] < least).all()


def test_rows_do_not_mix() -> None:
    rows = torch.stack([HALVES[0], HALVES[0].flip(0), torch.full((5,), 0.2)])
    assert keep_nucleus(rows, 0.6).tolist() == [
        [False, True, False, True, False],
        [False, True, False, True, False],
        [True] * 5,
    ]


def test_surprise_by_hand() -> None:
    """Entropy 1.875 bits; the tokens carry 3, 1, 4, 2 and 4 bits."""
    expected = [abs(bits - 1.875) * math.log(2) for bits in (3, 1, 4, 2, 4)]
    torch.testing.assert_close(surprise(HALVES * 7)[0].tolist(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("typical_p", "kept"),
    [
        # by distance: .25 (1/8 bit), .5 (7/8), .125 (9/8), twice .0625 (17/8)
        (0.01, [3]),
        (0.25, [3]),
        (0.26, [1, 3]),
        (0.75, [1, 3]),
        (0.76, [0, 1, 3]),
        (0.88, [0, 1, 2, 3, 4]),
        (1.0, [0, 1, 2, 3, 4]),
    ],
)
def test_typical_by_hand(typical_p, kept) -> None:
    mask = keep_typical(HALVES, typical_p)[0]
    assert mask.nonzero()[:, 0].tolist() == kept
    distance = surprise(HALVES)
    assert [bool(in_typical(HALVES, distance, torch.tensor([i]), typical_p)) for i in range(5)] == mask.tolist()


@given(WEIGHTS, SHARES)
@settings(deadline=None)
def test_typical_set_is_the_nearest_that_reaches_its_share(weights, typical_p) -> None:
    p = probabilities(weights)
    mask, distance = keep_typical(p, typical_p)[0], surprise(p)[0]
    assert p[0][mask].sum() >= typical_p - 1e-12
    assert not (mask & (p[0] == 0)).any()
    assert (distance[(~mask) & (p[0] > 0)] > distance[mask].max()).all()


@pytest.mark.parametrize(
    ("min_p", "kept"), [(0.0, 5), (0.125, 5), (0.126, 3), (0.25, 3), (0.3, 2), (0.5, 2), (0.51, 1), (1.0, 1)]
)
def test_min_p_by_hand(min_p, kept) -> None:
    assert int(keep_min_p(HALVES, min_p).sum()) == kept


@pytest.mark.parametrize(("k", "kept"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])])
def test_top_k_keeps_exactly_k_when_tokens_tie(k, kept) -> None:
    logits = torch.tensor([[0.0, 2.0, 2.0, 2.0]])
    assert torch.isfinite(keep_top_k(logits, k))[0].nonzero()[:, 0].tolist() == kept


def test_a_penalty_lowers_positive_and_negative_logits_once() -> None:
    """A token that stands there three times is penalised as one that stands there once; padding is nothing."""
    logits = torch.tensor([[3.0, -3.0, 0.0, 1.0], [3.0, -3.0, 0.0, 1.0]])
    history = torch.tensor([[-1, 0, 0, 0], [-1, -1, 2, 1]])
    assert penalise_repeats_(logits, history, 1.5).tolist() == [[2.0, -3.0, 0.0, 1.0], [3.0, -4.5, 0.0, 1.0]]


def test_a_penalty_of_nothing_changes_nothing() -> None:
    logits = torch.tensor([[3.0, -3.0]])
    assert penalise_repeats_(logits.clone(), torch.tensor([[-1, -1]]), 9.0).tolist() == logits.tolist()


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 4), st.integers(0, 3))
@settings(deadline=None)
def test_a_blocked_token_would_repeat_a_run_and_no_other_is_blocked(tokens, n, padding) -> None:
    history = torch.tensor([[-1] * padding + tokens])
    blocked = block_ngrams_(torch.zeros(1, 4), history, n)[0].isneginf().tolist()
    runs = {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}
    last = tuple(tokens[len(tokens) - n + 1 :])
    assert blocked == [len(last) == n - 1 and (*last, token) in runs for token in range(4)]


def test_blocks_are_of_each_row() -> None:
    history = torch.tensor([[1, 2, 1], [-1, 2, 2]])
    assert block_ngrams_(torch.zeros(2, 3), history, 2).tolist() == [[0, 0, -math.inf], [0, 0, -math.inf]]


def test_bans_are_in_place() -> None:
    logits = torch.zeros(2, 4)
    assert ban_(logits, [0, 2]) is logits
    assert logits[1].tolist() == [-math.inf, 0.0, -math.inf, 0.0]

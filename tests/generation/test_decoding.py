"""Decoding against hand-worked cases and the exact distribution."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from embedpipe.errors import ConfigError
from embedpipe.generation.decoding import Decoding, ban_, in_nucleus, keep_nucleus, keep_top_k, sample

DRAWS = 20_000
HALVES = torch.tensor([[0.125, 0.5, 0.0625, 0.25, 0.0625]])


def frequencies(logits: torch.Tensor, decoding: Decoding, seed: int = 5) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    drawn = sample(logits.expand(DRAWS, -1), decoding, generator)
    return torch.bincount(drawn, minlength=logits.shape[1]).tolist()


def expected(logits: list[float], temperature: float, allowed: list[int]) -> list[float]:
    weights = [math.exp(x / temperature) if i in allowed else 0.0 for i, x in enumerate(logits)]
    return [weight / sum(weights) for weight in weights]


def agrees(observed: list[int], probabilities: list[float]) -> bool:
    pairs = list(zip(observed, probabilities, strict=True))
    assert all(count == 0 for count, p in pairs if p == 0.0), "a token outside the allowed set was drawn"
    counts, shares = zip(*((count, p) for count, p in pairs if p > 0), strict=True)
    assert sum(observed) == DRAWS
    return len(counts) == 1 or chisquare(counts, [p * DRAWS for p in shares]).pvalue > 1e-4


@pytest.mark.parametrize(
    ("decoding", "temperature", "allowed"),
    [
        (Decoding(1.0, 0, 1.0), 1.0, [0, 1, 2, 3, 4]),
        (Decoding(0.5, 0, 1.0), 0.5, [0, 1, 2, 3, 4]),
        (Decoding(3.0, 0, 1.0), 3.0, [0, 1, 2, 3, 4]),
        (Decoding(1.0, 2, 1.0), 1.0, [1, 3]),
        (Decoding(1.0, 99, 1.0), 1.0, [0, 1, 2, 3, 4]),
        # .5 .25 .125 reach .8; the rejection path
        (Decoding(1.0, 0, 0.8), 1.0, [0, 1, 3]),
        # .5 alone reaches .3; the sorting path
        (Decoding(1.0, 0, 0.3), 1.0, [1]),
        # after the cut to two tokens the first holds 2/3, so .6 keeps it alone and .7 both
        (Decoding(1.0, 2, 0.6), 1.0, [1]),
        (Decoding(1.0, 2, 0.7), 1.0, [1, 3]),
    ],
)
def test_samples_follow_the_exact_distribution(decoding, temperature, allowed) -> None:
    logits = HALVES.log()
    assert agrees(frequencies(logits, decoding), expected(logits[0].tolist(), temperature, allowed))


def test_the_chi_square_test_notices_a_wrong_temperature() -> None:
    logits = HALVES.log()
    assert not agrees(frequencies(logits, Decoding(1.1, 0, 1.0)), expected(logits[0].tolist(), 1.0, [0, 1, 2, 3, 4]))


def test_rejecting_and_sorting_draw_from_one_nucleus() -> None:
    logits = torch.randn(1, 300, generator=torch.Generator().manual_seed(1)) * 2
    probabilities = torch.softmax(logits, dim=1)
    kept = keep_nucleus(probabilities, 0.6)[0].nonzero()[:, 0].tolist()
    assert 1 < len(kept) < 300
    assert agrees(frequencies(logits, Decoding(1.0, 0, 0.6)), expected(logits[0].tolist(), 1.0, kept))


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


@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=12).filter(any),
    st.sampled_from([0.01, 0.2, 0.5, 0.77, 0.95]),
)
@settings(deadline=None)
def test_membership_equals_the_sorted_nucleus(weights, top_p) -> None:
    probabilities = torch.tensor([weights], dtype=torch.float64) / sum(weights)
    mask = keep_nucleus(probabilities, top_p)[0]
    inside = [bool(in_nucleus(probabilities, torch.tensor([i]), top_p)) for i in range(len(weights))]
    mass, least = probabilities[0][mask].sum(), probabilities[0][mask].min()
    assert inside == mask.tolist()
    assert mass >= top_p - 1e-12
    strictly_above = probabilities[0][probabilities[0] > least].sum()
    assert strictly_above < top_p, "a smaller set would have been enough"
    assert (probabilities[0][~mask] < least).all()


@pytest.mark.parametrize(("k", "kept"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])])
def test_top_k_keeps_exactly_k_when_tokens_tie(k, kept) -> None:
    logits = torch.tensor([[0.0, 2.0, 2.0, 2.0]])
    assert torch.isfinite(keep_top_k(logits, k))[0].nonzero()[:, 0].tolist() == kept


def test_greedy_takes_the_first_of_equals_and_needs_no_randomness() -> None:
    logits = torch.tensor([[1.0, 5.0, 5.0], [9.0, 0.0, 0.0]])
    assert sample(logits, Decoding(0.0)).tolist() == [1, 0]


@pytest.mark.parametrize("temperature", [1e-300, 1e-5, 1e-3, 100.0])
def test_extreme_temperatures_are_neither_nan_nor_banned_tokens(temperature) -> None:
    logits = ban_(torch.tensor([[50.0, 30.0, -20.0]]).repeat(2_000, 1), [0])
    drawn = sample(logits, Decoding(temperature), torch.Generator().manual_seed(0))
    share = float((drawn == 1).float().mean())
    assert set(drawn.tolist()) <= {1, 2}
    assert share == 1.0 if temperature < 1 else abs(share - 1 / (1 + math.exp(-0.5))) < 0.05


def test_banned_tokens_are_impossible() -> None:
    logits = ban_(torch.zeros(3_000, 4), [0, 2])
    assert logits[0].tolist() == [-math.inf, 0.0, -math.inf, 0.0]
    assert set(sample(logits, Decoding(1.0, 3, 0.9)).tolist()) == {1, 3}


def test_the_same_seed_draws_the_same() -> None:
    logits = torch.randn(50, 40, generator=torch.Generator().manual_seed(2))
    first, again, other = (sample(logits, Decoding(), torch.Generator().manual_seed(s)).tolist() for s in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((-0.1,), "temperature"),
        ((math.nan,), "temperature"),
        ((math.inf,), "temperature"),
        ((1.0, -1), "top_k"),
        ((1.0, 0, 0.0), "top_p"),
        ((1.0, 0, 1.5), "top_p"),
        ((1.0, 0, math.nan), "top_p"),
    ],
)
def test_values_out_of_range_are_named(arguments, name) -> None:
    with pytest.raises(ConfigError, match=name):
        Decoding(*arguments)

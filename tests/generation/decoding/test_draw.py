"""Draws against the exact distribution, and the random numbers behind them."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from embedpipe.errors import BundleError, ConfigError
from embedpipe.generation.decoding.draw import Randoms, draw, sample
from embedpipe.generation.decoding.filters import ban_, keep_min_p, keep_nucleus, keep_typical
from embedpipe.generation.decoding.settings import Beam, Decoding, Limits

DRAWS = 4_000
HALVES = torch.tensor([[0.125, 0.5, 0.0625, 0.25, 0.0625]])
WIDE = torch.randn(1, 700, generator=torch.Generator().manual_seed(1)) * 2


@pytest.fixture(autouse=True)
def in_one_part(monkeypatch) -> None:
    """Thousands of rows of few tokens are quicker in one part."""
    monkeypatch.setattr("embedpipe.generation.decoding.draw._ROWS_IN_CACHE", DRAWS)


def decoding(temperature=1.0, top_k=0, top_p=1.0, typical_p=1.0, min_p=0.0) -> Decoding:
    return Decoding(temperature, top_k, top_p, typical_p, min_p)


def frequencies(logits: torch.Tensor, how: Decoding, seed: int = 5) -> list[int]:
    randoms = Randoms.of([np.random.default_rng(seed)] * DRAWS)
    drawn = sample(logits.expand(DRAWS, -1), how, randoms)
    return torch.bincount(drawn, minlength=logits.shape[1]).tolist()


def expected(logits: list[float], temperature: float, allowed: list[int]) -> list[float]:
    weights = [math.exp(x / temperature) if i in allowed else 0.0 for i, x in enumerate(logits)]
    return [weight / sum(weights) for weight in weights]


def agrees(observed: list[int], probabilities: list[float]) -> bool:
    pairs = sorted(zip(probabilities, observed, strict=True), reverse=True)
    assert all(count == 0 for p, count in pairs if p == 0.0), "a token outside the allowed set was drawn"
    assert sum(observed) == DRAWS
    frequent = [(count, p * DRAWS) for p, count in pairs if p * DRAWS >= 5]
    rare = [(count, p * DRAWS) for p, count in pairs if 0 < p * DRAWS < 5]
    if rare:  # the test wants at least five expected in each cell
        frequent.append((sum(count for count, _ in rare), sum(p for _, p in rare)))
    counts, shares = zip(*frequent, strict=True)
    return len(counts) == 1 or chisquare(counts, shares).pvalue > 1e-4


@pytest.mark.parametrize(
    ("how", "temperature", "allowed"),
    [
        (decoding(), 1.0, [0, 1, 2, 3, 4]),
        (decoding(0.5), 0.5, [0, 1, 2, 3, 4]),
        (decoding(3.0), 3.0, [0, 1, 2, 3, 4]),
        (decoding(top_k=2), 1.0, [1, 3]),
        (decoding(top_k=99), 1.0, [0, 1, 2, 3, 4]),
        # .5 .25 .125 reach .8; drawn until inside
        (decoding(top_p=0.8), 1.0, [0, 1, 3]),
        # .5 alone reaches .3; cut by sorting
        (decoding(top_p=0.3), 1.0, [1]),
        # after the cut to two tokens the first holds 2/3, so .6 keeps it alone and .7 both
        (decoding(top_k=2, top_p=0.6), 1.0, [1]),
        (decoding(top_k=2, top_p=0.7), 1.0, [1, 3]),
        # nearest to the entropy are .25, .5, .125; drawn until inside, or cut by sorting
        (decoding(typical_p=0.7), 1.0, [1, 3]),
        (decoding(typical_p=0.2), 1.0, [3]),
        (decoding(min_p=0.25), 1.0, [0, 1, 3]),
        (decoding(top_p=0.8, min_p=0.3), 1.0, [1, 3]),
        # in the nucleus .25 has become 2/7, which reaches .27 alone
        (decoding(top_p=0.8, typical_p=0.27), 1.0, [3]),
        # the typical .25 is then the most probable one
        (decoding(typical_p=0.2, min_p=1.0), 1.0, [3]),
        # at temperature 2 the shares are .20 .40 .14 .28 .14 (before they are divided by 1.16)
        (decoding(2.0, min_p=0.5), 2.0, [0, 1, 3]),
    ],
)
def test_samples_follow_the_exact_distribution(how, temperature, allowed) -> None:
    logits = HALVES.log()
    assert agrees(frequencies(logits, how), expected(logits[0].tolist(), temperature, allowed))


def test_the_chi_square_test_notices_a_wrong_temperature() -> None:
    logits = HALVES.log()
    assert not agrees(frequencies(logits, decoding(1.25)), expected(logits[0].tolist(), 1.0, [0, 1, 2, 3, 4]))


@pytest.mark.parametrize(
    ("how", "mask"),
    [
        (decoding(), torch.ones(1, 700, dtype=torch.bool)),
        (decoding(top_p=0.6), keep_nucleus(WIDE.softmax(1), 0.6)),
        (decoding(typical_p=0.6), keep_typical(WIDE.softmax(1), 0.6)),
        (decoding(min_p=0.02), keep_min_p(WIDE.softmax(1), 0.02)),
    ],
)
def test_wide_rows_follow_it_too(how, mask) -> None:
    """Over several blocks and a part of one, with what is drawn until inside beside what sorting finds."""
    kept = mask[0].nonzero()[:, 0].tolist()
    assert len(kept) > 20
    assert agrees(frequencies(WIDE, how), expected(WIDE[0].tolist(), 1.0, kept))


@pytest.mark.parametrize("size", [1, 255, 256, 257, 700])
def test_each_share_of_the_weight_finds_its_token(size) -> None:
    """Cumulative sums of whole numbers are exact: every border can be asked for from both sides."""
    weights = torch.randint(0, 3, (1, size), generator=torch.Generator().manual_seed(2)).float()
    weights[0, -1] = 1.0
    total = int(weights.sum())
    owners = torch.repeat_interleave(torch.arange(size), weights[0].long())
    middle = (torch.arange(total, dtype=torch.float64) + 0.5) / total
    assert draw(weights, middle[None]).tolist() == [owners.tolist()]
    lowest, highest = torch.tensor([[0.0]]).double(), torch.tensor([[1.0 - 2**-53]]).double()
    assert draw(weights, lowest).item() == owners[0]
    assert draw(weights, highest).item() == size - 1


def test_greedy_takes_the_first_of_equals_and_no_random_number() -> None:
    logits = torch.tensor([[1.0, 5.0, 5.0], [9.0, 0.0, 0.0]])
    randoms = Randoms(1, "", [0, 1])
    assert sample(logits, Decoding(0.0), randoms).tolist() == [1, 0]
    assert randoms.uniform([0, 1]).tolist() == Randoms(1, "", [0, 1]).uniform([0, 1]).tolist()


@pytest.mark.parametrize("temperature", [1e-300, 1e-5, 1e-3, 100.0])
def test_extreme_temperatures_are_neither_nan_nor_banned_tokens(temperature) -> None:
    logits = ban_(torch.tensor([[50.0, 30.0, -20.0]]).repeat(2_000, 1), [0])
    drawn = sample(logits, Decoding(temperature, top_p=1.0), Randoms.of([np.random.default_rng(0)] * 2_000))
    share = float((drawn == 1).float().mean())
    assert set(drawn.tolist()) <= {1, 2}
    assert share == 1.0 if temperature < 1 else abs(share - 1 / (1 + math.exp(-0.5))) < 0.05


@pytest.mark.parametrize("how", [Decoding(), Decoding(0.0), Decoding(1.0, top_k=2), Decoding(typical_p=0.9)])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_no_numbers_are_a_damaged_model(how, bad) -> None:
    logits = torch.zeros(3, 5)
    logits[1, 2] = bad
    with pytest.raises(BundleError, match=r"not numbers.*verify"):
        sample(logits, how, Randoms(0, "", range(3)))


def test_a_row_draws_the_same_whatever_stands_beside_it(monkeypatch) -> None:
    """Rows that are drawn again use numbers of their own alone."""
    monkeypatch.setattr("embedpipe.generation.decoding.draw._ROWS_IN_CACHE", 8)
    logits = torch.randn(40, 600, generator=torch.Generator().manual_seed(3)) * 2
    how = decoding(top_p=0.5)
    together = sample(logits, how, Randoms(8, "a", range(40))).tolist()
    alone = [sample(logits[i : i + 1], how, Randoms(8, "a", [i])).item() for i in range(40)]
    assert together == alone
    assert together != sample(logits, how, Randoms(9, "a", range(40))).tolist()
    assert together != sample(logits, how, Randoms(8, "b", range(40))).tolist()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("top_k", -1),
        ("top_p", 0.0),
        ("top_p", 1.5),
        ("top_p", math.nan),
        ("typical_p", 0.0),
        ("typical_p", math.nan),
        ("min_p", -0.1),
        ("min_p", 1.1),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", math.inf),
        ("no_repeat_ngram", -1),
    ],
)
def test_values_out_of_range_are_named(name, value) -> None:
    with pytest.raises(ConfigError, match=name):
        Decoding(**{name: value})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Limits(max_tokens=0), "max_tokens is at least 1, not 0"),
        (lambda: Limits(min_tokens=0), "min_tokens"),
        (lambda: Limits(max_tokens=3, min_tokens=4), "min_tokens is at most max_tokens"),
        (lambda: Limits(sentences=0), "sentences"),
        (lambda: Limits(stop=("",)), "stop holds an empty text"),
        (lambda: Limits(ban=(" ",)), "ban holds an empty text"),
        (lambda: Limits(stop="end"), "stop is a list of texts"),
        (lambda: Beam(0), "width"),
        (lambda: Beam(length_penalty=-1), "length_penalty"),
        (lambda: Beam(length_penalty=math.nan), "length_penalty"),
        (lambda: Beam(no_repeat_ngram=-1), "no_repeat_ngram"),
    ],
)
def test_limits_and_beams_out_of_range_are_named(make, message) -> None:
    with pytest.raises(ConfigError, match=message):
        make()

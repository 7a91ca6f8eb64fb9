"""What is said of z: on posteriors whose measures are known."""

import math

import pytest
import torch

from embedpipe.generation.vae.gaussian import Gaussian
from embedpipe.generation.vae.measures import active_units, collapse, mutual_information


def test_mutual_information_of_a_gaussian_channel() -> None:
    """x ~ N(0, 1), z = x + N(0, s²): I = log(1 + 1 / s²) / 2."""
    torch.manual_seed(0)
    for noise in (0.5, 1.0, 2.0):
        x = torch.randn(1_500, 1)
        posterior = Gaussian(x, torch.full((1_500, 1), 2 * math.log(noise)))
        assert mutual_information(posterior) == pytest.approx(0.5 * math.log(1 + 1 / noise**2), abs=0.05)


def test_mutual_information_is_at_most_the_logarithm_of_the_number() -> None:
    apart = Gaussian(torch.arange(8.0)[:, None] * 1_000, torch.zeros(8, 1))
    assert mutual_information(apart) == pytest.approx(math.log(8), abs=1e-6)


def test_active_units_are_those_whose_means_vary() -> None:
    means = torch.stack([torch.zeros(50), torch.full((50,), 3.0), torch.linspace(-1, 1, 50)], dim=1)
    assert active_units(means) == 1
    assert active_units(means * torch.tensor([1.0, 1.0, 0.01])) == 0


def test_a_collapsed_posterior_is_said_to_be_one() -> None:
    n = 200
    planted = Gaussian(1e-3 * torch.randn(n, 4), torch.zeros(n, 4))
    kl, information = float(planted.divergence().sum(1).mean()), mutual_information(planted)
    said = collapse(kl, information, active_units(planted.mean))
    assert said.startswith("the posterior has collapsed: KL 0.00 nats")
    assert "latent.free_bits" in said


def test_divergence_that_tells_of_no_sentence_is_a_collapse_too() -> None:
    """All posteriors are the same and not the prior: KL is paid for nothing."""
    same = Gaussian(torch.full((100, 2), 3.0), torch.zeros(100, 2))
    assert float(same.divergence().sum(1).mean()) == pytest.approx(9.0)
    assert collapse(9.0, mutual_information(same), active_units(same.mean))
    assert not collapse(9.0, 4.0, 2)

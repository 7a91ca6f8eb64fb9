"""What is said of z: on posteriors whose measures are known."""

import math

import pytest
import torch
from torch.overrides import TorchFunctionMode

from embedpipe.generation.vae.gaussian import Gaussian
from embedpipe.generation.vae.measures import active_units, collapse, mutual_information


def test_mutual_information_of_a_gaussian_channel() -> None:
    """x ~ N(0, 1), z = x + N(0, s²): I = log(1 + 1 / s²) / 2."""
    torch.manual_seed(0)
    for noise in (0.5, 1.0, 2.0):
        x = torch.randn(800, 1)
        posterior = Gaussian(x, torch.full((800, 1), 2 * math.log(noise)))
        assert mutual_information(posterior) == pytest.approx(0.5 * math.log(1 + 1 / noise**2), abs=0.05)


def test_mutual_information_is_at_most_the_logarithm_of_the_number() -> None:
    apart = Gaussian(torch.arange(8.0)[:, None] * 1_000, torch.zeros(8, 1))
    assert mutual_information(apart) == pytest.approx(math.log(8), abs=1e-6)


class Largest(TorchFunctionMode):
    """Counts the values of the largest tensor that is made."""

    n_values = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.n_values = max(self.n_values, made.numel())
        return made


def test_no_more_is_held_than_the_posteriors_and_what_they_give_each_other() -> None:
    posterior = Gaussian(torch.zeros(100, 2_000), torch.zeros(100, 2_000))
    with Largest() as largest:
        assert mutual_information(posterior, draws=1) == pytest.approx(0.0, abs=1e-9)
    assert largest.n_values == 100 * 2_000


def test_densities_by_products_are_those_one_by_one() -> None:
    torch.manual_seed(0)
    posterior = Gaussian(3 * torch.randn(5, 4).double(), 2 * torch.randn(5, 4).double())
    z = 3 * torch.randn(7, 4).double()
    torch.testing.assert_close(posterior.log_densities(z), posterior.log_density(z[:, None]))


def test_active_units_are_those_whose_means_vary() -> None:
    means = torch.stack([torch.zeros(50), torch.full((50,), 3.0), torch.linspace(-1, 1, 50)], dim=1)
    assert active_units(means) == 1
    assert active_units(means * torch.tensor([1.0, 1.0, 0.01])) == 0


def test_a_collapsed_posterior_is_said_to_be_one() -> None:
    n = 200
    planted = Gaussian(1e-3 * torch.randn(n, 4), torch.zeros(n, 4))
    kl, information = float(planted.divergence().sum(1).mean()), mutual_information(planted)
    said = collapse(kl, information, active_units(planted.mean), 0.0)
    assert said.startswith("the posterior has collapsed: KL 0.00 nats")
    assert "latent.free_bits" in said


def test_divergence_that_tells_of_no_sentence_is_a_collapse_too() -> None:
    """All posteriors are the same and not the prior: KL is paid for nothing."""
    same = Gaussian(torch.full((100, 2), 3.0), torch.zeros(100, 2))
    assert float(same.divergence().sum(1).mean()) == pytest.approx(9.0)
    assert collapse(9.0, mutual_information(same), active_units(same.mean), 3.0)
    assert not collapse(9.0, 4.0, 2, 3.0)
    assert not collapse(9.0, 4.0, 2, math.nan), "of one sentence it is not known what the z of another would tell"


def test_a_decoder_that_does_without_z_is_a_collapse_too() -> None:
    said = collapse(9.0, 4.0, 2, 0.1)
    assert "the decoder ignores z, for the z of another sentence costs the words 0.10 nats" in said
    assert "free_bits" not in said, "more of them would not help"

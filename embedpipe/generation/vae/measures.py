"""What a generative model makes of z: mutual information, active units, and whether the posterior has collapsed."""

import math

import torch
from torch import Tensor

from embedpipe.generation.vae.gaussian import Gaussian

__all__ = ["ACTIVE", "active_units", "collapse", "mutual_information"]

ACTIVE = 0.01
"""A component is active where its mean varies by more than this over sentences (Burda et al., 2016)."""
_ROWS = 1_024
_LEAST_NATS = 0.5


def active_units(mean: Tensor) -> int:
    """Return how many components of z vary with the sentence, given the posterior means, shape (n, dim).

    >>> active_units(torch.tensor([[0.0, 1.0], [0.1, -1.0]]))
    1
    """
    return int((mean.double().var(dim=0, unbiased=False) > ACTIVE).sum())


def mutual_information(posterior: Gaussian, seed: int = 0, draws: int = 4) -> float:
    """Estimate how many nats z tells of the sentence under q: I(x; z) (Hoffman and Johnson, 2016).

    The aggregate posterior is the mixture of the posteriors that are given, as in He et al. (2019), so that the
    estimate is at most the logarithm of their number, and an underestimate where it comes near.

    Parameters
    ----------
    posterior : of n sentences, at least 1.
    draws : points of each posterior.

    Examples
    --------
    >>> apart = Gaussian(torch.tensor([[-50.0], [50.0]]), torch.zeros(2, 1))
    >>> same = Gaussian(torch.zeros(2, 1), torch.zeros(2, 1))
    >>> round(mutual_information(apart), 3), round(mutual_information(same), 3)
    (0.693, 0.0)
    """
    mean, log_variance = posterior.mean.double(), posterior.log_variance.double()
    exact = Gaussian(mean, log_variance)
    generator = torch.Generator().manual_seed(seed)
    total = 0.0
    for _ in range(draws):
        points = exact.draw(torch.randn(mean.shape, generator=generator, dtype=torch.float64))
        total += float(exact.log_density(points).sum())
        for some in torch.split(points, _ROWS):
            among = exact.log_densities(some)  # (rows, n)
            total -= float((torch.logsumexp(among, dim=1) - math.log(len(mean))).sum())
    return max(0.0, total / (draws * len(mean)))


def collapse(divergence: float, information: float, n_active: int, told: float) -> str:
    """Return why the posterior counts as collapsed, and what to change; empty where z is used.

    The first three are of the posterior alone, and a decoder that ignores z leaves them as they are: then z tells no
    nats of the words.

    Parameters
    ----------
    divergence, information : the KL divergence and the mutual information, in nats a sentence.
    n_active : components that vary with the sentence.
    told : nats by which the words are less probable given the z of another sentence; NaN where that is not known.

    Examples
    --------
    >>> collapse(6.0, 5.0, 12, 9.0)
    ''
    >>> collapse(0.02, 0.01, 0, 0.0)[:43]
    'the posterior has collapsed: KL 0.02 nats, '
    >>> collapse(10.5, 2.7, 16, 0.0)[:73]
    'the posterior has collapsed: with KL 10.50 nats the decoder ignores z, fo'
    """
    advice = "raise latent.word_p, train longer, or use latent.beta_schedule cyclical"
    if divergence < _LEAST_NATS or information < _LEAST_NATS or not n_active:
        return (
            f"the posterior has collapsed: KL {divergence:.2f} nats, mutual information {information:.2f} nats, "
            f"{n_active} active components, so texts hardly depend on z; raise latent.free_bits, {advice}"
        )
    if told < _LEAST_NATS:
        return (
            f"the posterior has collapsed: with KL {divergence:.2f} nats the decoder ignores z, for the z of another "
            f"sentence costs the words {told:.2f} nats; {advice}"
        )
    return ""

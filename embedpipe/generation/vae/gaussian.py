"""Gaussians with a diagonal covariance: the posterior of a sentence, beside a standard normal prior."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Gaussian", "log_prior"]

_LOG_2_PI = math.log(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """One Gaussian for each row, its components independent.

    Parameters
    ----------
    mean, log_variance : float, shape (batch, dim).

    Examples
    --------
    >>> one = Gaussian(torch.tensor([[0.0, 1.0]]), torch.zeros(1, 2))
    >>> one.divergence().tolist()
    [[0.0, 0.5]]
    """

    mean: Tensor
    log_variance: Tensor

    def draw(self, noise: Tensor) -> Tensor:
        """Return the points that lie `noise` standard deviations from the means (Kingma and Welling, 2014).

        Parameters
        ----------
        noise : shape (..., batch, dim), drawn from a standard normal.
        """
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def divergence(self) -> Tensor:
        """Return KL(q || standard normal) of each component, in nats: shape (batch, dim), none below 0."""
        return 0.5 * (self.mean**2 + self.log_variance.exp() - 1.0 - self.log_variance)

    def log_density(self, z: Tensor) -> Tensor:
        """Return log q(z) of points of shape (..., batch, dim): shape (..., batch)."""
        squares = (z - self.mean) ** 2 * torch.exp(-self.log_variance)
        return -0.5 * (squares + self.log_variance + _LOG_2_PI).sum(dim=-1)

    def log_densities(self, z: Tensor) -> Tensor:
        """Return log q(z) of each of `n` points, shape (n, dim), in each of the rows: shape (n, batch).

        As matrix products, which hold nothing larger than what is returned; the squares cancel, so take float64.
        """
        precision = torch.exp(-self.log_variance)
        scaled = self.mean * precision
        own = (self.mean * scaled + self.log_variance + _LOG_2_PI).sum(dim=-1)
        return z @ scaled.T - 0.5 * (z**2 @ precision.T + own)


def log_prior(z: Tensor) -> Tensor:
    """Return the log-density of a standard normal at points of shape (..., dim): shape (...).

    >>> round(log_prior(torch.zeros(1)).item(), 4)
    -0.9189
    """
    return -0.5 * (z**2 + _LOG_2_PI).sum(dim=-1)

"""How probable sentences are to the generative model, and to the language model beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.vae.gaussian import Gaussian, log_prior
from embedpipe.generation.vae.network import SentenceVAE
from embedpipe.generation.vae.sentences import Framed, frame
from embedpipe.nn.batches import Padded, batches_by_tokens, pad
from embedpipe.runtime import Listener, StageStarted, Step, silent

__all__ = [
    "Likelihoods",
    "language_model_losses",
    "likelihoods",
    "posteriors",
    "reconstruction_losses",
    "swapped_losses",
]

_STAGE = "likelihood"
_POSITIONS = 4_096
"""Positions that the decoder reads at once."""
_LOGITS = 32_000_000
"""Logits held at once, 128 MB."""


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """What the model gives each of some sentences, in nats: float64 arrays of shape (n,).

    Parameters
    ----------
    nll : the importance-weighted bound on the negative log-likelihood; the more draws, the nearer from above.
    bound : the negative evidence lower bound, of the same draws; never below `nll`.
    reconstruction : the mean negative log-probability of the sentence given z.
    divergence : KL(q(z | x) || prior).
    n_tokens : predicted tokens, the closing ``<eos>`` included.
    """

    nll: NDArray[np.float64]
    bound: NDArray[np.float64]
    reconstruction: NDArray[np.float64]
    divergence: NDArray[np.float64]
    n_tokens: NDArray[np.int64]


@torch.no_grad()
def likelihoods(
    model: SentenceVAE,
    sentences: Sequence[NDArray[np.uint32]],
    *,
    draws: int,
    seed: int = 0,
    listener: Listener = silent,
) -> Likelihoods:
    """Estimate the likelihood of each sentence by importance sampling from its posterior (Burda et al., 2016).

    The memory that this takes grows neither with the sentences nor with the draws: the decoder reads some of the
    draws of some sentences at once. The draws of a sentence follow from the seed and its number alone.

    Parameters
    ----------
    sentences : ids of each, without ``<eos>``.
    draws : of z, for each sentence.
    listener : is called as the draws are read.
    """
    n_read = 0
    listener(StageStarted(_STAGE, len(sentences) * draws, "draw"))

    def told(n: int) -> None:
        nonlocal n_read
        n_read += n
        listener(Step(_STAGE, n_read))

    lengths = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
    found = {name: np.zeros(len(sentences)) for name in ("nll", "bound", "reconstruction", "divergence")}
    for chosen in batches_by_tokens(lengths + 1, _POSITIONS, 256):
        batch = pad([sentences[i] for i in chosen], model.device)
        posterior, framed = model.encode(batch), frame(batch)
        noise = np.stack([np.random.default_rng([seed, i]).standard_normal((draws, model.shape.dim)) for i in chosen])
        points = posterior.draw(torch.from_numpy(noise).float().transpose(0, 1).to(model.device))  # (draws, batch, dim)
        losses = _losses_of_draws(model, framed, points, told)
        log_weights = log_prior(points).double() - posterior.log_density(points).double() - losses
        found["nll"][chosen] = -(torch.logsumexp(log_weights, dim=0) - np.log(draws)).cpu().numpy()
        found["bound"][chosen] = -log_weights.mean(dim=0).cpu().numpy()
        found["reconstruction"][chosen] = losses.mean(dim=0).cpu().numpy()
        found["divergence"][chosen] = posterior.divergence().sum(dim=1).double().cpu().numpy()
    return Likelihoods(found["nll"], found["bound"], found["reconstruction"], found["divergence"], lengths + 1)


@torch.no_grad()
def swapped_losses(
    model: SentenceVAE, sentences: Sequence[NDArray[np.uint32]], *, draws: int = 10, seed: int = 0
) -> NDArray[np.float64]:
    """Return the mean loss of each sentence given the z of another one of them; NaN where there is no other.

    The other one is half of the sentences further on, so that it is seldom of the same document. Where the loss is no
    higher than with a sentence's own z, the decoder does without z.

    Parameters
    ----------
    sentences : ids of each, without ``<eos>``, in the order of the text.
    draws : of z, for each sentence.
    """
    n = len(sentences)
    found = np.full(n, np.nan)
    if n < 2:
        return found
    noise = torch.randn(draws, n, model.shape.dim, generator=torch.Generator().manual_seed(seed))
    points = torch.roll(posteriors(model, sentences).draw(noise), n // 2, dims=1)
    lengths = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
    for chosen in batches_by_tokens(lengths + 1, _POSITIONS, 256):
        framed = frame(pad([sentences[i] for i in chosen], model.device))
        losses = _losses_of_draws(model, framed, points[:, torch.from_numpy(chosen)].to(model.device), lambda _: None)
        found[chosen] = losses.mean(dim=0).cpu().numpy()
    return found


@torch.no_grad()
def language_model_losses(model: LanguageModel, sentences: Sequence[NDArray[np.uint32]]) -> NDArray[np.float64]:
    """Return the negative log-probability of each sentence to a language model that reads it alone, after ``<eos>``."""
    lengths = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
    found = np.zeros(len(sentences))
    for chosen in batches_by_tokens(lengths + 1, _POSITIONS, 256):
        framed = frame(pad([sentences[i] for i in chosen], model.device))
        hidden, _ = model(framed.inputs)
        found[chosen] = _sums(model, hidden, framed).cpu().numpy()
    return found


def reconstruction_losses(model: SentenceVAE, batch: Padded, z: Tensor) -> Tensor:
    """Return the negative log-probability of each sentence given its z, float64 of shape (batch,), in nats."""
    framed = frame(batch)
    return _sums(model.decoder, model.read(z, framed.inputs), framed)


@torch.no_grad()
def posteriors(model: SentenceVAE, sentences: Sequence[NDArray[np.uint32]]) -> Gaussian:
    """Return q(z | x) of each sentence, on the CPU: row *i* for sentence *i*."""
    lengths = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
    found = torch.zeros(2, len(sentences), model.shape.dim)
    for chosen in batches_by_tokens(lengths, _POSITIONS, 256):
        one = model.encode(pad([sentences[i] for i in chosen], model.device))
        found[:, torch.from_numpy(chosen)] = torch.stack([one.mean, one.log_variance]).cpu()
    return Gaussian(found[0], found[1])


def _losses_of_draws(model: SentenceVAE, framed: Framed, points: Tensor, told: Callable[[int], None]) -> Tensor:
    """Return the losses of the sentences given each of their draws: float64, shape (draws, batch)."""
    n_rows, time = framed.inputs.shape
    at_once = max(1, _POSITIONS // (n_rows * time))
    found = []
    for some in torch.split(points, at_once):
        repeated = Framed(*(part.repeat(len(some), 1) for part in (framed.inputs, framed.targets, framed.mask)))
        hidden = model.read(some.flatten(0, 1), repeated.inputs)
        found.append(_sums(model.decoder, hidden, repeated).view(len(some), n_rows))
        told(len(some) * n_rows)
    return torch.cat(found)


def _sums(model: LanguageModel, hidden: Tensor, framed: Framed) -> Tensor:
    """Return the summed loss of each row, float64 of shape (batch,)."""
    wanted, targets = hidden[framed.mask], framed.targets[framed.mask]
    step = max(1, _LOGITS // model.n_tokens)
    parts = [
        F.cross_entropy(
            model.logits(wanted[start : start + step]).float(), targets[start : start + step], reduction="none"
        )
        for start in range(0, len(wanted), step)
    ]
    losses = torch.zeros(framed.mask.shape, dtype=torch.float64, device=hidden.device)
    losses[framed.mask] = torch.cat(parts).double()
    return losses.sum(dim=1)

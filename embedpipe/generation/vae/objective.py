"""The training objective: the evidence lower bound, with what keeps the decoder from ignoring z."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from embedpipe.generation.truncated import Softmax
from embedpipe.generation.vae.network import SentenceVAE
from embedpipe.generation.vae.sentences import frame, hide_words
from embedpipe.nn.batches import Batch

if TYPE_CHECKING:
    from embedpipe.config import LatentConfig

__all__ = ["Bound", "beta_at", "with_free_bits"]


def beta_at(done: int, config: "LatentConfig") -> float:
    """Return the weight of the KL divergence in the step after `done` steps.

    Examples
    --------
    >>> from embedpipe.config import LatentConfig
    >>> linear = LatentConfig(steps=100, anneal=0.5)
    >>> cyclical = LatentConfig(steps=100, anneal=0.5, cycles=2, beta_schedule="cyclical")
    >>> [beta_at(done, linear) for done in (0, 25, 50, 75)], [beta_at(done, cyclical) for done in (0, 25, 50, 75)]
    ([0.0, 0.5, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0])
    """
    if config.beta_schedule == "constant" or not config.steps:
        return config.beta
    cycle = config.steps / (config.cycles if config.beta_schedule == "cyclical" else 1)
    return config.beta * min(1.0, (done % cycle) / (cycle * config.anneal))


def with_free_bits(divergence: Tensor, config: "LatentConfig") -> Tensor:
    """Return what the KL divergence of a batch costs, in nats a sentence: a scalar.

    Parameters
    ----------
    divergence : shape (batch, dim), of each sentence and component.

    Notes
    -----
    Kingma et al. (2016): the mean over the batch, of each component or of all together, costs at least its free nats
    and has no gradient below them.

    Examples
    --------
    >>> from embedpipe.config import LatentConfig
    >>> divergence = torch.tensor([[0.0, 3.0], [1.0, 1.0]])  # 0.5 and 2 on average
    >>> with_free_bits(divergence, LatentConfig(dim=2, free_bits=2)).item()
    3.0
    >>> with_free_bits(divergence, LatentConfig(dim=2, free_bits=2, free_bits_of="total")).item()
    2.5
    """
    mean = divergence.mean(dim=0)
    if config.free_bits_of == "total":
        return mean.sum().clamp(min=config.free_bits)
    return mean.clamp(min=config.free_bits / config.dim).sum()


class Bound:
    """The negative evidence lower bound of a batch of sentences, in nats for each predicted token.

    Parameters
    ----------
    softmax : compares what the decoder makes of the inputs with the targets.
    config : beta, free bits and word dropout.

    Attributes
    ----------
    n_steps : batches so far, which beta follows.
    """

    def __init__(self, softmax: Softmax, config: "LatentConfig") -> None:
        self.softmax, self.config = softmax, config
        self.n_steps = 0

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(model, SentenceVAE)
        posterior = model.encode(batch.rows)
        z = posterior.draw(torch.randn_like(posterior.mean))
        framed = frame(batch.rows)
        hidden = model.read(z, hide_words(framed, self.config.word_p))
        words = self.softmax(
            model.decoder.output_table, model.decoder.bias, hidden[framed.mask], framed.targets[framed.mask]
        )
        cost = beta_at(self.n_steps, self.config) * with_free_bits(posterior.divergence(), self.config)
        self.n_steps += 1
        return words + cost * (len(framed.mask) / framed.mask.sum())

    def state_dict(self) -> dict[str, Any]:
        """Return the count."""
        return {"n_steps": self.n_steps}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.n_steps = saved["n_steps"]

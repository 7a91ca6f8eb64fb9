"""The figures of a generative model on held-out sentences, beside those of the language model on the same ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.vae.likelihood import language_model_losses, likelihoods, posteriors
from embedpipe.generation.vae.measures import active_units, collapse, mutual_information
from embedpipe.generation.vae.network import SentenceVAE
from embedpipe.runtime import Listener, silent

__all__ = ["Figures", "measure"]

_NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Figures:
    """What `measure` found: means over sentences, in nats a sentence where nothing else is said.

    Parameters
    ----------
    nll : importance-weighted bound on the negative log-likelihood, with `draws` points for each sentence.
    nll_interval : its 95 % interval over sentences.
    bound, reconstruction, divergence : negative evidence lower bound, and what it is the sum of: the loss of the
        words given z, and the KL divergence.
    information : mutual information of z and the sentence, over `n_posteriors` sentences, of whose number it is at
        most the logarithm.
    active, dim : components of z that vary with the sentence, and all of them.
    perplexity : of the words and the ends of the sentences, by `nll`.
    model_nll, model_perplexity : of the language model on the same sentences, each read alone; NaN where there is none.
    gap, gap_interval : the mean of the paired differences `nll` - `model_nll`, and its 95 % interval.
    n_sentences, n_tokens : that the likelihoods are of.
    """

    nll: float
    nll_interval: tuple[float, float]
    bound: float
    reconstruction: float
    divergence: float
    information: float
    active: int
    dim: int
    perplexity: float
    model_nll: float
    model_perplexity: float
    gap: float
    gap_interval: tuple[float, float]
    n_sentences: int
    n_tokens: int
    n_posteriors: int
    draws: int

    @property
    def collapsed(self) -> str:
        """Why the posterior counts as collapsed, and what to change; empty where z is used."""
        return collapse(self.divergence, self.information, self.active)

    @property
    def summary(self) -> str:
        """The figures in one line."""
        beside = "" if math.isnan(self.model_nll) else f", of the language model {self.model_nll:.1f}"
        found = (
            f"NLL {self.nll:.1f} nats a sentence ({self.draws} draws){beside}; KL {self.divergence:.1f}, mutual "
            f"information {self.information:.1f} nats, {self.active} of {self.dim} components active"
        )
        return f"{found}; {self.collapsed}" if self.collapsed else found

    @property
    def result(self) -> dict[str, Any]:
        """The figures by name, those that could not be measured left out."""
        plain: dict[str, Any] = {
            "nll": self.nll,
            "nll_interval": list(self.nll_interval),
            "negative_elbo": self.bound,
            "reconstruction": self.reconstruction,
            "kl": self.divergence,
            "mutual_information": self.information,
            "active_units": self.active,
            "dim": self.dim,
            "perplexity": self.perplexity,
            "n_sentences": self.n_sentences,
            "n_tokens": self.n_tokens,
            "n_posteriors": self.n_posteriors,
            "draws": self.draws,
            "collapsed": self.collapsed,
        }
        if not math.isnan(self.model_nll):
            plain["language_model_nll"] = self.model_nll
            plain["language_model_perplexity"] = self.model_perplexity
            plain["nll_minus_language_model"] = self.gap
            plain["nll_minus_language_model_interval"] = list(self.gap_interval)
        return plain


def measure(
    model: SentenceVAE,
    language_model: LanguageModel | None,
    sentences: Sequence[NDArray[np.uint32]],
    *,
    scored: int,
    draws: int,
    seed: int = 0,
    listener: Listener = silent,
) -> Figures:
    """Measure a generative model on held-out sentences.

    Parameters
    ----------
    language_model : scored on the same sentences.
    sentences : ids of each, at least one; the posteriors of all are looked at.
    scored : of how many of them, evenly spread, the likelihood is estimated.
    draws : of z for each.
    listener : is called with progress events.
    """
    posterior = posteriors(model, sentences)
    chosen = np.unique(np.linspace(0, len(sentences) - 1, min(scored, len(sentences))).astype(np.int64))
    some = [sentences[i] for i in chosen]
    found = likelihoods(model, some, draws=draws, seed=seed, listener=listener)
    beside = np.full(len(some), np.nan) if language_model is None else language_model_losses(language_model, some)
    n_tokens = int(found.n_tokens.sum())
    return Figures(
        float(found.nll.mean()),
        _interval(found.nll),
        float(found.bound.mean()),
        float(found.reconstruction.mean()),
        float(posterior.divergence().double().sum(dim=1).mean()),
        mutual_information(posterior, seed),
        active_units(posterior.mean),
        model.shape.dim,
        _perplexity(found.nll, n_tokens),
        float(beside.mean()),
        _perplexity(beside, n_tokens),
        float((found.nll - beside).mean()),
        _interval(found.nll - beside),
        len(some),
        n_tokens,
        len(sentences),
        draws,
    )


def _perplexity(losses: NDArray[np.float64], n_tokens: int) -> float:
    return math.exp(min(float(losses.sum()) / n_tokens, 700.0))


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval of the mean under the central limit theorem."""
    half = _NORMAL_95 * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return float(values.mean()) - half, float(values.mean()) + half

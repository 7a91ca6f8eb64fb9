"""The figures of a generative model on held-out sentences, beside those of the language model on the same ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.paired import mean_interval
from embedpipe.generation.units import perplexity_of
from embedpipe.generation.vae.likelihood import language_model_losses, likelihoods, posteriors, swapped_losses
from embedpipe.generation.vae.measures import active_units, collapse, mutual_information
from embedpipe.generation.vae.network import SentenceVAE
from embedpipe.runtime import Listener, silent

__all__ = ["Figures", "measure", "scored_of"]


@dataclass(frozen=True, slots=True)
class Figures:
    """What `measure` found: means over sentences, in nats a sentence where nothing else is said.

    Parameters
    ----------
    nll : importance-weighted bound on the negative log-likelihood, with `draws` points for each sentence.
    nll_interval : its 95 % interval by resamples of the documents; NaN for fewer than 10 of them.
    bound, reconstruction, divergence : negative evidence lower bound, and what it is the sum of, but for the chance
        of the draws: the loss of the words given z, and the KL divergence.
    swapped : the loss of the words given the z of another sentence; NaN for one sentence.
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
    swapped: float
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
        """Why the posterior counts as collapsed, and what to change; empty where z is used, and for one sentence."""
        if self.n_posteriors < 2:
            return ""
        return collapse(self.divergence, self.information, self.active, self.swapped - self.reconstruction)

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
            "reconstruction_of_other_z": self.swapped,
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
        return {name: value for name, value in plain.items() if isinstance(value, str) or np.isfinite(value).all()}


def measure(
    model: SentenceVAE,
    language_model: LanguageModel | None,
    sentences: Sequence[NDArray[np.uint32]],
    *,
    documents: NDArray[np.int64] | None = None,
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
    documents : number of the document of each, which intervals are made by drawing; None draws the sentences.
    scored : of how many of them, evenly spread, the likelihood is estimated.
    draws : of z for each.
    listener : is called with progress events.
    """
    posterior = posteriors(model, sentences)
    chosen = scored_of(len(sentences), scored)
    some = [sentences[i] for i in chosen]
    units = chosen if documents is None else documents[chosen]
    found = likelihoods(model, some, draws=draws, seed=seed, listener=listener)
    beside = np.full(len(some), np.nan) if language_model is None else language_model_losses(language_model, some)
    n_tokens = int(found.n_tokens.sum())
    return Figures(
        float(found.nll.mean()),
        _interval(found.nll, units),
        float(found.bound.mean()),
        float(found.reconstruction.mean()),
        float(found.divergence.mean()),
        float(swapped_losses(model, some, seed=seed).mean()),
        mutual_information(posterior, seed),
        active_units(posterior.mean),
        model.shape.dim,
        perplexity_of(float(found.nll.sum()) / n_tokens),
        float(beside.mean()),
        math.nan if language_model is None else perplexity_of(float(beside.sum()) / n_tokens),
        float((found.nll - beside).mean()),
        _interval(found.nll - beside, units),
        len(some),
        n_tokens,
        len(sentences),
        draws,
    )


def scored_of(n_sentences: int, scored: int) -> NDArray[np.int64]:
    """Return which sentences the likelihood of `measure` is estimated on: `scored` of them, evenly spread.

    >>> scored_of(9, 3).tolist()
    [0, 4, 8]
    """
    return np.unique(np.linspace(0, n_sentences - 1, min(scored, n_sentences)).astype(np.int64))


def _interval(values: NDArray[np.float64], units: NDArray[np.int64]) -> tuple[float, float]:
    """Return the 95 % interval of the mean, by resamples of the units; they stand in order."""
    return mean_interval(np.split(values, np.flatnonzero(np.diff(units)) + 1))

"""The likelihood of a model so small that it can be integrated."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from embedpipe.generation.evaluation import token_losses
from embedpipe.generation.language_model import Shape
from embedpipe.generation.vae.gaussian import Gaussian, log_prior
from embedpipe.generation.vae.likelihood import language_model_losses, likelihoods, posteriors, reconstruction_losses
from embedpipe.generation.vae.network import SentenceVAE, VAEShape
from embedpipe.nn.batches import pad
from embedpipe.text.vocabulary import EOS

CPU = torch.device("cpu")
N_TOKENS = 7


def small(dim: int = 1, architecture: str = "lstm", *, tied: bool = True) -> SentenceVAE:
    """A random model whose z matters: the maps, which begin at zero, are drawn."""
    torch.manual_seed(3)
    shape = VAEShape(Shape(N_TOKENS, dim=5, hidden=6, layers=2, architecture=architecture, tied=tied), dim, hidden=4)
    model = SentenceVAE(shape).eval()
    with torch.no_grad():
        for weight in (m.weight for m in (*model.to_layers, model.to_given, model.to_output)):
            weight.normal_(std=0.4)
        model.posterior.weight.normal_(std=0.05)
        model.decoder.bias.normal_()
    return model.requires_grad_(False)


def exact(model: SentenceVAE, sentence: np.ndarray) -> float:
    """-log of the integral of p(x | z) p(z) over one component of z, by the trapezium rule."""
    z = torch.linspace(-8, 8, 2_001)[:, None]
    losses = reconstruction_losses(model, pad([sentence] * len(z), CPU), z)
    joint = log_prior(z).double() - losses
    return -(torch.logsumexp(joint, 0).item() + math.log(16 / 2_000))


def test_the_importance_weighted_bound_goes_from_the_elbo_to_the_likelihood() -> None:
    model = small()
    sentences = [np.array(ids, np.uint32) for ids in ([4, 5, 6, 4], [6, 6], [5, 4, 4, 6, 5, 5])]
    truth = np.array([exact(model, sentence) for sentence in sentences])
    few, many = likelihoods(model, sentences, draws=5), likelihoods(model, sentences, draws=4_000)
    np.testing.assert_allclose(many.nll, truth, atol=0.02)
    assert (few.nll <= few.bound).all()
    assert (many.nll <= many.bound).all()
    assert (many.bound > truth + 0.02).all(), "the posterior of an untrained model is not the true one"
    np.testing.assert_allclose(many.bound, many.reconstruction + many.divergence, atol=0.1)
    assert many.n_tokens.tolist() == [5, 3, 7]


def test_the_probabilities_of_all_sentences_make_one() -> None:
    """Over every sentence of up to two words, and the mass of the longer ones as what is left after two."""
    model = small()
    z = torch.tensor([[0.8]])
    ids = [np.array(words, np.uint32) for n in (0, 1, 2) for words in itertools.product(range(N_TOKENS), repeat=n)]
    ids = [words for words in ids if EOS not in words]
    losses = reconstruction_losses(model, pad(ids, CPU), z.expand(len(ids), 1))
    ended = float(torch.exp(-losses).sum())
    # P(three words or more) is the sum over two-word beginnings of P(beginning) (1 - P(end | beginning)).
    beginnings = [words for words in ids if len(words) == 2]
    longer = 0.0
    for words in beginnings:
        hidden = model.read(z, torch.tensor([[EOS, *map(int, words)]]))
        steps = torch.log_softmax(model.decoder.logits(hidden)[0], dim=1)
        longer += float(torch.exp(steps[0, words[0]] + steps[1, words[1]]) * (1 - steps[2, EOS].exp()))
    assert ended + longer == pytest.approx(1.0, abs=1e-5)


def test_a_sentence_has_its_likelihood_whatever_stands_beside_it() -> None:
    model = small(dim=2)
    sentences = [np.array(ids, np.uint32) for ids in ([4, 5, 6, 4, 4, 4], [6], [5, 4])]
    together = likelihoods(model, sentences, draws=7)
    alone = likelihoods(model, sentences[:1], draws=7)
    np.testing.assert_allclose(together.nll[0], alone.nll[0], atol=1e-5)
    np.testing.assert_allclose(together.reconstruction[0], alone.reconstruction[0], atol=1e-5)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sentences = small(dim=2), [np.array([4, 5, 6], np.uint32), np.array([6, 4], np.uint32)]
    whole = likelihoods(model, sentences, draws=11)
    monkeypatch.setattr("embedpipe.generation.vae.likelihood._POSITIONS", 12)
    monkeypatch.setattr("embedpipe.generation.vae.likelihood._LOGITS", 2 * N_TOKENS)
    np.testing.assert_allclose(likelihoods(model, sentences, draws=11).nll, whole.nll, atol=1e-5)


def test_the_language_model_reads_each_sentence_alone() -> None:
    model = small().decoder
    rows = np.array([[EOS, 4, 5, 6, EOS], [EOS, 6, 6, 4, EOS]], np.uint32)
    found = language_model_losses(model, [row[1:-1] for row in rows])
    np.testing.assert_allclose(found, token_losses(model, rows).sum(axis=1), atol=1e-5)


@pytest.mark.parametrize("architecture", ["lstm", "gru", "rnn", "transformer"])
def test_without_effect_of_z_it_is_the_language_model(architecture: str) -> None:
    torch.manual_seed(1)
    shape = VAEShape(Shape(N_TOKENS, 8, 6, 2, architecture, tied=False), 3, hidden=4)
    model = SentenceVAE(shape).eval()
    sentences = [np.array([4, 5, 6], np.uint32), np.array([6], np.uint32)]
    found = likelihoods(model, sentences, draws=3)
    np.testing.assert_allclose(found.reconstruction, language_model_losses(model.decoder, sentences), atol=1e-5)


def test_gaussians_are_those_of_torch() -> None:
    torch.manual_seed(0)
    one = Gaussian(torch.randn(4, 3), torch.randn(4, 3))
    q, prior = Normal(one.mean, (0.5 * one.log_variance).exp()), Normal(0.0, 1.0)
    torch.testing.assert_close(one.divergence(), kl_divergence(q, prior))
    z = torch.randn(5, 4, 3)
    torch.testing.assert_close(one.log_density(z), q.log_prob(z).sum(-1))
    torch.testing.assert_close(log_prior(z), prior.log_prob(z).sum(-1))
    noise = torch.randn(5_000, 4, 3)
    torch.testing.assert_close(one.draw(noise).var(dim=0), one.log_variance.exp(), rtol=0.12, atol=0.01)


def test_posteriors_stand_in_the_order_of_the_sentences() -> None:
    model = small(dim=2)
    sentences = [np.array(ids, np.uint32) for ids in ([4], [5, 6, 6, 6], [6, 4])]
    together = posteriors(model, sentences)
    for i, sentence in enumerate(sentences):
        torch.testing.assert_close(together.mean[i : i + 1], posteriors(model, [sentence]).mean)

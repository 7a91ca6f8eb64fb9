"""The objective: the bound by another way, its schedule, and what the decoder does not see."""

import numpy as np
import pytest
import torch

from embedpipe.config import LatentConfig, PipelineConfig
from embedpipe.errors import ConfigError, NotEnoughDataError
from embedpipe.generation.language_model import Shape
from embedpipe.generation.vae.likelihood import reconstruction_losses
from embedpipe.generation.vae.network import SentenceVAE, VAEShape
from embedpipe.generation.vae.objective import Bound, beta_at, with_free_bits
from embedpipe.generation.vae.sentences import frame, hide_words, some_sentences, whole_sentences
from embedpipe.nn.batches import Batch, pad
from embedpipe.nn.softmax import FullSoftmax
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, UNK

CPU = torch.device("cpu")
IDS = [np.array([4, 5, 6], np.uint32), np.array([7], np.uint32)]


def model() -> SentenceVAE:
    torch.manual_seed(0)
    made = SentenceVAE(VAEShape(Shape(9, 4, 5, 1), 2, hidden=3))
    with torch.no_grad():
        made.to_given.weight.normal_()
        made.posterior.weight.normal_()
    return made


def test_the_loss_is_the_bound_for_each_token() -> None:
    vae, batch = model(), pad(IDS, CPU)
    config = LatentConfig(dim=2, beta=0.7, beta_schedule="constant", free_bits=0, word_p=0, dropout=0)
    torch.manual_seed(5)
    loss = Bound(FullSoftmax(), config)(vae, Batch(batch, torch.zeros(2)))
    torch.manual_seed(5)
    posterior = vae.encode(batch)
    z = posterior.draw(torch.randn(2, 2))
    words = reconstruction_losses(vae, batch, z).sum()
    expected = (words + 0.7 * posterior.divergence().sum()) / 6  # three and one words, two ends
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_below_the_free_nats_the_posterior_feels_no_pull() -> None:
    divergence = torch.tensor([[0.1, 5.0], [0.3, 5.0]], requires_grad=True)
    with_free_bits(divergence, LatentConfig(dim=2, free_bits=2)).backward()
    assert divergence.grad is not None
    assert divergence.grad.tolist() == [[0.0, 0.5], [0.0, 0.5]]


def test_beta_rises_again_in_each_cycle() -> None:
    config = LatentConfig(steps=40, cycles=2, anneal=0.5, beta=2.0, beta_schedule="cyclical")
    assert [beta_at(done, config) for done in (0, 5, 10, 19, 20, 25)] == [0.0, 1.0, 2.0, 2.0, 0.0, 1.0]
    assert beta_at(0, LatentConfig(beta=0.3, beta_schedule="constant")) == 0.3


def test_framing_and_hidden_words() -> None:
    torch.manual_seed(0)
    framed = frame(pad([np.full(200, 5, np.uint32)] * 50, CPU))
    hidden = hide_words(framed, 0.3)
    assert (hidden[:, 0] == EOS).all()
    share = (hidden[:, 1:] == UNK).float().mean().item()
    assert share == pytest.approx(0.3, abs=0.02)
    assert hide_words(framed, 0.0) is framed.inputs


def store(tmp_path, lengths: list[int]) -> TokenStore:
    tokens = [np.array([4 + i] * n + [EOS], np.uint32) for i, n in enumerate(lengths)]
    np.save(tmp_path / "tokens.npy", np.concatenate(tokens))
    np.save(tmp_path / "sentences.npy", np.cumsum([0, *map(len, tokens)]).astype(np.uint64))
    np.save(tmp_path / "documents.npy", np.array([0, len(tokens) - 1, len(tokens)], np.uint64))
    return TokenStore(tmp_path)


def test_sentences_are_taken_whole_or_not_at_all(tmp_path) -> None:
    found = store(tmp_path, [2, 5, 9, 4])
    draw, share = whole_sentences(found, 6)
    spans = draw(0, 200, np.random.default_rng(0))
    assert share == 0.5
    assert set(spans.tags) == {1, 3}
    assert set(spans.lengths[0]) == {5, 4}
    sentences, documents = some_sentences(found, 6, 10, seed=0)
    assert [one.tolist() for one in sentences] == [[5] * 5, [7] * 4]
    assert documents.tolist() == [0, 1]
    with pytest.raises(NotEnoughDataError, match="no sentence of 3 to 4 tokens"):
        whole_sentences(store(tmp_path, [1, 2, 9]), 4)


def test_settings_that_cannot_be_met_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"free_bits 50\.0 over 4 components"):
        PipelineConfig.of("tiny", {"latent": {"dim": 4, "free_bits": 50}})
    with pytest.raises(ConfigError, match=r"latent\.word_p"):
        PipelineConfig.of("tiny", {"latent": {"word_drop": 0.5}})

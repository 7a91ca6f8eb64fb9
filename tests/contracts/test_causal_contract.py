"""What every language model keeps to, whatever its layers, its output weights and its softmax are."""

import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

import embedpipe.nn.fit
from embedpipe.config import GenerationConfig
from embedpipe.generation.evaluation import token_losses
from embedpipe.generation.language_model import Dropouts, LanguageModel, Shape
from embedpipe.generation.part import load_generator, save_generator
from embedpipe.generation.state import State
from embedpipe.generation.train import train_language_model
from embedpipe.nn.causal import CausalKind
from embedpipe.runtime import Step
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, SPECIALS, Vocabulary

CPU = torch.device("cpu")
KINDS: tuple[CausalKind, ...] = ("lstm", "gru", "rnn", "transformer")
N_TOKENS, DIM = 30, 8
SHAPES = [
    Shape(N_TOKENS, DIM, 12, 2, kind, tied, heads=2, context=6, cutoffs=cutoffs)
    for kind, tied, cutoffs in product(KINDS, [True, False], [(), (9, 20)])
]
IDS = torch.randint(0, N_TOKENS, (3, 17), generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=SHAPES, ids=lambda s: f"{s.architecture}-{'tied' if s.tied else 'untied'}-{len(s.cutoffs)}")
def model(request) -> LanguageModel:
    torch.manual_seed(0)
    made = LanguageModel(request.param, Dropouts(0.2, 0.2, 0.2, 0.2)).eval()
    made.initialise(made.table * 2, np.arange(1, N_TOKENS + 1)[::-1] / np.arange(1, N_TOKENS + 1).sum())
    return made


@torch.no_grad()
def test_reading(model: LanguageModel) -> None:
    """The future does not leak, pieces are the whole, rows do not mix, and evaluation draws nothing."""
    whole, end = model(IDS)
    assert torch.equal(model(IDS)[0], whole)
    changed = IDS.clone()
    changed[1, 9] = (IDS[1, 9] + 1) % N_TOKENS
    other = model(changed)[0]
    torch.testing.assert_close(other[:, :9], whole[:, :9], atol=1e-6, rtol=0)
    assert not torch.allclose(other[1, 9], whole[1, 9])
    torch.testing.assert_close(other[[0, 2]], whole[[0, 2]], atol=1e-6, rtol=0)

    found, state = [], State()
    for piece in (IDS[:, :1], IDS[:, 1:9], IDS[:, 9:10], IDS[:, 10:]):
        hidden, state = model(piece, state)
        found.append(hidden)
    torch.testing.assert_close(torch.cat(found, dim=1), whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(state.layers, end.layers, atol=1e-5, rtol=0)

    alone, own = model(IDS[2:])
    torch.testing.assert_close(alone, whole[2:], atol=1e-5, rtol=0)
    torch.testing.assert_close(own.layers, end.rows(torch.tensor([2])).layers, atol=1e-5, rtol=0)
    both = State.concatenate([end.rows(torch.tensor([0])), end.rows(torch.tensor([1, 2]))])
    torch.testing.assert_close(model(IDS[:, :2], both)[0], model(IDS[:, :2], end)[0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_probabilities(model: LanguageModel) -> None:
    """Those of all tokens sum to one, and `token_losses` are their logarithms."""
    hidden, _ = model(IDS)
    log_probabilities = model.logits(hidden).log_softmax(dim=2)
    if model.clusters is not None:
        torch.testing.assert_close(model.logits(hidden), log_probabilities, atol=1e-5, rtol=0)
    expected = -log_probabilities[:, :-1].gather(2, IDS[:, 1:, None])[:, :, 0]
    np.testing.assert_allclose(token_losses(model, IDS.numpy().astype(np.uint32)), expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(log_probabilities.exp().sum(dim=2).numpy(), 1.0, atol=1e-5)


@torch.no_grad()
def test_what_is_given_is_heard(model: LanguageModel) -> None:
    given = torch.randn(3, DIM, generator=torch.Generator().manual_seed(2))
    hidden, state = model(IDS, State(given=given))
    assert not torch.allclose(hidden, model(IDS)[0], atol=1e-3)
    torch.testing.assert_close(state.given, given)


def test_saved_and_loaded(model: LanguageModel, tmp_path: Path) -> None:
    save_generator(tmp_path, model)
    loaded = load_generator(tmp_path, N_TOKENS)
    assert loaded.shape == model.shape
    # torch computes a plain RNN by another kernel where its weights want gradients; loaded ones do not.
    model.requires_grad_(False)
    assert torch.equal(loaded.logits(loaded(IDS)[0]), model.logits(model(IDS)[0]))


def test_gradients_reach_every_parameter(model: LanguageModel) -> None:
    hidden, _ = model(IDS)
    model.logits(hidden).log_softmax(dim=2).gather(2, IDS[:, :, None]).pow(2).mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        # Attention does not change by what is added to all keys.
        assert parameter.grad.any(), name
    model.train()
    torch.manual_seed(3)
    assert not torch.equal(model(IDS)[0], model(IDS)[0])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A circle of words, each followed by the next one, cut into sentences of five."""
    stores = []
    for seed, name in enumerate(("train", "validation")):
        folder = tmp_path_factory.mktemp(name)
        starts = np.random.default_rng(seed).integers(0, 20, 150 if seed else 500)
        words = 4 + (starts[:, None] + np.arange(5)) % 20
        tokens = np.concatenate([words, np.full((len(words), 1), EOS)], axis=1).astype(np.uint32)
        np.save(folder / "tokens.npy", tokens.ravel())
        np.save(folder / "sentences.npy", np.arange(0, tokens.size + 1, 6, dtype=np.uint64))
        np.save(folder / "documents.npy", np.array([0, len(words)], dtype=np.uint64))
        stores.append(TokenStore(folder))
    counts = np.bincount(stores[0].tokens, minlength=24)
    counts[EOS] = 0
    vocabulary = Vocabulary([*SPECIALS, *(f"w{i}" for i in range(20))], counts)
    vectors = np.random.default_rng(2).normal(size=(24, DIM)).astype(np.float32)
    return vectors, vocabulary, stores[0], stores[1], stores[1]


def trained(corpus, kind: str, softmax: str, **settings):
    options = {"checkpoint": settings.pop("checkpoint", None), "listener": settings.pop("listener", lambda _: None)}
    rate = {"transformer": 1e-2}.get(kind, 5e-2)
    config = GenerationConfig(
        **{
            "architecture": kind,
            "softmax": softmax,
            "cutoffs": (10, 17) if softmax == "adaptive" else (),
            "hidden": 12,
            "heads": 2,
            "context": 12,
            "batch": 8,
            "bptt": 8,
            "samples": 14,
            "learning_rate": rate,
            **settings,
        }
    )
    return train_language_model(*corpus, config, seed=1, device=CPU, **options)


QUICK = {("gru", "adaptive"), ("transformer", "sampled")}


@pytest.mark.parametrize(
    ("kind", "softmax"),
    [
        pytest.param(*each, marks=() if each in QUICK else pytest.mark.slow)
        for each in product(KINDS, ["full", "sampled", "adaptive"])
    ],
)
def test_a_chain_is_learnt(corpus, kind, softmax) -> None:
    """By the unigrams one of six tokens is an end and the others are one of twenty; what can be learnt is near 1.65."""
    plain = {"input_p": 0.0, "hidden_p": 0.0, "output_p": 0.0}
    found = trained(corpus, kind, softmax, steps=60, tied=softmax != "full", **plain)
    assert found.unigram_perplexity == pytest.approx(math.exp(math.log(6) / 6 + math.log(24) * 5 / 6), rel=0.05)
    assert found.timeline[0][1] > 15
    assert found.perplexity < 9
    assert found.stopped is None


@pytest.mark.parametrize(
    ("kind", "softmax", "tied"),
    [
        ("lstm", "adaptive", True),
        pytest.param("gru", "sampled", False, marks=pytest.mark.slow),
        pytest.param("rnn", "full", True, marks=pytest.mark.slow),
        pytest.param("transformer", "adaptive", False, marks=pytest.mark.slow),
    ],
)
def test_interrupted_it_ends_with_the_same_bits(corpus, tmp_path, monkeypatch, kind, softmax, tied) -> None:
    monkeypatch.setattr(embedpipe.nn.fit, "_SECONDS_BETWEEN_EVENTS", 0.0)
    everything = {
        "tied": tied,
        "variable_bptt": True,
        "noise_p": 0.1,
        "ar": 1.0,
        "tar": 1.0,
        "l1": 1e-5,
        "ema": 0.9,
        "embed_p": 0.1,
        "weight_p": 0.0 if kind == "transformer" else 0.2,
        "steps": 18,
    }

    def stop(event) -> None:
        if isinstance(event, Step) and event.done == 8:
            raise KeyboardInterrupt

    whole = trained(corpus, kind, softmax, **everything)
    with pytest.raises(KeyboardInterrupt):
        trained(corpus, kind, softmax, checkpoint=tmp_path / "c", listener=stop, **everything)
    assert (tmp_path / "c" / "last-6.safetensors").is_file()
    resumed = trained(corpus, kind, softmax, checkpoint=tmp_path / "c", **everything)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor), name
    assert resumed.perplexity == whole.perplexity
    assert resumed.n_tokens_seen == whole.n_tokens_seen

"""The continuous cache against a plain loop over its definition, and its settings found on a planted text."""

import numpy as np
import pytest
import torch

from embedpipe.errors import ConfigError
from embedpipe.generation.cache import CachedReader, CacheMemory, ContinuousCache, cached_losses, tune_cache
from embedpipe.generation.evaluation import token_losses
from embedpipe.generation.language_model import Dropouts, LanguageModel, Shape
from embedpipe.generation.state import BEGINNING

N_TOKENS = 11


@pytest.fixture
def model() -> LanguageModel:
    torch.manual_seed(3)
    return LanguageModel(Shape(N_TOKENS, dim=5, hidden=7, layers=2), Dropouts(output_p=0.5))


def text(rows: int, time: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, N_TOKENS, (rows, time + 1)).astype(np.uint32)


def by_the_definition(model: LanguageModel, row: np.ndarray, cache: ContinuousCache) -> np.ndarray:
    """The distributions after each token of a row, float64 of shape (time, n_tokens)."""
    model.eval()
    with torch.no_grad():
        hidden, _ = model(torch.from_numpy(row[None, :-1].astype(np.int64)))
        own = torch.softmax(model.logits(hidden[0]).double(), dim=1).numpy()
    h = hidden[0].double().numpy()
    mixed = own.copy()
    for t in range(1, len(h)):
        first = max(0, t - cache.window)
        weights = np.exp(cache.theta * (h[first:t] @ h[t]))
        share = np.zeros(N_TOKENS)
        np.add.at(share, row[first + 1 : t + 1], weights / weights.sum())
        mixed[t] = (1 - cache.weight) * own[t] + cache.weight * share
    return mixed


@pytest.mark.parametrize("window", [1, 4, 1_000])
def test_losses_are_those_of_the_definition(model, window):
    cache, tokens = ContinuousCache(theta=1.7, weight=0.35, window=window), text(3, 1_000)[:, :13]
    found = cached_losses(model, tokens, cache)
    for row, losses in zip(tokens, found, strict=True):
        expected = -np.log(by_the_definition(model, row, cache)[np.arange(12), row[1:]])
        np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_blocks_do_not_show(model):
    """A row of 1,060 tokens is read in two blocks; the cache goes on from block to block."""
    cache, tokens = ContinuousCache(theta=0.8, weight=0.4, window=200), text(1, 1_060)
    expected = by_the_definition(model, tokens[0], cache)[np.arange(1_060), tokens[0, 1:]]
    np.testing.assert_allclose(cached_losses(model, tokens, cache)[0], -np.log(expected), rtol=1e-4)


def test_without_weight_it_is_the_model(model):
    tokens = text(2, 40)
    plain = token_losses(model, tokens)
    np.testing.assert_array_equal(cached_losses(model, tokens, ContinuousCache(weight=0.0)), plain)
    assert not np.allclose(cached_losses(model, tokens), plain)


def test_rows_know_nothing_of_each_other_and_the_model_keeps_its_mode(model):
    tokens, cache = text(4, 30), ContinuousCache(theta=0.5, weight=0.5, window=9)
    model.train()
    together = cached_losses(model, tokens, cache)
    assert model.training
    alone = np.concatenate([cached_losses(model, row[None], cache) for row in tokens])
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@pytest.mark.parametrize("theta", [0.0, 2.0])
def test_token_by_token_is_the_block(model, theta):
    """What a decoder does step by step: distributions that sum to 1, the losses and ranks of the block form."""
    model.eval()
    cache, tokens = ContinuousCache(theta=theta, weight=0.3, window=5), text(2, 20)
    ids = torch.from_numpy(tokens.astype(np.int64))
    memory, state, losses, ranks = CacheMemory(cache), BEGINNING, [], []
    with torch.no_grad():
        for t in range(20):
            hidden, state = model(ids[:, t : t + 1], state)
            mixed = memory.mix(torch.log_softmax(model.logits(hidden[:, 0]), dim=1), hidden[:, 0])
            np.testing.assert_allclose(mixed.exp().sum(dim=1), 1.0, rtol=1e-5)
            own = mixed.gather(1, ids[:, t + 1 : t + 2])
            losses.append(-own[:, 0])
            ranks.append((mixed > own + 1e-6).sum(dim=1) + 1)
            memory.update(hidden[:, 0], ids[:, t + 1])
    assert memory.tokens.shape == (2, 5)
    read = CachedReader(model, cache).read(ids, ranked=True)
    np.testing.assert_allclose(torch.stack(losses, dim=1), read.losses, rtol=1e-5)
    np.testing.assert_array_equal(torch.stack(ranks, dim=1), read.ranks)


def test_rows_of_a_memory(model):
    model.eval()
    memory = CacheMemory(ContinuousCache(theta=1.0, weight=0.5))
    memory.update(torch.eye(3), torch.tensor([4, 5, 6]))
    chosen = memory.rows(torch.tensor([2, 2, 0]))
    assert chosen.tokens.tolist() == [[6], [6], [4]]
    assert CacheMemory(memory.cache).rows(torch.tensor([0])).tokens is None


def test_settings_are_found_where_words_come_back(model):
    """Rows that repeat a word of their own at random places: the grid finds that a heavy cache pays."""
    random = np.random.default_rng(1)
    own, noise = np.repeat([[3], [4], [5], [6]], 121, axis=1), random.integers(0, N_TOKENS, (4, 121))
    bursty = np.where(random.random((4, 121)) < 0.7, own, noise).astype(np.uint32)
    found = tune_cache(model, bursty, window=60, thetas=(0.0, 1.0), weights=(0.1, 0.6, 0.95))
    assert found.window == 60
    assert found.weight >= 0.6
    best = cached_losses(model, bursty, found).mean()
    assert best < token_losses(model, bursty).mean() - 0.3
    for theta in (0.0, 1.0):
        for weight in (0.1, 0.6, 0.95):
            assert cached_losses(model, bursty, ContinuousCache(theta, weight, 60)).mean() >= best - 1e-6


def test_a_cache_that_only_harms_gets_no_weight(model):
    """Words that never come back within the window."""
    tokens = np.tile(np.arange(N_TOKENS, dtype=np.uint32), (2, 4))
    assert tune_cache(model, tokens, window=8).weight == 0.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"theta": -1.0}, "theta of a cache is at least 0, not -1.0"),
        ({"theta": float("nan")}, "not nan"),
        ({"weight": 1.0}, "from 0 to below 1, not 1.0"),
        ({"window": 0}, "at least 1 token, not 0"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ConfigError, match=message):
        ContinuousCache(**settings)


def test_a_row_of_one_token_predicts_nothing(model):
    assert cached_losses(model, text(2, 0)).shape == (2, 0)

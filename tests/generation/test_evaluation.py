"""Perplexities against hand-worked sums."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from embedpipe.generation.evaluation import (
    bigram_perplexity,
    by_documents,
    held_out,
    perplexity,
    token_losses,
    unigram_perplexity,
    unigram_probabilities,
)
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, UNK


def test_an_untrained_model_has_the_unigram_perplexity() -> None:
    counts = np.array([0, 7, 0, 20, 50, 30, 10], dtype=float)
    tokens = np.random.default_rng(0).integers(3, 7, 5_000).astype(np.uint32)
    sample = held_out(tokens, limit=900)
    model = LanguageModel(Shape(7, dim=4, hidden=4, layers=1))
    model.initialise(torch.zeros(7, 4), unigram_probabilities(counts))
    assert perplexity(model, sample) == pytest.approx(unigram_perplexity(counts, sample), rel=1e-5)
    assert model.training, "the mode is left as it was"


def test_unigram_perplexity_by_hand() -> None:
    counts = np.array([1.0, 2.0, 4.0])  # with one added to each: 2, 3, 5 of 10
    sample = held_out(np.array([0, 1, 2], dtype=np.uint32), limit=10, rows=1)
    assert unigram_perplexity(counts, sample) == pytest.approx(math.sqrt((10 / 3) * (10 / 5)))


def test_perplexity_is_that_of_one_long_reading() -> None:
    torch.manual_seed(0)
    model = LanguageModel(Shape(12, dim=5, hidden=7, layers=2)).eval()
    tokens = np.random.default_rng(1).integers(0, 12, 3_001).astype(np.uint32)
    ids = torch.from_numpy(tokens.astype(np.int64))[None]
    with torch.no_grad():
        logits = model.logits(model(ids[:, :-1])[0])[0].double()
        nats = torch.nn.functional.cross_entropy(logits, ids[0, 1:])
    assert perplexity(model, held_out(tokens, limit=10**6, rows=1)) == pytest.approx(math.exp(nats), rel=1e-4)


def test_a_model_that_fails_is_left_in_its_mode() -> None:
    model = LanguageModel(Shape(12, dim=5, hidden=7, layers=2)).train()
    with pytest.raises(IndexError):
        token_losses(model, np.array([[1, 12, 3]], dtype=np.uint32))
    assert model.training


def test_a_row_of_one_token_predicts_nothing() -> None:
    model = LanguageModel(Shape(12, dim=5, hidden=7, layers=2))
    assert token_losses(model, np.array([[1], [2]], dtype=np.uint32)).shape == (2, 0)


def test_a_sample_is_spread_and_counted() -> None:
    tokens = np.arange(101, dtype=np.uint32)
    sample = held_out(tokens, limit=20, rows=4)
    assert sample.tokens[:, 0].tolist() == [0, 25, 50, 75]
    assert sample.n_scored == 20
    assert held_out(np.array([UNK, UNK, 5, UNK, 6], dtype=np.uint32), limit=4, rows=1).unknown_share == 0.5


def test_bigrams_know_a_chain_that_unigrams_do_not() -> None:
    """In a strict cycle each token has one follower, so pairs predict perfectly and frequencies not at all."""
    train = np.tile(np.arange(4, 9, dtype=np.uint32), 2_000)
    counts = np.bincount(train, minlength=9).astype(float)
    sample = held_out(train, limit=500)
    assert unigram_perplexity(counts, sample) == pytest.approx(5.0, rel=1e-2)
    assert bigram_perplexity(train, counts, sample) == pytest.approx(1.0, abs=0.02)


def test_bigram_counts_by_hand_across_chunk_borders(monkeypatch) -> None:
    train = np.array([1, 2, 1, 2, 1, 0, 1, 2], dtype=np.uint32)
    counts = np.bincount(train, minlength=3).astype(float)
    sample = held_out(np.array([1, 2, 0], dtype=np.uint32), limit=9, rows=1)
    unigram = (counts + 1) / (counts + 1).sum()
    by_mass = [
        ((3 + mass * unigram[2]) / (4 + mass) * (0 + mass * unigram[0]) / (2 + mass)) ** -0.5
        for mass in (10, 30, 100, 300, 1_000, 3_000)
    ]
    for chunk in (1, 3, 100):
        monkeypatch.setattr("embedpipe.generation.evaluation._CHUNK", chunk)
        assert bigram_perplexity(train, counts, sample) == pytest.approx(min(by_mass))


def test_a_hopeless_model_gives_a_large_number_and_no_nan() -> None:
    model = LanguageModel(Shape(5, dim=4, hidden=4, layers=1))
    with torch.no_grad():
        model.bias.copy_(torch.tensor([1e5, 0, 0, 0, 0]))
    value = perplexity(model, held_out(np.array([3, 4, 3], dtype=np.uint32), limit=9))
    assert value == pytest.approx(math.exp(700.0))


def test_documents_are_whole_in_order_and_begin_after_an_end(tmp_path) -> None:
    store = stored(tmp_path, [[[4, 5], [6]], [[7]], [], [[8, 8], [8]], [[9]]])
    found = [one.tolist() for one in by_documents(store, limit=100)]
    assert found == [[3, 4, 5, 3, 6, 3], [3, 7, 3], [3, 8, 8, 3, 8, 3], [3, 9, 3]]
    assert [one.tolist() for one in by_documents(store, limit=8)] == [[3, 4, 5, 3, 6, 3], [3, 8, 8, 3, 8, 3]]
    assert [one.tolist() for one in by_documents(store, limit=2)] == [[3, 4, 5]], "cut at the limit"


def stored(folder: Path, documents: list[list[list[int]]]) -> TokenStore:
    sentences = [sentence for document in documents for sentence in document]
    np.save(folder / "tokens.npy", np.array([i for one in sentences for i in [*one, EOS]], dtype=np.uint32))
    np.save(folder / "sentences.npy", np.cumsum([0, *(len(one) + 1 for one in sentences)]).astype(np.uint64))
    np.save(folder / "documents.npy", np.cumsum([0, *map(len, documents)]).astype(np.uint64))
    return TokenStore(folder)

"""Damage to batches of ids: what it may change, how much of it, and what it leaves alone."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.nn.batches import Padded, pad
from embedpipe.sentences.damage import (
    Damage,
    Synonyms,
    delete_words,
    drop_words,
    nearest_words,
    replace_words,
    swap_words,
)
from embedpipe.text.vocabulary import UNK

CPU = torch.device("cpu")
SIZE = 60
TABLE = Synonyms(torch.arange(SIZE)[:, None] * 0 + torch.arange(50, 60), torch.arange(SIZE) % 3)
DAMAGES = {
    "drop": drop_words,
    "delete": delete_words,
    "swap": swap_words,
    "replace": lambda batch, p, generator: replace_words(batch, p, TABLE, generator),
}
BATCHES = st.lists(st.lists(st.integers(4, SIZE - 1), max_size=9), min_size=1, max_size=6)


def as_batch(rows: list[list[int]]) -> Padded:
    return pad([np.array(row, dtype=np.uint32) for row in rows], CPU)


def as_rows(batch: Padded) -> list[list[int]]:
    return [ids[:n].tolist() for ids, n in zip(batch.ids, batch.lengths, strict=True)]


@pytest.mark.parametrize("name", DAMAGES)
@settings(max_examples=25, deadline=None)
@given(rows=BATCHES, p=st.sampled_from([0.0, 0.3, 0.99]), seed=st.integers(0, 99))
def test_lengths_and_padding_stay_in_order(name: str, rows: list[list[int]], p: float, seed: int) -> None:
    batch = as_batch(rows)
    damaged = DAMAGES[name](batch, p, torch.Generator().manual_seed(seed))
    again = DAMAGES[name](batch, p, torch.Generator().manual_seed(seed))
    assert torch.equal(damaged.ids, again.ids), "the generator decides"
    assert as_rows(batch) == rows, "the batch that was given is as it was"
    assert damaged.ids.shape == batch.ids.shape
    for before, after, ids in zip(rows, as_rows(damaged), damaged.ids, strict=True):
        assert not ids[len(after) :].any()
        assert bool(after) == bool(before)
        if p == 0:
            assert after == before
        elif name == "delete":
            position = iter(before)
            assert all(word in position for word in after), "what is left keeps its order"
        elif name == "swap":
            assert Counter(after) == Counter(before)
        elif name == "drop":
            assert all(new in (old, UNK) for old, new in zip(before, after, strict=True))
            assert not before or set(after) != {UNK}
        else:
            near = {word: {word, *range(50, 50 + word % 3)} for word in before}
            assert all(new in near[old] for old, new in zip(before, after, strict=True))


def test_shares_are_those_asked_for() -> None:
    batch = as_batch([list(range(4, 44))] * 500)
    generator = torch.Generator().manual_seed(0)
    changed = {name: (d(batch, 0.2, generator).ids != batch.ids).float().mean().item() for name, d in DAMAGES.items()}
    assert changed["drop"] == pytest.approx(0.2, abs=0.01)
    assert changed["replace"] == pytest.approx(0.2 * 2 / 3, abs=0.01), "a third of the words have no synonym"
    assert changed["swap"] == pytest.approx(0.4, abs=0.02), "both words of a swap are elsewhere"
    assert delete_words(batch, 0.2, generator).lengths.float().mean() == pytest.approx(32, abs=0.3)


def test_a_swap_moves_a_word_by_one_place() -> None:
    batch = as_batch([list(range(4, 24))] * 50)
    swapped = swap_words(batch, 0.4, torch.Generator().manual_seed(0))
    assert (swapped.ids - batch.ids).abs().max() == 1


def test_nearest_words_against_a_full_sort() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2_000, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[:4] = 0
    table = nearest_words(vectors, 0.8)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    cosines[:, :4] = -1
    for word in (4, 5, 1_027, 1_028, 1_999):
        order = np.argsort(-cosines[word])[:10]
        assert table.words[word].tolist() == order.tolist()
        assert table.counts[word] == (cosines[word][order] >= 0.8).sum()
    assert not table.counts[:4].any()
    assert not nearest_words(vectors[:5]).counts.any(), "one word has no neighbours"


def test_all_damages_in_one() -> None:
    batch = as_batch([list(range(4, 24))] * 20)
    assert Damage()(batch) is batch
    torch.manual_seed(1)
    damaged = Damage(word_p=0.1, delete_p=0.2, swap_p=0.1, synonym_p=0.3, synonyms=TABLE)(batch)
    assert (damaged.ids == UNK).any()
    assert (damaged.lengths < 20).any()
    assert (damaged.ids >= 50).any()

"""Batches against a plain loop over the store."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.errors import NotEnoughDataError
from embedpipe.nn.batches import TokenSource, batches_by_tokens, neighbour_batches, neighbour_pairs, pad
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS

CPU = torch.device("cpu")


def make_store(path: Path, documents: list[list[list[int]]]) -> TokenStore:
    path.mkdir(exist_ok=True)
    sentences = [[*sentence, EOS] for document in documents for sentence in document]
    np.save(path / "tokens.npy", np.array([t for s in sentences for t in s], dtype=np.uint32))
    np.save(path / "sentences.npy", np.cumsum([0, *map(len, sentences)]).astype(np.uint64))
    np.save(path / "documents.npy", np.cumsum([0, *map(len, documents)]).astype(np.uint64))
    return TokenStore(path)


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    """Documents of different lengths, empty and short sentences among them; token ids tell sentences apart."""
    rng = np.random.default_rng(0)
    counter = iter(range(10, 100_000))
    sizes = [[int(rng.integers(3, 12)) for _ in range(n)] for n in (5, 1, 7, 2)]
    sizes[2][3], sizes[0][1] = 0, 2
    return make_store(tmp_path / "store", [[[next(counter) for _ in range(n)] for n in d] for d in sizes])


def test_pairs_are_all_neighbours_of_one_document_and_nothing_else(store: TokenStore) -> None:
    document, lengths = store.document_of_sentence, store.lengths
    expected = {
        i
        for i in range(store.n_sentences - 1)
        if document[i] == document[i + 1] and min(lengths[i], lengths[i + 1]) >= 3
    }
    drawn = neighbour_pairs(store, 2_000, np.random.default_rng(1))
    assert drawn.shape == (2_000,)
    assert set(drawn.tolist()) == expected
    counts = np.bincount(drawn)[sorted(expected)]
    assert counts.min() > 0.6 * counts.mean(), "every pair is as likely as any other"


def test_batches_hold_the_tokens_of_the_two_sentences(store: TokenStore) -> None:
    rows = {tuple(store.sentence(i)[:6].tolist()): i for i in range(store.n_sentences)}
    n = 0
    for batch in neighbour_batches(store, 4, 20, np.random.default_rng(2), 6):
        assert batch.ids.dtype == torch.int64
        assert batch.ids.shape == (8, int(batch.lengths.max()))
        sentences = [rows[tuple(ids[:k].tolist())] for ids, k in zip(batch.ids, batch.lengths, strict=True)]
        assert sentences[4:] == [i + 1 for i in sentences[:4]]
        assert all(not ids[k:].any() for ids, k in zip(batch.ids, batch.lengths, strict=True))
        n += 1
    assert n == 20


def test_batches_depend_on_the_seed_alone(store: TokenStore) -> None:
    def ids(seed: int) -> list[list[list[int]]]:
        return [b.ids.tolist() for b in neighbour_batches(store, 4, 5, np.random.default_rng(seed), 6)]

    assert ids(3) == ids(3)
    assert ids(3) != ids(4)


def test_short_sentences_are_taken_where_there_are_no_others(tmp_path: Path) -> None:
    store = make_store(tmp_path / "short", [[[10], [11], [], [12]], [[13]]])
    assert set(neighbour_pairs(store, 10, np.random.default_rng(0)).tolist()) == {0}


@pytest.mark.parametrize("documents", [[], [[[10, 11, 12]]], [[[10, 11, 12]], [[13, 14, 15]]], [[[], []]]])
def test_no_neighbours_is_an_error_that_says_what_is_needed(tmp_path: Path, documents) -> None:
    store = make_store(tmp_path / "none", documents) if documents else make_store(tmp_path / "one", [[[5]]])
    with pytest.raises(NotEnoughDataError, match="documents of several sentences"):
        neighbour_pairs(store, 4, np.random.default_rng(0))


def test_gathering_on_a_device_equals_gathering_from_the_map(store: TokenStore) -> None:
    # "meta" would hold no values; the branch for devices is run on the CPU instead.
    source = TokenSource(store.tokens, CPU)
    on_device = TokenSource(store.tokens, CPU)
    on_device._tokens = torch.from_numpy(store.tokens.astype(np.int32))
    starts, lengths = store.sentence_offsets[:-1].astype(np.int64), store.lengths
    expected, found = source.gather(starts, lengths), on_device.gather(starts, lengths)
    assert torch.equal(found.ids, expected.ids)
    assert torch.equal(found.lengths, expected.lengths)
    assert found.ids.dtype == torch.int64


def test_padding_an_empty_list_and_empty_rows() -> None:
    assert pad([], CPU).ids.shape == (0, 1)
    batch = pad([np.array([], np.uint32), np.array([7, 8], np.uint32)], CPU)
    assert batch.ids.tolist() == [[0, 0], [7, 8]]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=40), st.integers(1, 60))
def test_length_batches_cover_all_once_within_the_limit(lengths: list[int], limit: int) -> None:
    sizes = np.array(lengths, dtype=np.int64)
    batches = list(batches_by_tokens(sizes, limit, 1_000))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * sizes[batch].max() <= limit for batch in batches)

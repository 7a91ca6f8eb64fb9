"""Random spans of a store against a plain loop over it."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from embedpipe.errors import NotEnoughDataError
from embedpipe.nn.batches import TokenSource
from embedpipe.nn.spans import batches_of, crops, neighbour_pairs, neighbours, sentences
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS

CPU = torch.device("cpu")


def make_store(path: Path, documents: list[list[list[int]]], begins: list[bool] | None = None) -> TokenStore:
    path.mkdir(exist_ok=True)
    sentences = [[*sentence, EOS] for document in documents for sentence in document]
    np.save(path / "tokens.npy", np.array([t for s in sentences for t in s], dtype=np.uint32))
    np.save(path / "sentences.npy", np.cumsum([0, *map(len, sentences)]).astype(np.uint64))
    np.save(path / "documents.npy", np.cumsum([0, *map(len, documents)]).astype(np.uint64))
    begins = np.zeros(len(sentences), dtype=np.bool_) if begins is None else np.array(begins)
    np.save(path / "begins.npy", begins)
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
    for drawn in islice(batches_of(neighbours(store, 6), TokenSource(store.tokens, CPU), 4, seed=2), 20):
        batch = drawn.rows
        assert batch.ids.dtype == torch.int64
        assert batch.ids.shape == (8, int(batch.lengths.max()))
        sentences = [rows[tuple(ids[:k].tolist())] for ids, k in zip(batch.ids, batch.lengths, strict=True)]
        assert sentences[:4] == drawn.tags.tolist()
        assert sentences[4:] == [i + 1 for i in sentences[:4]]
        assert all(not ids[k:].any() for ids, k in zip(batch.ids, batch.lengths, strict=True))
        n += 1
    assert n == 20


@pytest.mark.parametrize("draw", [neighbours, sentences, crops])
def test_a_batch_depends_on_the_seed_and_its_number_alone(store: TokenStore, draw) -> None:
    def ids(seed: int, start: int, n: int) -> list[list[list[int]]]:
        drawn = batches_of(draw(store, 20), TokenSource(store.tokens, CPU), 4, seed=seed, start=start)
        return [batch.rows.ids.tolist() for batch in islice(drawn, n)]

    whole = ids(3, 0, 40)
    assert ids(3, 5, 3) == whole[5:8]
    assert ids(3, 16, 20) == whole[16:36]
    assert ids(3, 33, 7) == whole[33:]
    assert ids(4, 0, 40) != whole


def test_single_sentences_are_those_long_enough(store: TokenStore) -> None:
    drawn = sentences(store, 6)(0, 500, np.random.default_rng(0))
    assert set(drawn.tags.tolist()) == {i for i, length in enumerate(store.lengths) if length >= 3}
    assert drawn.lengths.max() == 6
    assert (drawn.starts[0] == store.sentence_offsets[drawn.tags]).all()


def test_crops_lie_in_one_document_beside_or_over_each_other(store: TokenStore) -> None:
    drawn = crops(store, 20)(0, 2_000, np.random.default_rng(0))
    bounds = store.sentence_offsets[store.document_offsets.astype(np.int64)].astype(np.int64)
    assert set(drawn.tags.tolist()) == {i for i, n in enumerate(np.diff(bounds)) if n >= 16}
    ends = drawn.starts + drawn.lengths
    assert (drawn.starts >= bounds[drawn.tags]).all()
    assert (ends <= bounds[drawn.tags + 1]).all()
    assert drawn.lengths.min() >= 8
    assert drawn.lengths.max() <= 20
    assert drawn.lengths[0].mean() > drawn.lengths[1].mean() + 2, "the first are the longer ones"
    assert (drawn.starts[1] <= ends[0]).all()
    assert (drawn.starts[0] <= ends[1]).all()
    sizes = np.where(np.diff(bounds) >= 16, np.diff(bounds), 0)
    np.testing.assert_allclose(np.bincount(drawn.tags, minlength=4) / 2_000, sizes / sizes.sum(), atol=0.05)


def test_crops_lie_in_one_paragraph(tmp_path: Path) -> None:
    documents = [[[10] * 9, [10] * 9, [11] * 20, [12] * 3], [[13] * 30]]
    store = make_store(tmp_path / "store", documents, begins=[True, False, True, True, False])
    drawn = crops(store, 64)(0, 500, np.random.default_rng(0))
    assert store.paragraph_offsets.tolist() == [0, 2, 3, 4, 5]
    assert set(drawn.tags.tolist()) == {0, 1, 3}
    for starts, lengths, tag in zip(drawn.starts.T, drawn.lengths.T, drawn.tags, strict=True):
        found = {int(t) for a, n in zip(starts, lengths, strict=True) for t in store.tokens[a : a + n]}
        assert found - {EOS} == {10 + int(tag)}


def test_crops_reach_over_the_lines_of_text_that_is_broken_at_a_width(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [[[10] * 8, [11] * 8, [12] * 8], [[13] * 20]], begins=[True] * 4)
    drawn = crops(store, 64)(0, 500, np.random.default_rng(0))
    assert set(drawn.tags.tolist()) == {0, 1}
    assert (drawn.lengths[0, drawn.tags == 0] > 9).any()


def test_no_document_long_enough_for_crops_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughDataError, match=r"sentences\.crops to 0"):
        crops(make_store(tmp_path / "short", [[[10, 11, 12]]]), 64)


def test_short_sentences_are_taken_where_there_are_no_others(tmp_path: Path) -> None:
    store = make_store(tmp_path / "short", [[[10], [11], [], [12]], [[13]]])
    assert set(neighbour_pairs(store, 10, np.random.default_rng(0)).tolist()) == {0}


@pytest.mark.parametrize("documents", [[], [[[10, 11, 12]]], [[[10, 11, 12]], [[13, 14, 15]]], [[[], []]]])
def test_no_neighbours_is_an_error_that_says_what_is_needed(tmp_path: Path, documents) -> None:
    store = make_store(tmp_path / "none", documents) if documents else make_store(tmp_path / "one", [[[5]]])
    with pytest.raises(NotEnoughDataError, match="documents of several sentences"):
        neighbour_pairs(store, 4, np.random.default_rng(0))

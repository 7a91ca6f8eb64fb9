"""Batches against a plain loop."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.errors import EmbedpipeWarning
from embedpipe.nn import batches
from embedpipe.nn.batches import Padded, TokenSource, batches_by_tokens, compact, pad

CPU = torch.device("cpu")


def test_gathering_on_a_device_equals_gathering_from_the_map() -> None:
    # "meta" would hold no values; the branch for devices is run on the CPU instead.
    tokens = np.arange(10, 40, dtype=np.uint32)
    source, on_device = TokenSource(tokens, CPU), TokenSource(tokens, CPU)
    on_device._tokens = torch.from_numpy(tokens.astype(np.int32))
    starts, lengths = np.array([0, 12, 29, 5]), np.array([7, 0, 1, 12])
    expected, found = source.gather(starts, lengths), on_device.gather(starts, lengths)
    assert torch.equal(found.ids, expected.ids)
    assert torch.equal(found.lengths, expected.lengths)
    assert found.ids.dtype == torch.int64
    assert [row[:n].tolist() for row, n in zip(found.ids, found.lengths, strict=True)] == [
        tokens[i : i + n].tolist() for i, n in zip(starts, lengths, strict=True)
    ]


def test_a_store_is_copied_piece_by_piece(monkeypatch) -> None:
    monkeypatch.setattr(batches, "_CHUNK", 7)
    tokens = np.arange(10, 40, dtype=np.uint32)
    copied = batches._copied(tokens, CPU)
    assert copied.dtype == torch.int32
    assert copied.tolist() == tokens.tolist()
    assert batches._copied(tokens[:0], CPU).tolist() == []


def test_a_store_that_a_gpu_has_no_room_for_stays_where_it_is(monkeypatch) -> None:
    """The device is one that holds no values, so what is copied there is caught on the way."""

    def full(*_: object, **__: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 40.00 GiB.")

    def caught(array: np.ndarray, device: torch.device) -> torch.Tensor:
        copied.append(device.type)
        return torch.from_numpy(array)

    copied: list[str] = []
    tokens = np.arange(10, 40, dtype=np.uint32)
    starts, lengths = np.array([0, 12, 29]), np.array([7, 0, 1])
    expected = TokenSource(tokens, CPU).gather(starts, lengths)
    monkeypatch.setattr(torch, "empty", full)
    with pytest.warns(EmbedpipeWarning, match="more than half of the free memory of the GPU"):
        source = TokenSource(tokens, torch.device("meta"))
    monkeypatch.setattr(batches, "to_device", caught)
    found = source.gather(starts, lengths)
    assert torch.equal(found.ids, expected.ids)
    assert torch.equal(found.lengths, expected.lengths)
    assert copied == ["meta", "meta"]


def test_half_of_a_gpu_is_left_to_the_model(monkeypatch) -> None:
    tokens = np.arange(100, dtype=np.uint32)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2 * 4 * len(tokens) - 1, 10**12))
    with pytest.raises(torch.OutOfMemoryError, match="100 tokens take more than half"):
        batches._copied(tokens, torch.device("cuda"))


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


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(4, 99), st.booleans()), max_size=6), min_size=1, max_size=5))
def test_compacting_keeps_what_is_kept_in_order(rows: list[list[tuple[int, bool]]]) -> None:
    batch = pad([np.array([token for token, _ in row], dtype=np.uint32) for row in rows], CPU)
    keep = torch.ones(batch.ids.shape, dtype=torch.bool)
    for i, row in enumerate(rows):
        for j, (_, kept) in enumerate(row):
            keep[i, j] = kept
    found = compact(Padded(batch.ids, batch.lengths), keep)
    for row, ids, length in zip(rows, found.ids, found.lengths, strict=True):
        assert ids[:length].tolist() == [token for token, kept in row if kept]
        assert not ids[length:].any()

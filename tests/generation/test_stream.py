"""Windows over the token stream."""

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.generation.stream import rows_of, varying, windows

CPU = torch.device("cpu")


def test_windows_by_hand() -> None:
    tokens = np.arange(11, dtype=np.uint32)
    found = list(windows(tokens, batch=2, bptt=3, device=CPU))
    assert [w.inputs.tolist() for w in found] == [[[0, 1, 2], [5, 6, 7]], [[3, 4], [8, 9]]]
    assert [w.targets.tolist() for w in found] == [[[1, 2, 3], [6, 7, 8]], [[4, 5], [9, 10]]]
    assert [w.fresh for w in found] == [True, False]
    assert found[0].inputs.dtype == torch.int64


@given(st.integers(2, 90), st.integers(1, 12), st.integers(2, 9))
@settings(deadline=None)
def test_one_pass_reads_rows_in_order_and_almost_everything(n, batch, bptt) -> None:
    tokens = np.arange(n, dtype=np.uint32)
    found = list(windows(tokens, batch=batch, bptt=bptt, device=CPU))
    inputs = torch.cat([w.inputs for w in found], dim=1)
    assert torch.equal(torch.cat([w.targets for w in found], dim=1), inputs + 1)
    assert torch.equal(inputs.diff(dim=1), torch.ones_like(inputs[:, 1:]))
    assert inputs.unique().numel() == inputs.numel() > n - 1 - inputs.shape[0]
    assert [w.fresh for w in found] == [True] + [False] * (len(found) - 1)


def test_training_never_ends_and_shifts_its_borders() -> None:
    tokens = np.arange(21, dtype=np.uint32)
    stream = windows(tokens, batch=2, bptt=4, device=CPU, seed=3)
    found = [next(stream) for _ in range(60)]
    starts = {int(w.inputs[0, 0]) for w in found if w.fresh}
    assert len(starts) > 1
    assert starts <= {0, 1, 2, 3}
    assert sum(w.fresh for w in found) > 10


@pytest.mark.parametrize(("n", "batch", "rows"), [(2, 5, 1), (3, 5, 1), (5, 5, 2), (100, 5, 5)])
def test_short_streams_have_fewer_rows(n, batch, rows) -> None:
    assert len(rows_of(n, batch)) - 1 == rows
    window = next(windows(np.arange(n, dtype=np.uint32), batch=batch, bptt=4, device=CPU))
    assert window.inputs.shape[0] == rows
    assert window.inputs.shape[1] >= 1


@given(st.integers(2, 60), st.integers(1, 6), st.integers(2, 9), st.integers(0, 25), st.booleans())
@settings(deadline=None, max_examples=40)
def test_the_stream_goes_on_from_any_window(n, batch, bptt, start, variable) -> None:
    tokens = np.arange(n, dtype=np.uint32)

    def taken(start: int) -> list[tuple[list[list[int]], bool, float]]:
        stream = windows(tokens, batch=batch, bptt=bptt, device=CPU, seed=4, start=start, variable=variable)
        return [(w.inputs.tolist(), w.fresh, w.weight) for w in islice(stream, 30 - start)]

    assert taken(start) == taken(0)[start:]


def test_varying_windows_are_as_long_as_asked_on_average_and_never_very_short() -> None:
    lengths = np.diff(varying(1_000_000, 70, np.random.default_rng(0)))
    assert lengths.mean() == pytest.approx(70, rel=0.01)
    assert lengths.min() >= 70 // 4
    assert np.mean(lengths < 50) == pytest.approx(0.05, abs=0.005)
    assert lengths[lengths > 50].std() == pytest.approx(70 / 14, rel=0.05)


@given(st.integers(1, 300), st.integers(2, 40), st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_varying_windows_cover_everything(length, bptt, seed) -> None:
    borders = varying(length, bptt, np.random.default_rng(seed))
    assert (borders[0], borders[-1]) == (0, length)
    assert (np.diff(borders) >= min(length, max(1, bptt // 4))).all()


def test_every_token_of_varying_windows_weighs_alike() -> None:
    stream = windows(np.arange(2_001, dtype=np.uint32), batch=2, bptt=10, device=CPU, seed=3, variable=True)
    found = [next(stream) for _ in range(150)]
    assert all(w.weight == w.inputs.shape[1] / 10 for w in found)
    second = next(i for i, w in enumerate(found) if w.fresh and i)
    assert [w.inputs.shape for w in found[:second]] != [w.inputs.shape for w in found[second : 2 * second]]


def test_a_device_is_not_waited_for_until_it_has_a_window(monkeypatch) -> None:
    moved: list[dict[str, object]] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *_, **how: moved.append(how) or self)
    assert len(list(windows(np.arange(13, dtype=np.uint32), batch=1, bptt=6, device=torch.device("cuda")))) == 2
    assert moved == [{"non_blocking": True}] * 2

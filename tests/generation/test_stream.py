"""Windows over the token stream."""

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.generation.stream import rows_of, windows

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


@given(st.integers(2, 60), st.integers(1, 6), st.integers(2, 9), st.integers(0, 25))
@settings(deadline=None, max_examples=40)
def test_the_stream_goes_on_from_any_window(n, batch, bptt, start) -> None:
    def taken(start: int) -> list[tuple[list[list[int]], bool]]:
        stream = windows(np.arange(n, dtype=np.uint32), batch=batch, bptt=bptt, device=CPU, seed=4, start=start)
        return [(w.inputs.tolist(), w.fresh) for w in islice(stream, 30 - start)]

    assert taken(start) == taken(0)[start:]

"""LSTMs over shared rows, against torch's own over the same rows gathered."""

import copy
import gc
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from embedpipe.nn.indexed_lstm import Spare, read_rows
from embedpipe.nn.readers import lstms_of, make_reader

WIDTH, HIDDEN, ROWS = 3, 4, 5


def both_ways(kind, layers, lengths, seed=0, spare=None):
    """What is read and all gradients, by `read_rows` and by torch."""
    torch.manual_seed(seed)
    time = max(1, *lengths)
    reader = make_reader(kind, WIDTH, HIDDEN, layers).double()
    numbers, n = torch.randint(ROWS, (len(lengths), time)), torch.tensor(lengths)
    rows = torch.randn(ROWS, WIDTH, dtype=torch.float64, requires_grad=True)
    wanted = torch.randn(len(n), time, reader.out_dim, dtype=torch.float64)
    found = []
    for shared in (True, False):
        if shared:
            outputs, last = read_rows(lstms_of(reader), rows, numbers, n, spare or Spare())
        else:
            outputs, last = reader(rows[numbers], n)
        loss = (outputs * wanted).sum() + (last * wanted[:, 0]).sum()
        gradients = torch.autograd.grad(loss, [rows, *reader.parameters()])
        found.append([outputs.detach(), last.detach(), *gradients])
    return found


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([("bilstm", 1), ("bilstm", 2), ("bilstm", 3), ("lstm", 1)]),
    st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(any),
    st.integers(0, 1_000),
)
def test_outputs_and_gradients_are_those_of_torch(kind, lengths, seed) -> None:
    assert_same(*both_ways(*kind, lengths, seed))


def test_memory_is_used_again_and_nothing_of_the_last_time_is_seen() -> None:
    spare = Spare()
    for seed, lengths in enumerate([[6, 5, 5, 1], [2, 1], [0, 3, 3], [6, 6, 6, 6, 6], [1]]):
        assert_same(*both_ways("bilstm", 2, lengths, seed, spare))
    buffers = spare._free[torch.float64]
    addresses = {buffer.data_ptr() for buffer in buffers}
    assert len(addresses) == len(buffers) <= 10
    assert_same(*both_ways("bilstm", 2, [6, 6, 6, 6], 9, spare))
    assert {buffer.data_ptr() for buffer in spare._free[torch.float64]} == addresses
    assert copy.deepcopy(spare)._free == {}


def test_two_readings_may_wait_for_their_way_back_at_once() -> None:
    torch.manual_seed(1)
    reader, spare = make_reader("bilstm", WIDTH, HIDDEN), Spare()
    rows, n = torch.randn(ROWS, WIDTH, requires_grad=True), torch.tensor([4, 2])
    numbers = [torch.randint(ROWS, (2, 4)) for _ in range(2)]
    parameters = [rows, *reader.parameters()]
    for order in ((0, 1), (1, 0)):
        sums = [read_rows(lstms_of(reader), rows, one, n, spare)[0].square().sum() for one in numbers]
        found = {i: torch.autograd.grad(sums[i], parameters) for i in order}
        for i in order:
            alone = torch.autograd.grad(reader(rows[numbers[i]], n)[0].square().sum(), parameters)
            torch.testing.assert_close(found[i], alone, rtol=1e-4, atol=1e-6)


def test_without_gradients_the_memory_is_free_at_once() -> None:
    reader, spare = make_reader("bilstm", WIDTH, HIDDEN), Spare()
    rows, numbers, n = torch.randn(ROWS, WIDTH), torch.zeros(2, 4, dtype=torch.int64), torch.tensor([4, 2])
    with torch.no_grad():
        outputs, _ = read_rows(lstms_of(reader), rows, numbers, n, spare)
        torch.testing.assert_close(outputs, reader(rows[numbers], n)[0], rtol=1e-4, atol=1e-6)
        assert len(spare._free[torch.float32]) == 4
        read_rows(lstms_of(reader), rows, numbers, n, spare)
    assert len(spare._free[torch.float32]) == 4


def test_parts_that_are_read_again_keep_no_memory_meanwhile() -> None:
    """Of rows read in parts, each once more on the way back, the memory of one part is in use at a time."""
    torch.manual_seed(4)
    reader, n = make_reader("bilstm", WIDTH, HIDDEN), torch.tensor([5, 4, 2])
    rows, numbers = torch.randn(ROWS, WIDTH, requires_grad=True), torch.randint(ROWS, (6, 3, 5))
    parameters = [rows, *reader.parameters()]

    class Counting(Spare):
        kept: list[weakref.ref[Tensor]] = []  # noqa: RUF012

        def take(self, shape, dtype):
            tensor = super().take(shape, dtype)
            self.kept = [one for one in self.kept if one() is not None] + [weakref.ref(tensor.untyped_storage())]
            return tensor

    spare = Counting()
    parts = [
        checkpoint(lambda one: read_rows(lstms_of(reader), rows, one, n, spare)[0], one, use_reentrant=False)
        for one in numbers
    ]
    gc.collect()
    assert sum(one() is not None for one in spare.kept) <= 5
    found = torch.autograd.grad(torch.cat(parts).square().sum(), parameters)
    whole = torch.autograd.grad(torch.cat([reader(rows[one], n)[0] for one in numbers]).square().sum(), parameters)
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-6)
    assert len(spare._free[torch.float32]) <= 6


def test_a_second_way_back_is_refused_by_torch() -> None:
    reader, rows = make_reader("bilstm", WIDTH, HIDDEN), torch.randn(ROWS, WIDTH, requires_grad=True)
    numbers, n = torch.randint(ROWS, (2, 4)), torch.tensor([4, 2])
    loss = read_rows(lstms_of(reader), rows, numbers, n, Spare())[0].square().sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_products_in_bfloat16_leave_the_gradients_nearly_as_they_are() -> None:
    torch.manual_seed(2)
    reader, n = make_reader("bilstm", 16, 32), torch.tensor([9, 7, 7, 2])
    rows, numbers = torch.randn(20, 16, requires_grad=True), torch.randint(20, (4, 9))
    found = []
    for half in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            outputs, _ = read_rows(lstms_of(reader), rows, numbers, n, Spare())
        assert outputs.dtype == torch.float32
        found.append((outputs.detach(), *torch.autograd.grad(outputs.square().sum(), [rows, *reader.parameters()])))
    for exact, rounded in zip(*found, strict=True):
        assert 0 < float((exact - rounded).abs().max()) < 0.03 * float(exact.abs().max())


@pytest.mark.parametrize("lengths", [[0], [0, 0]])
def test_nothing_but_empty_sequences_reads_zeros(lengths) -> None:
    reader, n = make_reader("bilstm", WIDTH, HIDDEN), torch.tensor(lengths)
    outputs, last = read_rows(lstms_of(reader), torch.randn(1, WIDTH), torch.zeros(len(n), 2).long(), n, Spare())
    assert outputs.tolist() == torch.zeros(len(n), 2, 2 * HIDDEN).tolist()
    assert last.tolist() == torch.zeros(len(n), 2 * HIDDEN).tolist()

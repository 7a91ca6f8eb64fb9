"""The moving average of weights, dense and sparse."""

import pytest
import torch
from torch import nn

from embedpipe.nn.average import Average

SOUND = torch.tensor(1.0)


def updated(table: nn.Parameter, average: Average, step: int, *, sparse: bool) -> None:
    with torch.no_grad():
        table.add_(step)
    gradient = torch.ones_like(table)
    table.grad = gradient.to_sparse(1) if sparse else gradient
    average.update(SOUND)


def test_by_hand() -> None:
    table = nn.Parameter(torch.zeros(1, 1))
    average = Average(nn.ParameterList([table]), 0.5)
    for value, expected in ((1.0, 0.9), (3.0, 0.9 * 2 / 11 + 3 * 9 / 11), (2.0, None)):
        with torch.no_grad():
            table.fill_(value)
        average.update(SOUND)
        before = expected if expected is not None else before * 0.25 + 2.0 * 0.75  # noqa: F821
        with average.in_place():
            assert table.item() == pytest.approx(before)
        assert table.item() == value


def test_a_sparse_table_lags_and_is_whole_when_it_is_looked_at() -> None:
    """While weights stand still a late update is the same as all those it stands for."""
    tables = [nn.Parameter(torch.zeros(3, 2)) for _ in range(2)]
    averages = [Average(nn.ParameterList([table]), 0.9) for table in tables]
    for step in [1] + [0] * 20:
        for table, average, sparse in zip(tables, averages, (True, False), strict=True):
            updated(table, average, step, sparse=sparse)
    found = []
    for table, average in zip(tables, averages, strict=True):
        with average.in_place():
            found.append(table.detach().clone())
    torch.testing.assert_close(*found)
    assert 0 < float(found[0][0, 0]) < 1


def test_a_late_average_goes_on_from_its_state() -> None:
    whole, first, second = (nn.Parameter(torch.zeros(3, 2)) for _ in range(3))
    averages = [Average(nn.ParameterList([table]), 0.9) for table in (whole, first, second)]
    for step in range(37):
        updated(whole, averages[0], step % 3, sparse=True)
        updated(first if step < 21 else second, averages[1 if step < 21 else 2], step % 3, sparse=True)
        if step == 20:
            averages[2].load_state_dict(averages[1].state_dict())
            with torch.no_grad():
                second.copy_(first)
    for average in (averages[0], averages[2]):
        average.publish()
    assert torch.equal(whole, second)


def test_a_step_that_is_not_finite_is_not_taken_in() -> None:
    table = nn.Parameter(torch.zeros(1, 2))
    average = Average(nn.ParameterList([table]), 0.9)
    with torch.no_grad():
        table.fill_(5.0)
    for gradient in (torch.ones(1, 2).to_sparse(1), torch.ones(1, 2)):
        table.grad = gradient
        average.update(torch.tensor(torch.nan))
        with average.in_place():
            assert table.tolist() == [[0.0, 0.0]]

"""The product of few rows with a table, beside the one of the library."""

import pytest
import torch
import torch.nn.functional as F

from embedpipe.nn.few_rows import scores_of


@pytest.mark.parametrize("shape", [(1, 5), (1, 1, 5), (2, 5), (3, 5), (8, 5), (2, 4, 5), (9, 5), (0, 5)])
def test_it_is_the_product_of_the_library(shape) -> None:
    draws = torch.Generator().manual_seed(1)
    hidden, table, bias = (torch.randn(size, generator=draws) for size in (shape, (70, 5), (70,)))
    with torch.inference_mode():
        found = scores_of(hidden, table, bias)
    wanted = F.linear(hidden, table, bias)
    assert found.shape == wanted.shape
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-6)
    assert found.is_contiguous()


def test_gradients_are_those_of_the_library() -> None:
    hidden, table, bias = torch.ones(2, 3), torch.ones(4, 3, requires_grad=True), torch.zeros(4)
    scores_of(hidden, table, bias).sum().backward()
    assert table.grad is not None
    assert table.grad.tolist() == [[2.0] * 3] * 4

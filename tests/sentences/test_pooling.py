"""Poolings and truncation on values worked by hand."""

import math

import numpy as np
import pytest
import torch

from embedpipe.sentences.nested import truncate
from embedpipe.sentences.pooling import Reading, SelfAttention, make_pooling

READING = Reading(
    outputs=torch.tensor([[[1.0, -4.0], [3.0, -2.0], [0.0, 0.0]], [[0.0, 0.0]] * 3]),
    last=torch.tensor([[3.0, -4.0], [0.0, 0.0]]),
    mask=torch.tensor([[True, True, False], [False] * 3]),
    weights=torch.tensor([[0.3, 0.1, 0.0], [0.0] * 3]),
)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("mean", [2.0, -3.0]), ("sif", [1.5, -3.5]), ("max", [3.0, -2.0]), ("last", [3.0, -4.0])],
)
def test_pooling_by_hand(kind: str, expected: list[float]) -> None:
    pooled = make_pooling(kind, 2)(READING)
    torch.testing.assert_close(pooled, torch.tensor([expected, [0.0, 0.0]]))


def test_attention_by_hand() -> None:
    pool = make_pooling("attention", 2)
    assert isinstance(pool, SelfAttention)
    with torch.no_grad():
        pool.hidden.weight.zero_()
        pool.query.weight.zero_()
        pool.hidden.weight[0, 0], pool.query.weight[0, 0] = 1.0, 2.0
        pooled = pool(READING)
    # Scores 2 tanh(1) and 2 tanh(3) over the two tokens, the padding left out.
    share = 1 / (1 + math.exp(2 * math.tanh(3) - 2 * math.tanh(1)))
    expected = [share * 1 + (1 - share) * 3, share * -4 + (1 - share) * -2]
    torch.testing.assert_close(pooled, torch.tensor([expected, [0.0, 0.0]]))


def test_the_weights_of_a_sentence_of_unknown_words_alone_divide_nothing_by_zero() -> None:
    weights = torch.zeros(2, 3, requires_grad=True)
    pooled = make_pooling("sif", 2)(READING._replace(weights=weights))
    assert not pooled.any()
    pooled.sum().backward()
    assert weights.grad is not None
    assert weights.grad.isfinite().all()


def test_truncation_of_arrays_and_tensors() -> None:
    rows = np.array([[3, 4, 12], [0, 0, 1], [0, 0, 0]], dtype=np.float32)
    expected = np.array([[0.6, 0.8], [0, 0], [0, 0]], dtype=np.float32)
    array, tensor = truncate(rows, 2), truncate(torch.from_numpy(rows), 2)
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    np.testing.assert_allclose(array, expected, atol=1e-7)
    np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-7)
    for dim in (0, 4):
        with pytest.raises(ValueError, match=f"1 to 3 components, not to {dim}"):
            truncate(rows, dim)

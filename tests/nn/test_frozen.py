"""Frozen LSTMs against `nn.LSTM`, and what each precision costs."""

import pytest
import torch
from torch import nn

from embedpipe.errors import ConfigError
from embedpipe.nn.frozen import FrozenLSTM, freeze, is_int8_exact, read_one

N, WIDTH, HIDDEN = 30, 7, 32


@pytest.fixture
def lstm() -> nn.LSTM:
    torch.manual_seed(0)
    return nn.LSTM(WIDTH, HIDDEN).requires_grad_(False)


@pytest.fixture
def words() -> torch.Tensor:
    return 3 * torch.randn(N, WIDTH, generator=torch.Generator().manual_seed(1))


INDEX = torch.randint(N, (6, 5), generator=torch.Generator().manual_seed(2))
LIVE = [5, 5, 4, 2, 2, 1]


def read(layer: FrozenLSTM, rows: torch.Tensor, index: torch.Tensor, live: list[int]) -> torch.Tensor:
    outputs = torch.zeros(*index.shape, layer.state_dim)
    layer(rows, index, live, outputs)
    assert not outputs[:, :, layer.hidden :].any()
    return outputs[:, :, : layer.hidden]


ENDED = torch.arange(5) >= torch.tensor(LIVE)[:, None]


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-6), ("bf16", 1e-2), ("int8", 2e-2)])
def test_outputs_are_those_of_torch_and_zero_after_the_end(lstm, words, precision, tolerance) -> None:
    (layer,) = freeze(lstm, precision)
    outputs = read(layer, layer.project(words), INDEX, LIVE)
    expected = lstm(words[INDEX])[0]
    assert (outputs - expected)[~ENDED].abs().max() < tolerance
    assert not outputs[ENDED].any()


def test_int8_is_the_rounding_of_weights_and_states(lstm, words) -> None:
    """One step by hand, from integers."""
    (layer,) = freeze(lstm, "int8")
    (exact,) = freeze(lstm, "fp32")
    outputs = read(layer, layer.project(words), INDEX[:2], [5, 5])
    first = read(exact, exact.project(words), INDEX[:1], [5])[0]
    weight = lstm.weight_hh_l0.clone()
    scale = weight.abs().amax(dim=1) / 127
    rounded = (weight / scale[:, None]).round() * scale[:, None]
    gates = lstm.weight_ih_l0 @ words[INDEX[1]].T + (lstm.bias_ih_l0 + lstm.bias_hh_l0)[:, None]
    gates = gates + rounded @ ((first * 127).round() / 127).T
    entry, kept, new, shown = gates.chunk(4)
    before = lstm(words[INDEX[:1]])[1][1][0].T
    cell = kept.sigmoid() * before + entry.sigmoid() * new.tanh()
    torch.testing.assert_close(outputs[1], (shown.sigmoid() * cell.tanh()).T, atol=1e-5, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_a_sequence_gives_the_same_alone(lstm, words, precision) -> None:
    (layer,) = freeze(lstm, precision)
    rows = layer.project(words)
    together = read(layer, rows, INDEX, LIVE)
    alone = read(layer, rows, INDEX[:4, 2:3], [1, 1, 1])
    torch.testing.assert_close(alone[:3, 0], together[:3, 2], atol=1e-6 if precision == "fp32" else 0, rtol=0)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_few_words_are_projected_to_the_same_bits(lstm, words, precision) -> None:
    (layer,) = freeze(lstm, precision)
    assert torch.equal(layer.project(words[:2]), layer.project(words)[:2])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("directions", [1, 2])
def test_one_sequence_is_read_as_a_batch_of_it(lstm, words, precision, directions) -> None:
    layers = [*freeze(lstm, precision), *freeze(nn.LSTM(WIDTH, HIDDEN).requires_grad_(False), precision)][:directions]
    rows, index = [layer.project(words) for layer in layers], INDEX[:, 0]
    outputs = torch.zeros(6, 1, directions, layers[0].state_dim)
    for number, (layer, table) in enumerate(zip(layers, rows, strict=True)):
        layer(table, index[:, None], [1] * 6, outputs[:, :, number], backwards=number == 1)
    torch.testing.assert_close(read_one(layers, rows, index), outputs[:, 0, :, :HIDDEN].flatten(1), atol=0, rtol=0)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@pytest.mark.parametrize("hidden", [32, 50, 100])
def test_company_changes_no_bit_at_any_width(hidden, precision) -> None:
    torch.manual_seed(0)
    (layer,) = freeze(nn.LSTM(WIDTH, hidden).requires_grad_(False), precision)
    rows, index = layer.project(torch.randn(N, WIDTH)), torch.randint(N, (8, 300))
    together = read(layer, rows, index, [300] * 8)
    alone = torch.stack([read_one([layer], [rows], one) for one in index.T], dim=1)
    assert torch.equal(alone, together)


def test_a_processor_that_saturates_is_refused(lstm, monkeypatch) -> None:
    assert is_int8_exact(HIDDEN)
    monkeypatch.setattr("embedpipe.nn.frozen.is_int8_exact", lambda hidden: False)
    with pytest.raises(ConfigError, match="does not multiply int8 exactly"):
        freeze(lstm, "int8")

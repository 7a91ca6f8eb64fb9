"""The readers against torch's own packed networks and its own Transformer encoder."""

import pytest
import torch
from torch import nn

from embedpipe.nn.readers import BidirectionalLSTM, Recurrent, make_reader, reader_width, sinusoids

LENGTHS = torch.tensor([9, 1, 4, 6])


def packed(net: nn.RNNBase, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The outputs and the hidden states at the ends as torch gives them for a packed batch."""
    sequences = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    outputs, states = net(sequences)
    outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
    return outputs, states[0] if isinstance(states, tuple) else states


@pytest.mark.parametrize(("kind", "theirs"), [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)])
def test_one_way_readers_equal_torchs_packed_ones(kind: str, theirs: type[nn.RNNBase]) -> None:
    torch.manual_seed(0)
    reader = make_reader(kind, 5, 7, layers=2)
    assert isinstance(reader, Recurrent)
    assert type(reader.net) is theirs
    x = torch.randn(4, 9, 5)
    expected, final = packed(reader.net, x)
    outputs, last = reader(x, LENGTHS)
    torch.testing.assert_close(outputs, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(last, final[-1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("layers", [1, 3])
def test_bidirectional_equals_torchs_packed_lstm(layers: int) -> None:
    torch.manual_seed(0)
    ours = BidirectionalLSTM(5, 7, layers)
    theirs = nn.LSTM(5, 7, layers, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            nets = ours.backwards if name.endswith("_reverse") else ours.forwards
            kind, _, layer = name.removesuffix("_reverse").rpartition("_l")
            weight.copy_(getattr(nets[int(layer)], f"{kind}_l0"))
    x = torch.randn(4, 9, 5)
    expected, final = packed(theirs, x)
    outputs, last = ours(x, LENGTHS)
    torch.testing.assert_close(outputs, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(last, torch.cat([final[-2], final[-1]], dim=1), atol=1e-6, rtol=0)


def test_transformer_equals_torchs_on_sequences_without_padding() -> None:
    torch.manual_seed(0)
    ours = make_reader("transformer", 5, 8, layers=2, heads=2)
    layer = nn.TransformerEncoderLayer(8, 2, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    theirs = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8), enable_nested_tensor=False)
    theirs.load_state_dict({k: v for k, v in ours.state_dict().items() if not k.startswith("entry")})
    assert not torch.equal(ours.layers[0].linear1.weight, ours.layers[1].linear1.weight), "layers start apart"
    x = torch.randn(4, 9, 5)
    outputs, last = ours(x, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = theirs(ours.entry(x[row : row + 1, :length]) + sinusoids(length, 8))
        torch.testing.assert_close(outputs[row : row + 1, :length], alone, atol=1e-5, rtol=0)
        torch.testing.assert_close(last[row], alone[0, -1], atol=1e-5, rtol=0)


def test_positions_are_those_of_the_paper() -> None:
    table = sinusoids(600, 6)
    assert table.shape == (600, 6)
    assert sinusoids(3, 5).shape == (3, 5)
    for position, i in [(0, 0), (7, 1), (599, 2)]:
        angle = torch.tensor(position / 10_000 ** (2 * i / 6))
        torch.testing.assert_close(table[position, i], angle.sin(), atol=1e-4, rtol=0)
        torch.testing.assert_close(table[position, 3 + i], angle.cos(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["bilstm", "lstm", "gru", "rnn", "transformer"])
def test_padding_changes_nothing_and_gets_no_gradient(kind: str) -> None:
    torch.manual_seed(1)
    reader = make_reader(kind, 3, 4, layers=2, heads=2)
    x, lengths = torch.randn(2, 5, 3), torch.tensor([2, 0])
    noisy = x.clone()
    noisy[0, 2:], noisy[1] = 100.0, -100.0
    noisy.requires_grad_()
    outputs, last = reader(noisy, lengths)
    alone, last_alone = reader(x[:1, :2], lengths[:1])
    assert outputs.shape == (2, 5, reader.out_dim)
    torch.testing.assert_close(outputs[:1, :2], alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(last[:1], last_alone, atol=1e-6, rtol=0)
    assert not outputs[0, 2:].any()
    assert not outputs[1].any()
    assert not last[1].any()
    # The sum over a normalised row is constant, so its square is taken.
    (outputs.square().sum() + last.pow(3).sum()).backward()
    assert noisy.grad is not None
    assert noisy.grad[0, :2].any()
    assert not noisy.grad[0, 2:].any()
    assert not noisy.grad[1].any()


@pytest.mark.parametrize("kind", ["bilstm", "lstm", "gru", "rnn", "transformer"])
def test_the_width_of_a_reader_is_known_before_it_is_made(kind: str) -> None:
    assert reader_width(kind, 6) == make_reader(kind, 5, 6, 2, 2).out_dim

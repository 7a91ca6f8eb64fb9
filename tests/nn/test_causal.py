"""Weight drop and attention, by hand."""

import math

import pytest
import torch
from torch import nn

from embedpipe.nn.causal import RecurrentStack, _in_one_buffer
from embedpipe.nn.causal_attention import CausalTransformer, distances
from embedpipe.nn.precision import without_rounding

KINDS = ["lstm", "gru", "rnn"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("carried", [False, True])
def test_dropped_weights_read_as_a_net_that_has_them(kind, carried) -> None:
    """The same seed gives the mask; outputs, states and the gradient are those of a net with the masked weights."""
    torch.manual_seed(0)
    stack = RecurrentStack(kind, [4, 6], weight_p=0.4).train()
    own, x = stack.layers[0], torch.randn(3, 5, 4)
    layers = stack(x, ())[1] if carried else ()
    layers = tuple(tuple(part.detach() for part in layer) for layer in layers)
    torch.manual_seed(1)
    outputs, after = stack(x, layers)
    outputs.square().sum().backward()

    torch.manual_seed(1)
    mask = (torch.rand_like(own.weight_hh_l0) >= 0.4) / 0.6
    assert 0.2 < float((mask == 0).float().mean()) < 0.6
    other = type(own)(4, 6, batch_first=True)
    other.load_state_dict({**own.state_dict(), "weight_hh_l0": own.weight_hh_l0.detach() * mask})
    before = None if not layers else layers[0] if kind == "lstm" else layers[0][0]
    expected, state = other(x, before)
    expected.square().sum().backward()
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(after[0], state if isinstance(state, tuple) else (state,))
    torch.testing.assert_close(own.weight_hh_l0.grad, other.weight_hh_l0.grad * mask)
    torch.testing.assert_close(own.weight_ih_l0.grad, other.weight_ih_l0.grad)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_dropped_anew_in_training_and_never_in_evaluation(kind) -> None:
    torch.manual_seed(0)
    stack, plain = RecurrentStack(kind, [4, 6, 5], weight_p=0.5), RecurrentStack(kind, [4, 6, 5])
    plain.load_state_dict(stack.state_dict())
    x = torch.randn(2, 7, 4)
    assert not torch.equal(stack.train()(x, ())[0], stack(x, ())[0])
    stack.requires_grad_(False).eval()
    assert torch.equal(stack(x, ())[0], plain.requires_grad_(False).eval()(x, ())[0])


def test_one_buffer_holds_the_weights_and_passes_gradients() -> None:
    net = nn.LSTM(3, 4)
    weights = list(net.parameters())
    parts = _in_one_buffer(weights)
    assert len({part.untyped_storage().data_ptr() for part in parts}) == 1
    for part, weight in zip(parts, weights, strict=True):
        assert torch.equal(part, weight)
    sum((i + 1) * part.sum() for i, part in enumerate(parts)).backward()
    assert [weight.grad.unique().tolist() for weight in weights] == [[1.0], [2.0], [3.0], [4.0]]


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_dropped_weights_read_alike_on_a_gpu_and_without_a_warning(kind) -> None:
    torch.manual_seed(0)
    stack = RecurrentStack(kind, [4, 6], weight_p=1e-9).train()
    x = torch.randn(3, 5, 4)
    expected = stack(x, ())[0]
    with without_rounding(torch.device("cuda")):
        found = stack.cuda()(x.cuda(), ())[0].cpu()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_attention_is_the_formula() -> None:
    """One layer, one head, identities for its maps: a softmax of products and of what distance takes away."""
    reader = CausalTransformer(4, hidden=3, layers=1, heads=1, context=2).eval()
    block = reader.layers[0]
    eye = torch.eye(4)
    with torch.no_grad():
        block.asked.weight.copy_(torch.cat([eye, eye, eye]))
        block.answer.weight.copy_(eye)
        block.outer.weight.zero_()
        reader.exit.weight.copy_(eye)
    x = torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(0))
    z = nn.functional.layer_norm(x, (4,))[0]
    rows = []
    for t in range(4):
        reach = range(max(0, t - 2), t + 1)
        weights = torch.stack([z[t] @ z[j] / math.sqrt(4) - (t - j) * 2**-8 for j in reach]).softmax(0)
        rows.append(x[0, t] + sum(w * z[j] for w, j in zip(weights, reach, strict=True)))
    expected = nn.functional.layer_norm(torch.stack(rows), (4,))
    torch.testing.assert_close(reader(x, ())[0][0], expected, atol=1e-5, rtol=1e-5)


def test_heads_forget_at_the_rates_of_the_paper() -> None:
    """Press et al. (2022): with eight heads 1/2, 1/4, ..., 1/256."""
    per_token = -distances(2, 0, 8, 9)[:, 0, 1, 0]
    assert per_token.tolist() == [2.0**-n for n in range(1, 9)]


def test_a_text_longer_than_a_piece_is_read_as_in_steps() -> None:
    torch.manual_seed(0)
    reader = CausalTransformer(4, hidden=4, layers=2, heads=2, context=5).eval().requires_grad_(False)
    x = torch.randn(1, 1_100, 4)
    whole, layers = reader(x, ())
    state, found = (), []
    for part in x.split([300, 300, 500], dim=1):
        outputs, state = reader(part, state)
        found.append(outputs)
    torch.testing.assert_close(torch.cat(found, dim=1), whole, atol=1e-5, rtol=0)
    assert layers[0][0].shape == (2, 1, 5, 2)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="3 heads do not divide the width 4"):
        CausalTransformer(4, hidden=4, layers=1, heads=3, context=5)

"""The sampled softmax against the full one."""

import numpy as np
import pytest
import torch

from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.nn.softmax import FullSoftmax, SampledSoftmax, exact_losses

CPU = torch.device("cpu")
SIZE = 400


@pytest.fixture
def model() -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(Shape(SIZE, dim=8, hidden=8, layers=1), sparse=True)


@pytest.fixture
def counts() -> np.ndarray:
    return 1e5 / np.arange(1, SIZE + 1)


def positions() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(3, 150, 8, generator=generator)
    return hidden, torch.randint(0, SIZE, (3, 150), generator=generator)


@pytest.mark.parametrize("columns", [1, 7, SIZE, 10 * SIZE])
def test_losses_over_parts_of_the_vocabulary_are_those_over_all(model, monkeypatch, columns) -> None:
    monkeypatch.setattr("embedpipe.nn.softmax._COLUMNS_IN_CACHE", columns)
    hidden, targets = (one.flatten(0, 1) for one in positions())
    targets[:2] = torch.tensor([0, SIZE - 1])
    with torch.no_grad():
        logits = 30 * hidden @ model.table.T + model.bias
        expected = torch.nn.functional.cross_entropy(logits.double(), targets, reduction="none")
        found = exact_losses(model.table, model.bias, 30 * hidden, targets)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=2e-5)


def test_losses_of_words_that_are_hardly_possible(model) -> None:
    """The sum of what is so many times as probable is beyond float32, and its logarithm is not."""
    hidden, targets = (one.flatten(0, 1)[:50] for one in positions())
    with torch.no_grad():
        scores = (1_000 * hidden).double() @ model.table.double().T + model.bias.double()
        expected = torch.nn.functional.cross_entropy(scores, targets, reduction="none")
        found = exact_losses(model.table, model.bias, 1_000 * hidden, targets)
    assert (expected > 100).any()
    assert (expected < 80).any()
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-3)
    impossible = model.bias.detach().clone()
    impossible[targets[0]] = -torch.inf
    assert exact_losses(model.table, impossible, hidden, targets)[0] == torch.inf
    assert exact_losses(model.table, model.bias, hidden * torch.nan, targets).isnan().all()


def test_losses_in_bf16_are_off_by_what_its_digits_leave_out(model) -> None:
    """Products have 8 digits of two in bfloat16; those of the targets have 24."""
    hidden, targets = (one.flatten(0, 1) for one in positions())
    exact = exact_losses(model.table, model.bias, 3 * hidden, targets)
    found = exact_losses(model.table, model.bias, 3 * hidden, targets, half=model.table.detach().bfloat16())
    off = (found - exact).abs()
    assert 1e-4 < off.mean() < 0.02
    assert off.max() < 0.1
    assert (found - exact).mean().abs() < 0.1 * off.mean()


def test_no_loss_is_below_nothing(model) -> None:
    """A target that has all of the probability, whose score in bfloat16 is below that in float32."""
    alone = torch.full((SIZE,), -1e4)
    alone[7] = 0.0
    hidden, half = 20 * positions()[0].flatten(0, 1), model.table.detach().bfloat16()
    below = (hidden.bfloat16() @ half[7]).float() < hidden @ model.table[7]
    found = exact_losses(model.table, alone, hidden, torch.full((len(hidden),), 7), half=half)
    assert below.any()
    assert (found[below] == 0).all()
    assert (found < 0.5).all()


def test_losses_shared_out_over_threads_are_those_of_one(model) -> None:
    hidden, targets = (one.flatten(0, 1) for one in positions())
    alone = exact_losses(model.table, model.bias, hidden, targets)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with torch.inference_mode():
            together = exact_losses(model.table, model.bias, hidden, targets)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(together, alone)


def test_full_softmax_is_the_mean_negative_log_probability(model) -> None:
    hidden, targets = positions()
    logits = hidden @ model.table.T + model.bias
    by_hand = (logits.logsumexp(2) - logits.gather(2, targets[:, :, None])[:, :, 0]).mean()
    torch.testing.assert_close(FullSoftmax()(model.table, model.bias, hidden, targets), by_hand)


def test_with_every_token_as_candidate_loss_and_gradients_are_those_of_the_full_softmax(model, counts) -> None:
    hidden, targets = positions()
    gradients = []
    for loss in (FullSoftmax(), SampledSoftmax(counts, SIZE, CPU)):
        model.zero_grad()
        leaf = hidden.clone().requires_grad_()
        value = loss(model.table, model.bias, leaf, targets)
        value.backward()
        table = model.table.grad.to_dense() if model.table.grad.is_sparse else model.table.grad
        gradients.append((value.detach(), leaf.grad, table, model.bias.grad))
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-6, rtol=1e-4)


def test_gradients_are_those_that_autograd_finds(counts) -> None:
    """The hand-made gradient against finite differences, draws held fixed."""
    torch.manual_seed(0)
    model = LanguageModel(Shape(60, dim=4, hidden=4, layers=1), sparse=True)
    loss = SampledSoftmax(counts[:60], 20, CPU)
    hidden = torch.randn(1, 5, 4)
    targets = torch.randint(0, 60, (1, 5))

    def value(at: torch.Tensor) -> float:
        torch.manual_seed(7)
        return loss(model.table, model.bias, at, targets).item()

    leaf = hidden.clone().requires_grad_()
    torch.manual_seed(7)
    loss(model.table, model.bias, leaf, targets).backward()
    step = 1e-2
    for position, feature in [(0, 0), (2, 3), (4, 1)]:
        shift = torch.zeros_like(hidden)
        shift[0, position, feature] = step
        slope = (value(hidden + shift) - value(hidden - shift)) / (2 * step)
        assert float(leaf.grad[0, position, feature]) == pytest.approx(slope, abs=3e-4)


def test_the_estimate_comes_close_to_the_full_loss(model, counts) -> None:
    hidden, targets = positions()
    full = FullSoftmax()(model.table, model.bias, hidden, targets).item()
    loss = SampledSoftmax(counts, 100, CPU)
    torch.manual_seed(3)
    estimates = np.array([loss(model.table, model.bias, hidden, targets).item() for _ in range(200)])
    assert estimates.mean() == pytest.approx(full, abs=0.05)
    assert estimates.std() > 0


def test_the_normaliser_is_unbiased(counts) -> None:
    """The mean over many draws of exp(-log expected) over the tail is the number of tokens in the tail."""
    loss = SampledSoftmax(counts, 100, CPU)
    torch.manual_seed(4)
    weights = np.zeros(SIZE)
    rounds = 3_000
    for _ in range(rounds):
        ids, log_expected = loss.candidates()
        np.add.at(weights, ids.numpy(), np.exp(-log_expected.numpy()) / rounds)
    np.testing.assert_allclose(weights[: loss.n_head], 1.0, atol=1e-4)
    np.testing.assert_allclose(weights[loss.n_head :], 1.0, atol=0.35)
    assert weights[loss.n_head :].mean() == pytest.approx(1.0, abs=0.01)


def test_a_draw_that_is_the_target_is_left_out(counts) -> None:
    """With one token in the tail, that token is every draw, and its own loss sees the head only."""
    torch.manual_seed(0)
    model = LanguageModel(Shape(11, dim=4, hidden=4, layers=1), sparse=True)
    loss = SampledSoftmax(counts[:11], 10, CPU)
    loss.n_head, loss.n_draws, loss.head = 10, 3, torch.arange(10)
    loss.cumulative = torch.ones(1, dtype=torch.float64)
    loss.log_expected = torch.log(torch.tensor([3.0]))
    hidden = torch.randn(1, 2, 4)
    for target in (10, 2):
        targets = torch.tensor([[target, target]])
        full = FullSoftmax()(model.table, model.bias, hidden, targets)
        torch.testing.assert_close(loss(model.table, model.bias, hidden, targets), full)


def test_gradients_reach_few_rows(model, counts) -> None:
    hidden, _ = positions()
    targets = torch.full((3, 150), 399)
    SampledSoftmax(counts, 40, CPU)(model.table, model.bias, hidden.requires_grad_(), targets).backward()
    assert model.table.grad.is_sparse
    touched = model.table.grad.coalesce().indices()[0]
    assert 21 <= len(touched) <= 41
    assert 399 in touched

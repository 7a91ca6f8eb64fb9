"""The loss of a window: read in parts, with penalties, with noise, and weighed by its length."""

import numpy as np
import pytest
import torch

from embedpipe.generation.language_model import Dropouts, LanguageModel, Shape
from embedpipe.generation.noise import UnigramNoise
from embedpipe.generation.stream import Window
from embedpipe.generation.truncated import Penalties, Truncated
from embedpipe.nn.memory import Parts
from embedpipe.nn.softmax import FullSoftmax, SampledSoftmax

CPU = torch.device("cpu")


@pytest.mark.parametrize("sampled", [False, True])
def test_parts_give_what_the_whole_window_gives(sampled: bool) -> None:
    # With as many samples as tokens nothing is drawn, so both softmaxes are exact.
    softmax = SampledSoftmax(np.ones(30), 30, CPU, sparse=False) if sampled else FullSoftmax()
    torch.manual_seed(0)
    model = LanguageModel(Shape(30, dim=6, hidden=8, layers=2))
    windows = [Window(ids[:, :-1], ids[:, 1:], fresh=i == 0) for i, ids in enumerate(torch.randint(4, 30, (2, 5, 8)))]
    found = []
    for at_once in (0, 2):
        objective = Truncated(softmax, CPU, Penalties(0.3, 0.2, 0.01))
        objective.parts = Parts(5, at_once, stage="x")
        model.zero_grad()
        losses = [objective(model, window) for window in windows]
        sum(losses).backward()
        found.append((losses, [p.grad.clone() for p in model.parameters()], objective.state.layers, objective.n_tokens))
    assert found[0][3] == found[1][3] == 70
    torch.testing.assert_close(found[0][:3], found[1][:3])


def one_window(weight: float = 1.0) -> Window:
    ids = torch.randint(4, 30, (3, 9), generator=torch.Generator().manual_seed(1))
    return Window(ids[:, :-1], ids[:, 1:], fresh=True, weight=weight)


def test_penalties_are_those_of_the_paper() -> None:
    """Merity et al. (2017): alpha L2(m . h_t) of what dropout leaves, beta L2(h_t - h_t+1) of what it is given."""
    torch.manual_seed(0)
    model = LanguageModel(Shape(30, dim=6, hidden=8, layers=2), Dropouts(output_p=0.5)).train()
    window, values = one_window(), []
    for penalties in (Penalties(), Penalties(ar=2.0), Penalties(tar=3.0), Penalties(l1=0.5)):
        torch.manual_seed(2)
        values.append(Truncated(FullSoftmax(), CPU, penalties)(model, window).item())
    torch.manual_seed(2)
    reading = model.read(window.inputs)
    assert reading.hidden.eq(0).float().mean() > 0.2
    ar = 2.0 * (reading.hidden**2).mean().item()
    tar = 3.0 * ((reading.raw[:, 1:] - reading.raw[:, :-1]) ** 2).mean().item()
    l1 = 0.5 * sum(p.abs().sum().item() for name, p in model.named_parameters() if "weight" in name)
    np.testing.assert_allclose(np.array(values[1:]) - values[0], [ar, tar, l1], rtol=1e-4)


def test_a_window_of_one_token_has_no_differences() -> None:
    model = LanguageModel(Shape(30, dim=6, hidden=8, layers=1))
    window = Window(torch.tensor([[5]]), torch.tensor([[6]]), fresh=True)
    found = [Truncated(FullSoftmax(), CPU, Penalties(tar=tar))(model, window).item() for tar in (0.0, 9.0)]
    assert found[0] == found[1]


def test_a_weight_scales_the_gradient_and_not_the_loss() -> None:
    torch.manual_seed(0)
    model, found = LanguageModel(Shape(30, dim=6, hidden=8, layers=1)), []
    for weight in (1.0, 0.25):
        model.zero_grad()
        loss = Truncated(FullSoftmax(), CPU)(model, one_window(weight))
        loss.backward()
        found.append((loss.detach(), model.table.grad.clone()))
    torch.testing.assert_close(found[1], (found[0][0], found[0][1] / 4))


def test_noise_draws_from_the_unigrams_and_leaves_specials_and_targets() -> None:
    counts = np.array([100.0, 100, 0, 100, 0, 10, 30, 60])
    noise = UnigramNoise(counts, 0.3, CPU)
    torch.manual_seed(0)
    ids = torch.randint(0, 8, (200, 300))
    replaced = noise(ids)
    assert torch.equal(replaced[ids < 4], ids[ids < 4])
    from_four = replaced[ids == 4]  # never drawn itself, so what is left of it was not replaced
    shares = torch.bincount(from_four, minlength=8) / len(from_four)
    np.testing.assert_allclose(shares, [0, 0, 0, 0, 0.7, 0.03, 0.09, 0.18], atol=0.012)

    seen = []

    class Watching(FullSoftmax):
        def __call__(self, table, bias, hidden, targets):
            seen.append(targets)
            return super().__call__(table, bias, hidden, targets)

    window = one_window()
    model = LanguageModel(Shape(30, dim=6, hidden=8, layers=1))
    objective = Truncated(Watching(), CPU, noise=UnigramNoise(np.ones(30), 0.9, CPU))
    assert objective(model, window).item() != Truncated(FullSoftmax(), CPU)(model, window).item()
    assert torch.equal(seen[0], window.targets)


def test_no_words_no_noise() -> None:
    ids = torch.tensor([1, 4, 2])
    assert torch.equal(UnigramNoise(np.array([3.0, 1, 1, 1, 0]), 0.9, CPU)(ids), ids)
    assert torch.equal(UnigramNoise(np.ones(4), 0.9, CPU)(ids), ids)

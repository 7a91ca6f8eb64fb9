"""A window read in parts gives the loss, the gradients and the state of one read whole."""

import numpy as np
import pytest
import torch

from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.generation.stream import Window
from embedpipe.generation.truncated import Truncated
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
        objective = Truncated(softmax, CPU)
        objective.parts = Parts(5, at_once, stage="x")
        model.zero_grad()
        losses = [objective(model, window) for window in windows]
        sum(losses).backward()
        found.append((losses, [p.grad.clone() for p in model.parameters()], objective.state.layers, objective.n_tokens))
    assert found[0][3] == found[1][3] == 70
    torch.testing.assert_close(found[0][:3], found[1][:3])

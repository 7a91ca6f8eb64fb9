"""Which state of a training is kept: by the errors of held-out probes or by losses."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from embedpipe.errors import DeviceError
from embedpipe.nn.memory import Parts
from embedpipe.runtime import Warned
from embedpipe.sentences.choosing import Choosing, Watched
from embedpipe.sentences.objectives.objective import mean_figure


@dataclass
class Fixed:
    """An objective whose figures are given, one pair for each batch; a batch is its number."""

    name: str
    figures: list[tuple[float, float]]
    agreement: str = "accuracy"
    agree = staticmethod(mean_figure)

    def measure(self, _: object, batch: int) -> tuple[Tensor, Tensor]:
        return tuple(map(torch.tensor, self.figures[batch]))


def choosing(how: str, *weighted: tuple[Fixed, float]) -> Choosing:
    made = Choosing(how)
    made.watched = [(Watched(one, range(len(one.figures))), weight) for one, weight in weighted]
    return made


START = np.array([[10.0, 0.2], [0.5, 0.9], [4.0, math.nan]])
NOW = (
    (Fixed("neighbours", [(8.0, 0.3), (10.0, 0.5)]), 1.0),
    (Fixed("scores:x", [(0.3, 0.92)], "correlation"), 3.0),
    (Fixed("denoising", [(2.0, math.nan)], ""), 1.0),
)


def test_by_probes_it_is_the_errors_as_shares_of_the_start_that_count() -> None:
    chosen = choosing("probe", *NOW)
    # Errors .6 of .8 and .08 of .1; of what has no figure the loss, 2 of 4: (.75 + 3 * .8 + .5) / 5.
    assert chosen.value(chosen.measure(None), START) == pytest.approx(0.73, abs=1e-5)
    assert chosen.seen == pytest.approx({"neighbours accuracy": 0.4, "scores:x correlation": 0.92})
    assert chosen.by == ["neighbours accuracy", "scores:x correlation", "denoising loss"]
    assert chosen.metric == "held-out error as a share of its start"


def test_what_the_start_has_no_figure_of_is_chosen_by_its_loss_under_that_name() -> None:
    """As with scores that are all the same: they have no correlation with anything."""
    constant, other = Fixed("scores:x", [(0.4, math.nan)], "correlation"), Fixed("pairs:y", [(2.0, 0.5)])
    chosen = choosing("probe", (constant, 1.0), (other, 1.0))
    start = chosen.begin(None)
    assert chosen.by == ["scores:x loss", "pairs:y accuracy"]
    assert chosen.seen == pytest.approx({"scores:x loss": 0.4, "pairs:y accuracy": 0.5})
    assert chosen.metric == "held-out error as a share of its start"
    constant.figures = [(0.1, 0.9)]
    # A quarter of the loss, and the same error: what becomes of the correlation does not count.
    assert chosen.value(chosen.measure(None), start) == pytest.approx(0.625, abs=1e-5)
    assert chosen.seen == pytest.approx({"scores:x loss": 0.1, "pairs:y accuracy": 0.5})
    alone = choosing("probe", (Fixed("scores:x", [(0.4, math.nan)], "correlation"), 1.0))
    alone.begin(None)
    assert alone.metric == "held-out loss as a share of its start"


def test_by_losses_it_is_the_losses_as_shares_of_the_start() -> None:
    chosen = choosing("loss", *NOW)
    # 9 of 10, .3 of .5, 2 of 4: (.9 + 3 * .6 + .5) / 5, where the sizes themselves would give (9 + .9 + 2) / 5.
    assert chosen.value(chosen.measure(None), START) == pytest.approx(0.64)
    assert chosen.by == ["neighbours loss", "scores:x loss", "denoising loss"]


def test_of_two_states_of_one_error_the_lower_loss_is_the_better() -> None:
    start = np.array([[2.0, 0.5]])
    values = []
    for loss, accuracy in ((2.0, 0.5), (1.9, 0.5), (1.0, 0.499)):
        chosen = choosing("probe", (Fixed("pairs:x", [(loss, accuracy)]), 1.0))
        values.append(chosen.value(chosen.measure(None), start))
    assert values[1] < values[0] == 1 < values[2]


def test_a_start_without_error_is_not_divided_by() -> None:
    chosen = choosing("probe", (Fixed("pairs:x", [(0.0, 0.99)]), 1.0))
    assert chosen.value(chosen.measure(None), np.array([[0.0, 1.0]])) == pytest.approx(1.0, abs=1e-5), "of a hundredth"
    zero = choosing("loss", (Fixed("pairs:x", [(0.0, 0.99)]), 1.0))
    assert zero.value(zero.measure(None), np.array([[0.0, 1.0]])) == 0


def test_a_figure_that_is_lost_on_the_way_is_never_the_best() -> None:
    """Vectors that are all the same have no correlation with anything."""
    chosen = choosing("probe", (Fixed("scores:x", [(0.0, math.nan)], "correlation"), 1.0))
    assert math.isnan(chosen.value(chosen.measure(None), np.array([[1.0, 0.5]])))
    assert chosen.seen == {}


@dataclass
class Greedy:
    """An objective that needs more memory than there is while more than `most` rows are read at once."""

    parts: Parts
    most: int
    name: str = "pairs:x"
    agreement: str = "accuracy"
    agree = staticmethod(mean_figure)

    def measure(self, _: object, batch: int) -> tuple[Tensor, Tensor]:
        if not 0 < self.parts.at_once <= self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return torch.tensor(1.0), torch.tensor(float(batch))


def test_what_is_held_out_is_read_in_smaller_parts_where_memory_runs_out() -> None:
    events: list[object] = []
    parts = Parts(64, stage="sentences", listener=events.append)
    assert Watched(Greedy(parts, 20), [0, 1], parts=parts).measure(None) == (1.0, 0.5)
    assert (parts.n, [type(event) for event in events]) == (4, [Warned])
    with pytest.raises(DeviceError, match=r"out of memory .* with a smaller batch, micro_batch"):
        Watched(Greedy(parts, 0), [0, 1], parts=parts).measure(None)

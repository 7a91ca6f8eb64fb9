"""The learning rate of a loss that is known, and the batch of a machine that is made up."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from embedpipe.errors import DeviceError, NotEnoughDataError
from embedpipe.nn import search
from embedpipe.nn.search import available_memory, find_batch, peak_memory, range_test

CPU = torch.device("cpu")


class Point(nn.Module):
    def __init__(self, curvature: float = 1.0) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor([3.0, -2.0]))
        self.slow = nn.Parameter(torch.zeros(1))
        self.curvature = curvature


def parabola(model: nn.Module, _: object) -> Tensor:
    return model.curvature * model.x.square().sum() / 2 + 1.0 + 0.0 * model.slow.sum()


def descent(model: Point) -> list[torch.optim.Optimizer]:
    groups = [{"params": [model.x], "lr": 0.4}, {"params": [model.slow], "lr": 0.1}]
    return [torch.optim.SGD(groups)]


@pytest.mark.parametrize("curvature", [1.0, 100.0])
def test_the_range_test_finds_the_rate_at_which_a_parabola_falls(curvature: float) -> None:
    # Gradient descent on a parabola converges below 2 / curvature and diverges above.
    found = range_test(
        lambda: Point(curvature), [None] * 200, parabola, optimizers=descent, lowest=1e-5, highest=1e3, steps=200
    )
    assert found.diverged
    assert len(found.rates) == len(found.losses) < 200
    assert np.diff(np.log(found.rates)) == pytest.approx(math.log(1e8) / 199)
    assert found.losses[0] == pytest.approx(6.5 * curvature + 1.0, rel=1e-3)
    assert found.lowest < found.suggested < found.highest
    assert 0.01 / curvature < found.suggested < 2 / curvature
    assert 0.2 / curvature < found.highest < 20 / curvature, "seen some steps late"


def test_a_scaled_loss_takes_the_same_steps() -> None:
    def tried(scaler: torch.amp.GradScaler | None) -> list[float]:
        how = {"optimizers": descent, "lowest": 1e-3, "highest": 1.0, "steps": 40, "clip": 0.5}
        return range_test(Point, [None] * 40, parabola, scaler=scaler, **how).losses.tolist()

    plain = tried(None)
    assert plain[-1] < plain[0] - 1
    assert tried(torch.amp.GradScaler("cpu", init_scale=2.0**12)) == pytest.approx(plain, rel=1e-6)


def test_rates_keep_their_ratio() -> None:
    seen: list[list[float]] = []

    class Spy(torch.optim.SGD):
        def step(self, closure=None):  # type: ignore[override]
            seen.append([group["lr"] for group in self.param_groups])

    def spy(model: Point) -> list[torch.optim.Optimizer]:
        return [Spy([{"params": [model.x], "lr": 0.4}, {"params": [model.slow], "lr": 0.1}])]

    found = range_test(Point, [None] * 20, parabola, optimizers=spy, lowest=0.1, highest=1.0, steps=20)
    assert not found.diverged
    assert [dense / sparse for dense, sparse in seen] == pytest.approx([4.0] * 20)
    assert (seen[0][0], seen[-1][0]) == pytest.approx((0.1, 1.0))


def test_too_few_rates_are_an_error() -> None:
    with pytest.raises(NotEnoughDataError, match=r"tried 4 learning rates .* the batches ended; at least 10"):
        range_test(Point, [None] * 4, parabola, optimizers=descent)
    with pytest.raises(NotEnoughDataError, match="the loss diverged; begin lower"):
        range_test(Point, [None] * 50, parabola, optimizers=descent, lowest=5.0, highest=50.0)


class Machine:
    """A clock on which a batch takes a second and 0.01 for each row, memory for `rows`, and data for `most` at once."""

    def __init__(self, rows: int = 10**9, most: int = 10**9) -> None:
        self.now, self.rows, self.most, self.peak = 0.0, rows, most, 1e6

    def loss(self, model: nn.Module, batch: int) -> Tensor:
        if batch > self.rows:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.now += 1.0 + batch / 100
        self.peak = max(self.peak, 1e6 + batch * 1e3)
        return parabola(model, batch)

    def find(self, monkeypatch: pytest.MonkeyPatch, **options: float) -> search.BatchTest:
        monkeypatch.setattr(search, "peak_memory", lambda device: self.peak)
        return find_batch(
            Point,
            lambda size: [min(size, self.most)] * 4,
            self.loss,
            n_rows=int,
            optimizers=descent,
            device=CPU,
            clock=lambda: self.now,
            **{"limit": math.inf, **options},
        )


def test_the_batch_doubles_while_it_gains_a_tenth(monkeypatch) -> None:
    found = Machine().find(monkeypatch)
    # 32 rows take 1.32 s, 64 rows 1.64 s, ...: 24.2, 39.0, 56.1, 71.9, 83.7, 91.1 rows a second.
    assert [one.batch for one in found.tried] == [32, 64, 128, 256, 512, 1_024]
    assert [one.per_second for one in found.tried] == pytest.approx(
        [24.24, 39.02, 56.14, 71.91, 83.66, 91.10], abs=0.01
    )
    assert found.suggested == 512
    assert found.reason == "a batch of 1,024 is hardly faster than half of it (+9%)"


def test_the_batch_stops_where_memory_does(monkeypatch) -> None:
    found = Machine(rows=200).find(monkeypatch)
    assert (found.suggested, found.tried[-1].outcome) == (128, "out of memory")
    found = Machine().find(monkeypatch, limit=1e6 + 300e3)
    assert (found.suggested, found.tried[-1].batch) == (256, 512), "what would not fit is not tried on a CPU"
    assert found.tried[-1].outcome.startswith("not tried")
    assert Machine().find(monkeypatch, largest=64).suggested == 64
    with pytest.raises(DeviceError, match="out of memory with a batch of 32 already"):
        Machine(rows=8).find(monkeypatch)


def test_rows_that_the_data_do_not_have_are_not_counted(monkeypatch) -> None:
    found = Machine(most=100).find(monkeypatch)
    assert [one.batch for one in found.tried] == [32, 64, 128]
    assert found.tried[-1].per_second == pytest.approx(100 / 2), "100 rows in two seconds, not 128"
    assert (found.suggested, found.reason) == (128, "the data give no larger batch for 256 rows")


def test_memory_that_is_left(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  100 kB\nMemAvailable:  40 kB\n")
    assert available_memory(meminfo, tmp_path) == 40 * 1_024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert available_memory(meminfo, tmp_path) == 40 * 1_024
    (tmp_path / "memory.max").write_text("21000\n")
    assert available_memory(meminfo, tmp_path) == 20_000
    assert available_memory(tmp_path / "none", tmp_path / "none") == math.inf
    assert 1e7 < peak_memory(CPU) < 1e12

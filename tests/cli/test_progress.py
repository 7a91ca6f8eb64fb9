"""Progress: what a stage does before its first step counts neither for its rate nor for the time left."""

import pytest

from embedpipe.cli import progress
from embedpipe.runtime import StageStarted, Step


def test_the_clock_starts_at_the_first_step(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    seconds = iter([0, 60, 60, 60, 65, 65, 75, 75, 75])
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(seconds)))
    lines = progress._Lines()
    lines(StageStarted("sentences", total=100, unit="step"))
    for done in (1, 11, 31):
        lines(Step("sentences", done, "loss 2.5"))
    assert capsys.readouterr().err.splitlines() == [
        "sentences ...",
        "sentences 1/100 step, loss 2.5",
        "sentences 31/100 step, 2.0/s, 34s left, loss 2.5",
    ]

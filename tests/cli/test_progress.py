"""What a user sees of a run: plain lines where stderr is no terminal, bars where it is one."""

import io
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from embedpipe.cli import progress as module
from embedpipe.cli.progress import duration, progress, result_line
from embedpipe.runtime import Evaluated, Saved, StageFinished, StageSkipped, StageStarted, Step, Stopped, UpToDate

ENDS = {
    StageFinished("words", "3 vectors", 185.0): "words          3:05  3 vectors",
    StageSkipped("text", "9 tokens"): "text           kept  9 tokens",
    Stopped("generation", "interrupted"): "generation   stopped: interrupted",
    Saved("bundle", "my.bundle"): "bundle               saved my.bundle",
    UpToDate("bundle", "my.bundle"): "bundle               up to date: my.bundle",
}


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """A clock that the test sets by hand."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_lines(clock, capsys) -> None:
    with progress() as listen:
        listen(StageStarted("words", 1_200, "sentence"))
        # What comes before the first step counts neither for the rate nor for the time left.
        for seconds, done in ((60.0, 100), (65.0, 150), (70.0, 200), (75.0, 600)):
            clock.now = 100 + seconds
            listen(Step("words", done, "loss 2.50"))
        listen(Evaluated("words", "loss", 2.5, 400))
        for event in ENDS:
            listen(event)
    assert capsys.readouterr().err.splitlines() == [
        "words ...",
        "words 100/1,200 sentence, loss 2.50",
        "words 200/1,200 sentence, 10.0/s, 1:40 left, loss 2.50",
        *ENDS.values(),
    ]


def test_lines_of_a_stage_of_unknown_length(clock, capsys) -> None:
    with progress() as listen:
        listen(Step("text", 5))
        listen(StageStarted("text", None, "MB"))
        clock.now += 10
        listen(Step("text", 0))
        clock.now += 10
        listen(Step("text", 30))
    assert capsys.readouterr().err.splitlines() == ["text ...", "text 0 MB", "text 30 MB, 3.0/s"]


def test_bars(clock) -> None:
    columns = [TextColumn("{task.description}"), MofNCompleteColumn()]
    columns += [TextColumn(f"{{task.fields[{field}]}}") for field in ("unit", "rate", "note")]
    stream = io.StringIO()
    bars = Progress(*columns, console=Console(file=stream, width=100), auto_refresh=False)
    listen = module._Bars(bars)
    listen(Step("words", 5))
    assert bars.tasks == []
    listen(StageStarted("words", 1_200, "sentence"))
    listen(Step("words", 0))
    clock.now += 10
    listen(Step("words", 400, "loss 2.50"))
    (task,) = bars.tasks
    assert (task.description, task.completed, task.total) == ("words", 400, 1_200)
    assert task.fields == {"unit": "sentence", "rate": "40.0/s", "note": "loss 2.50"}
    listen(Evaluated("words", "loss", 2.25, 400))
    assert bars.tasks[0].fields["note"] == "loss 2.25"
    for event in ENDS:
        listen(event)
    assert bars.tasks == []
    assert stream.getvalue().splitlines() == list(ENDS.values())


def test_a_terminal_gets_bars(monkeypatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress() as listen:
        listen(StageStarted("words", 10))
        listen(Step("words", 4))
        listen(StageFinished("words", "3 vectors", 2.0))
    assert "words            2s  3 vectors" in terminal.getvalue()


def test_result_lines_and_durations() -> None:
    assert {event: result_line(event) for event in ENDS} == ENDS
    assert [duration(seconds) for seconds in (0.2, 59.4, 60, 3_725)] == ["0s", "59s", "1:00", "62:05"]

"""Progress on stderr: bars where it is a terminal, plain lines where it is not."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from embedpipe.runtime import (
    Evaluated,
    Event,
    Listener,
    Saved,
    StageFinished,
    StageSkipped,
    StageStarted,
    Step,
    Stopped,
    UpToDate,
    Warned,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["duration", "progress", "result_line"]

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress() -> Iterator[Listener]:
    """Yield a listener that shows each stage's progress, rate, time left and result on stderr."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)


def duration(seconds: float) -> str:
    """Return seconds as ``12s`` or ``3:05``.

    >>> duration(12.3), duration(185)
    ('12s', '3:05')
    """
    return f"{seconds:.0f}s" if seconds < 60 else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def result_line(event: StageFinished | StageSkipped | Stopped | Saved | UpToDate | Warned) -> str:
    """Return the one line that a stage leaves behind."""
    match event:
        case StageFinished(stage, summary, seconds):
            return f"{stage:<12} {duration(seconds):>6}  {summary}"
        case StageSkipped(stage, summary):
            return f"{stage:<12} {'kept':>6}  {summary}"
        case Stopped(stage, reason):
            return f"{stage:<12} stopped: {reason}"
        case Saved(stage, path):
            return f"{stage:<12} {'':>6}  saved {path}"
        case UpToDate(stage, path):
            return f"{stage:<12} {'':>6}  up to date: {path}"
        case Warned(stage, message):
            return f"{stage:<12} warning: {message}"


class _Clock:
    """Units done by the current stage, their rate and the time left, measured from its first step.

    What comes before that step (imports, a first evaluation) does not come again.
    """

    def __init__(self, event: StageStarted) -> None:
        self.total, self.unit = event.total, event.unit
        self._first: tuple[int, float] | None = None

    def step(self, done: int) -> None:
        now = time.monotonic()
        self._first = self._first or (done, now)
        self.done, self.seconds = done - self._first[0], now - self._first[1]
        self.to_do = max(0, self.total - done) if self.total else 0

    def rate(self) -> str:
        return f"{self.done / self.seconds:,.1f}/s" if self.done and self.seconds > 0 else ""

    def left(self) -> str:
        return f"{duration(self.seconds * self.to_do / self.done)} left" if self.done and self.total else ""


class _Lines:
    """One line when a stage starts, at most one every ten seconds, one when it ends."""

    def __init__(self) -> None:
        self._clock: _Clock | None = None
        self._last = 0.0

    def __call__(self, event: Event) -> None:
        match event:
            case StageStarted(stage):
                self._clock, self._last = _Clock(event), time.monotonic()
                self._write(f"{stage} ...")
            case Step(stage, done, note) if self._clock:
                self._clock.step(done)
                if time.monotonic() - self._last < _SECONDS_BETWEEN_LINES:
                    return
                self._last = time.monotonic()
                of = f"{done:,}/{self._clock.total:,}" if self._clock.total else f"{done:,}"
                facts = [f"{of} {self._clock.unit}", self._clock.rate(), self._clock.left(), note]
                self._write(f"{stage} {', '.join(fact for fact in facts if fact)}")
            case StageFinished() | StageSkipped() | Stopped() | Saved() | UpToDate() | Warned():
                self._write(result_line(event))
            case _:
                pass

    def _write(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class _Bars:
    """One bar for the running stage, and a line above it for each that ended."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._clock: _Clock | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case StageStarted(stage, total, unit):
                self._clear()
                self._clock = _Clock(event)
                self._task = self._bars.add_task(stage, total=total, unit=unit, rate="", note="")
            case Step(_, done, note) if self._task is not None and self._clock:
                self._clock.step(done)
                self._bars.update(self._task, completed=done, note=note, rate=self._clock.rate())
            case Evaluated(_, name, value) if self._task is not None:
                self._bars.update(self._task, note=f"{name} {value:.4g}")
            case Warned():
                self._bars.console.print(result_line(event), highlight=False, markup=False)
            case StageFinished() | StageSkipped() | Stopped() | Saved() | UpToDate():
                self._clear()
                self._bars.console.print(result_line(event), highlight=False, markup=False)
            case _:
                pass

    def _clear(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None

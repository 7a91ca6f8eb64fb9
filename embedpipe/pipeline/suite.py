"""All tasks of a suite, in parallel over the cores, each measured once: what is known already is not measured again."""

import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from embedpipe.children import end_children, fate, start_child
from embedpipe.pipeline.suite_worker import Reply, SuiteJob, as_request, suite_worker
from embedpipe.probes.cache import ProbeCache, cache_key
from embedpipe.probes.findings import Findings
from embedpipe.probes.measure import MeasureSettings
from embedpipe.probes.rows import corrected, headline, skipped
from embedpipe.probes.run import STAGE
from embedpipe.runtime import Evaluated, Listener, StageFinished, StageStarted, Step, Warned, n_cores, silent
from embedpipe.tasks.suite import Suite, SuiteTask

if TYPE_CHECKING:
    from embedpipe.loading import Bundle

__all__ = ["SuiteOutcome", "probe_suite"]

_ENTRY = "embedpipe.pipeline.suite_worker:main"
_ENDED = "its worker process ended ({}); if memory ran out, use --workers 1"


@dataclass(frozen=True, slots=True)
class SuiteOutcome:
    """What was measured of a suite.

    Parameters
    ----------
    findings : of all tasks, in the order of the suite; p-values are corrected over them.
    seconds : how long each task took that was measured now, by name.
    n_cached : tasks that were not measured again.
    failed : why a task could not be measured, by name; its row says the same.
    """

    findings: Findings
    seconds: dict[str, float]
    n_cached: int
    failed: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Done:
    task: SuiteTask
    reply: Reply
    seconds: float


def probe_suite(
    bundle: "Bundle",
    suite: Suite,
    settings: MeasureSettings,
    *,
    workers: int = 0,
    cache: ProbeCache | None = None,
    min_coverage: float = 0.3,
    listener: Listener = silent,
) -> SuiteOutcome:
    """Return what is measured on each task of a suite.

    The tasks are shared among worker processes, the longest first; each is kept in the cache as soon as it is
    finished, so that a call which was interrupted goes on from there. A task that fails is a row that says why.

    Parameters
    ----------
    bundle : a saved bundle; each worker opens it, and its tables are memory-mapped.
    suite : as `tasks.suite.read_suite` returns it.
    settings : how the tasks are measured.
    workers : processes; 0 is one for each core, 1 is this one.
    cache : what was measured before; None measures everything and keeps nothing.
    min_coverage : texts of which a smaller share of the tokens is in the vocabulary are not measured.
    listener : is called with progress in percent of the work, and one evaluation for each headline figure.
    """
    started = time.monotonic()
    keys = {
        task.name: cache_key(
            bundle.manifest,
            {"name": task.name, "content": task.content, "min_coverage": str(min_coverage)},
            settings,
        )
        for task in suite.tasks
    }
    found: dict[str, Findings] = {}
    for task in suite.tasks:
        kept = cache.get(keys[task.name]) if cache is not None else None
        if kept is not None:
            found[task.name] = kept
    n_cached = len(found)
    to_do = sorted((task for task in suite.tasks if task.name not in found), key=lambda task: -task.cost)
    job = {"bundle": str(bundle.path.resolve()), "settings": asdict(settings), "min_coverage": min_coverage}
    seconds: dict[str, float] = {}
    failed: dict[str, str] = {}
    total, done = sum(task.cost for task in to_do) or 1.0, 0.0
    listener(StageStarted(STAGE, 100, "%"))
    listener(Step(STAGE, 0, f"{n_cached} of {len(suite.tasks)} tasks known"))
    with _measured(to_do, job, min(workers or n_cores(), len(to_do))) as results:
        for result in results:
            name = result.task.name
            if "error" in result.reply:
                failed[name] = result.reply["error"]
                found[name] = Findings(rows=[skipped(name, "score", f"it failed: {failed[name]}")])
                listener(Warned(STAGE, f"{name}: {failed[name]}"))
            else:
                found[name] = Findings.from_dict(result.reply["findings"])
                cache = _keep(cache, keys[name], found[name], listener)
            seconds[name] = result.seconds
            done += result.task.cost
            note = f"{len(found)} of {len(suite.tasks)} tasks, {name}"
            listener(Step(STAGE, min(100, int(100 * done / total)), note))
            for figure, value in headline(found[name].rows).items():
                listener(Evaluated(STAGE, figure, value, len(found)))
    in_order = [found[task.name] for task in suite.tasks]
    kept_note = f", {n_cached} of them from the cache" if n_cached else ""
    summary = f"{len(suite.tasks)} tasks{kept_note}" + (f", {len(failed)} failed" if failed else "")
    listener(StageFinished(STAGE, summary, time.monotonic() - started))
    return SuiteOutcome(_together(in_order), seconds, n_cached, failed)


def _keep(cache: ProbeCache | None, key: str, findings: Findings, listener: Listener) -> ProbeCache | None:
    """Keep findings, and return the cache; None, after a warning, where it cannot be written."""
    if cache is None:
        return None
    try:
        cache.put(key, findings)
    except OSError as error:
        listener(Warned(STAGE, f"{cache.folder}: nothing is kept for another time: {error.strerror or error}"))
        return None
    return cache


def _together(findings: Sequence[Findings]) -> Findings:
    return Findings(
        rows=corrected([row for one in findings for row in one.rows]),
        curves=[curve for one in findings for curve in one.curves],
        leaks=[leak for one in findings for leak in one.leaks],
    )


@contextmanager
def _measured(tasks: Sequence[SuiteTask], job: SuiteJob, workers: int) -> Iterator[Iterator[_Done]]:
    """Yield an iterator over results as they come; at the end, however it comes, no worker is left."""
    if workers <= 1:
        yield _one_by_one(tasks, job)
        return
    waiting: queue.SimpleQueue[SuiteTask] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)
    results: queue.SimpleQueue[_Done] = queue.SimpleQueue()
    pool = _Pool(job, waiting, results)
    threads = [threading.Thread(target=pool.feed, name=f"embedpipe-suite-{i}", daemon=True) for i in range(workers)]
    try:
        for thread in threads:
            thread.start()
        yield (results.get() for _ in tasks)
    finally:
        pool.end()
        for thread in threads:
            thread.join()


def _one_by_one(tasks: Sequence[SuiteTask], job: SuiteJob) -> Iterator[_Done]:
    work = suite_worker(job) if tasks else None
    for task in tasks:
        start = time.monotonic()
        assert work is not None
        yield _Done(task, work(task), time.monotonic() - start)


class _Pool:
    """Worker processes, each fed by one thread; a process that dies is one failed task, and another takes its place."""

    def __init__(
        self, job: SuiteJob, waiting: "queue.SimpleQueue[SuiteTask]", results: "queue.SimpleQueue[_Done]"
    ) -> None:
        self._job, self._waiting, self._results = job, waiting, results
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ended = False

    def feed(self) -> None:
        """Give one process task after task until none is left."""
        process: subprocess.Popen[bytes] | None = None
        while not self._ended:
            try:
                task = self._waiting.get_nowait()
            except queue.Empty:
                return
            start = time.monotonic()
            try:
                process = process or self._start()
                line = self._ask(process, task)
            except OSError as error:
                reply: Reply = {"error": f"no worker process can be started: {error.strerror or error}"}
            else:
                if self._ended:
                    return
                reply = json.loads(line) if line else {"error": _ENDED.format(fate(process))}
                process = process if line else None
            self._results.put(_Done(task, reply, time.monotonic() - start))

    def end(self) -> None:
        """Kill all processes."""
        with self._lock:
            self._ended = True
            end_children(self._processes)

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._ended:
                raise BrokenPipeError
            process = start_child(_ENTRY)
            self._processes.append(process)
        _write(process, json.dumps(self._job).encode() + b"\n")
        return process

    def _ask(self, process: "subprocess.Popen[bytes]", task: SuiteTask) -> bytes:
        """Return the line that answers a task; empty where the process has ended."""
        assert process.stdout is not None
        _write(process, as_request(task))
        try:
            return process.stdout.readline()
        except ValueError:  # its pipe was closed by `end`
            return b""


def _write(process: "subprocess.Popen[bytes]", line: bytes) -> None:
    """Send a line to a process; one that has ended shows it when it is asked for its answer."""
    assert process.stdin is not None
    with suppress(BrokenPipeError, ValueError):
        process.stdin.write(line)
        process.stdin.flush()

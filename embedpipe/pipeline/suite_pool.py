"""Tasks shared among worker processes, or measured one by one in this one."""

import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from embedpipe.children import end_children, fate, start_child
from embedpipe.pipeline.suite_worker import Reply, Request, SuiteJob, as_line, suite_worker

__all__ = ["Done", "measured"]

_ENTRY = "embedpipe.pipeline.suite_worker:main"
_ENDED = "its worker process ended ({}); if memory ran out, use --workers 1"


@dataclass(frozen=True, slots=True)
class Done:
    """The reply to one request, and how long it took."""

    request: Request
    reply: Reply
    seconds: float


@contextmanager
def measured(requests: Sequence[Request], job: SuiteJob, workers: int) -> Iterator[Iterator[Done]]:
    """Yield an iterator over results as they come; at the end, however it comes, no worker is left.

    Parameters
    ----------
    requests : what is to be measured, begun in this order.
    job : what all of them have in common.
    workers : processes; one or none is this one.
    """
    if workers <= 1:
        yield _one_by_one(requests, job)
        return
    waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
    for request in requests:
        waiting.put(request)
    results: queue.SimpleQueue[Done] = queue.SimpleQueue()
    pool = _Pool(job, waiting, results)
    threads = [threading.Thread(target=pool.feed, name=f"embedpipe-suite-{i}", daemon=True) for i in range(workers)]
    try:
        for thread in threads:
            thread.start()
        yield (results.get() for _ in requests)
    finally:
        pool.end()
        for thread in threads:
            thread.join()


def _one_by_one(requests: Sequence[Request], job: SuiteJob) -> Iterator[Done]:
    work = suite_worker(job) if requests else None
    for request in requests:
        start = time.monotonic()
        assert work is not None
        yield Done(request, work(request), time.monotonic() - start)


class _Pool:
    """Worker processes, each fed by one thread; a process that dies is one failed task, and another takes its place."""

    def __init__(
        self, job: SuiteJob, waiting: "queue.SimpleQueue[Request]", results: "queue.SimpleQueue[Done]"
    ) -> None:
        self._job, self._waiting, self._results = job, waiting, results
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ended = False

    def feed(self) -> None:
        """Give one process request after request until none is left."""
        process: subprocess.Popen[bytes] | None = None
        while not self._ended:
            try:
                request = self._waiting.get_nowait()
            except queue.Empty:
                return
            start = time.monotonic()
            try:
                process = process or self._start()
                line = self._ask(process, request)
            except OSError as error:
                reply: Reply = {"error": f"no worker process can be started: {error.strerror or error}"}
            else:
                if self._ended:
                    return
                reply = json.loads(line) if line else {"error": _ENDED.format(fate(process))}
                process = process if line else None
            self._results.put(Done(request, reply, time.monotonic() - start))

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

    def _ask(self, process: "subprocess.Popen[bytes]", request: Request) -> bytes:
        """Return the line that answers a request; empty where the process has ended."""
        assert process.stdout is not None
        _write(process, as_line(request))
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

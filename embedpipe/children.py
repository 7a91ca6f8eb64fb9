"""Child processes that answer requests over pipes.

Plain child processes, not `multiprocessing`: that starts the user's main script again in every child, which a script
of five lines without a ``__main__`` guard does not survive. A child reads until its standard input ends, so that none
outlives this process, however it dies.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

__all__ = ["answer_requests", "end_children", "fate", "start_child"]


def start_child(entry: str) -> "subprocess.Popen[bytes]":
    """Start a Python process on one processor thread, with pipes to its standard input and output.

    Parameters
    ----------
    entry : ``package.module:function``, which the child calls; it is to call `answer_requests`.
    """
    module, _, function = entry.partition(":")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-c", f"from {module} import {function}; {function}()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def answer_requests(serve: Callable[[BinaryIO, BinaryIO], None]) -> None:
    """Run `serve` on the pipes of this child process; what it prints goes to stderr.

    Ctrl-C goes to the whole process group: the parent decides, and ends its children.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, replies)


def fate(process: "subprocess.Popen[bytes]") -> str:
    """Wait for a process, and say how it ended: ``killed by signal 9`` or ``exit code 1``."""
    code = process.wait()
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def end_children(processes: "list[subprocess.Popen[bytes]]") -> None:
    """Kill processes that may still run, wait for them and close their pipes."""
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

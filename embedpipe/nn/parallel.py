"""Independent pieces of torch work on all cores: one thread for each, rather than all threads in each operation.

The threads of one operation wait for each other at its end, thousands of times a second in a recurrent network; where
the machine is shared, each of these waits is for the slowest.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from embedpipe.runtime import n_torch_threads

__all__ = ["each", "one_thread"]

_Job = TypeVar("_Job")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread in an operation, in all of this process, while the block runs."""
    n_threads = n_torch_threads()
    if n_threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def each(work: Callable[[_Job], object], jobs: Sequence[_Job]) -> None:
    """Call `work` with each job, begun in their order, on as many threads as torch uses in one operation.

    While they run, torch uses one thread in an operation, in all of this process. The first error is raised.

    >>> found = []
    >>> each(found.append, [3, 1, 2])
    >>> sorted(found)
    [1, 2, 3]
    """
    n_threads = n_torch_threads()
    with one_thread():
        if n_threads == 1 or len(jobs) < 2:
            for job in jobs:
                work(job)
            return
        with ThreadPoolExecutor(min(n_threads, len(jobs)), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for _ in pool.map(work, jobs):
                pass

"""The options of benchmarks that time calls in turn: how often, on how many threads, by which clock."""

import argparse
import time
from collections.abc import Callable

import torch

__all__ = ["add_timing", "start_timing"]


def add_timing(parser: argparse.ArgumentParser, *, turns: int) -> None:
    """Add ``--turns``, ``--threads`` and ``--clock``."""
    parser.add_argument("--turns", type=int, default=turns)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")


def start_timing(options: argparse.Namespace) -> Callable[[], float]:
    """Give torch the threads that were asked for; return the clock, in seconds."""
    torch.set_num_threads(options.threads)
    return time.perf_counter if options.clock == "wall" else time.process_time

"""What benchmarks that time calls share: the device, how often, on how many threads, and by which clock."""

import argparse
import platform
import time
from collections.abc import Callable
from typing import get_args

import torch

from embedpipe.runtime import DeviceName

__all__ = ["CPU", "add_device", "add_timing", "described", "start_timing", "wait_for", "where"]

CPU = torch.device("cpu")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``, the name of the one that networks run on; `resolve_device` takes it."""
    parser.add_argument("--device", choices=get_args(DeviceName), default="auto", help="auto: a GPU where one is there")


def add_timing(parser: argparse.ArgumentParser, *, turns: int) -> None:
    """Add ``--turns``, ``--threads`` and ``--clock``."""
    parser.add_argument("--turns", type=int, default=turns)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")


def wait_for(device: torch.device) -> None:
    """Return when the device has done all that it was given; a GPU goes on after a call has come back."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def start_timing(options: argparse.Namespace, device: torch.device = CPU) -> Callable[[], float]:
    """Give torch the threads that were asked for; return the clock, in seconds, which waits for the device."""
    torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.process_time

    def read() -> float:
        wait_for(device)
        return clock()

    return read


def described(device: torch.device = CPU) -> str:
    """Return what was measured on: the release of torch, the machine, its threads, and the device.

    >>> described().split(", ")[-1]
    'on the CPU'
    """
    return f"torch {torch.__version__}, {platform.machine()}, {torch.get_num_threads()} threads, {where(device)}"


def where(device: torch.device) -> str:
    """Return on what networks ran.

    >>> where(CPU)
    'on the CPU'
    """
    return f"on {torch.cuda.get_device_name(device)}" if device.type == "cuda" else "on the CPU"

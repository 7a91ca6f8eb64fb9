"""What every stage shares at run time: progress events, the seed, the device.

A long-running function takes ``listener``, a callable that is given one event at a time. The command line draws
bars from them; a notebook, a log or a test may listen too. torch is imported only inside functions.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from embedpipe.errors import ConfigError

if TYPE_CHECKING:
    import torch

__all__ = [
    "Evaluated",
    "Event",
    "Listener",
    "Saved",
    "StageFinished",
    "StageSkipped",
    "StageStarted",
    "Step",
    "Stopped",
    "UpToDate",
    "Warned",
    "check_alone",
    "launched",
    "n_cores",
    "n_torch_threads",
    "resolve_device",
    "seeded",
    "silent",
]

DeviceName = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins; `total` counts `unit`s, or is None when it is not known."""

    stage: str
    total: int | None = None
    unit: str = "step"


@dataclass(frozen=True, slots=True)
class Step:
    """A stage has done `done` of its units so far; `note` is a few words such as ``"loss 3.21"``.

    `loss` is that of the last steps of a training by steps, None elsewhere.
    """

    stage: str
    done: int
    note: str = ""
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A measurement made during a stage."""

    stage: str
    name: str
    value: float
    step: int


@dataclass(frozen=True, slots=True)
class Saved:
    """A file or folder that now stands whole on disk."""

    stage: str
    path: str


@dataclass(frozen=True, slots=True)
class UpToDate:
    """A file or folder that already is what was asked for, and was left as it stands."""

    stage: str
    path: str


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage ended well; `summary` is its result in one line."""

    stage: str
    summary: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StageSkipped:
    """A stage whose inputs and settings are unchanged."""

    stage: str
    summary: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A stage ended before its plan, and why (early stopping, an interrupt)."""

    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user may want to change; the stage goes on."""

    stage: str
    message: str


Event = StageStarted | Step | Evaluated | Saved | StageFinished | StageSkipped | Stopped | UpToDate | Warned
Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """Listen to nothing."""


def n_cores() -> int:
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def launched() -> tuple[int, int]:
    """Return the number of this process, from 0, among those that ``torchrun`` or ``accelerate launch`` started, and
    how many they are; (0, 1) without such a launcher.
    """
    number, n = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    return (int(number), int(n)) if number.isdigit() and n.isdigit() and int(n) > 1 else (0, 1)


def check_alone(what: str) -> None:
    """Raise `ConfigError` where a launcher started several processes, for what one of them does alone.

    Parameters
    ----------
    what : is done, such as ``"a bundle is trained"``.
    """
    n = launched()[1]
    if n > 1:
        raise ConfigError(
            f"{what} in one process, and a launcher started {n}: call it without torchrun or accelerate launch; "
            "embedpipe run is what several processes share"
        )


def n_torch_threads() -> int:
    """Return the number of processor threads that torch uses in one operation."""
    import torch

    return torch.get_num_threads()


@contextmanager
def seeded(seed: int, *, deterministic: bool = False) -> Iterator[None]:
    """Seed Python, NumPy's legacy generator and torch for a while, and leave them as they were found.

    Parameters
    ----------
    seed : of all generators.
    deterministic : also ask torch for deterministic kernels. cuBLAS has such only with a fixed workspace, which it
        reads from the environment when CUDA starts: ``CUBLAS_WORKSPACE_CONFIG`` is set where it does not stand yet,
        and stays.

    Examples
    --------
    >>> with seeded(3):
    ...     one = random.random()
    >>> with seeded(3):
    ...     assert random.random() == one
    """
    import torch

    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    warned_only = torch.is_deterministic_algorithms_warn_only_enabled()
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 - libraries that we call read it
    # Where CUDA was not begun yet it has no generator to leave as it was, and a run on the CPU does without it.
    begun = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    with torch.random.fork_rng([torch.cuda.current_device()] if begun else []):
        try:
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            torch.manual_seed(seed)
            torch.use_deterministic_algorithms(deterministic)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002
            torch.use_deterministic_algorithms(was_deterministic, warn_only=warned_only)


def resolve_device(device: DeviceName) -> "torch.device":
    """Return the torch device that a name stands for; ``auto`` takes CUDA where there is one.

    Raises
    ------
    ConfigError
        If the name is another, or ``cuda`` is asked for and torch sees no CUDA device.
    """
    if device not in get_args(DeviceName):
        raise ConfigError(f"unknown device '{device}': use {', '.join(get_args(DeviceName))}")
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device 'cuda' was asked for but torch sees no CUDA device; use --device auto or cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)

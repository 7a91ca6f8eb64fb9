"""When memory runs out, or the device or another process is lost: smaller parts, or a message on what is kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from embedpipe.errors import DeviceError
from embedpipe.nn.distributed import n_processes
from embedpipe.runtime import Listener, Warned, silent

__all__ = ["Parts", "device_errors", "is_fault", "is_lost_device", "is_lost_process", "is_out_of_memory"]

T = TypeVar("T")
_NO_MEMORY = ("out of memory", "can't allocate memory", "_STATUS_ALLOC_FAILED")
# cuBLAS says so where there is no memory left for its handle, and after a fault too.
_NO_HANDLE = "CUBLAS_STATUS_NOT_INITIALIZED"
_HANDLE_BYTES = 1 << 29
_LOST = (
    *("CUDA error", "CUDA driver error", "_STATUS_EXECUTION_FAILED", "_STATUS_INTERNAL_ERROR"),
    *("_STATUS_NOT_INITIALIZED", "No CUDA GPUs are available"),
)
_FAULTS = ("device-side assert", "illegal memory access", "misaligned address", "illegal instruction")
"""What a GPU says of a computation that is wrong, and would be when run again."""
_LEFT = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "NCCL error")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether torch says that there is no memory, of a GPU or of the processor.

    >>> is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory.")), is_out_of_memory(ValueError("7"))
    (True, False)
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    return any(sign in str(error) for sign in _NO_MEMORY) or (_NO_HANDLE in str(error) and _gpu_is_full())


def _gpu_is_full() -> bool:
    """Return whether less is free on the GPU than a handle of cuBLAS takes; one that does not answer is not full."""
    try:
        return torch.cuda.is_available() and torch.cuda.mem_get_info()[0] < _HANDLE_BYTES
    except RuntimeError:
        return False


def is_lost_device(error: BaseException) -> bool:
    """Return whether torch says that the accelerator no longer answers.

    >>> is_lost_device(RuntimeError("CUDA error: unspecified launch failure"))
    True
    """
    if is_out_of_memory(error) or is_fault(error):
        return False
    accelerator_error = getattr(torch, "AcceleratorError", None)  # from torch 2.8 on
    if accelerator_error is not None and isinstance(error, accelerator_error):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _LOST)


def is_fault(error: BaseException) -> bool:
    """Return whether the accelerator found a mistake in what it was to compute; it answers no longer, but is not lost.

    >>> is_fault(RuntimeError("CUDA error: device-side assert triggered"))
    True
    """
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _FAULTS)


def is_lost_process(error: BaseException) -> bool:
    """Return whether torch says that another of the processes that train together is gone; never where there is one."""
    if n_processes() == 1 or is_out_of_memory(error) or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, torch.distributed.DistBackendError) or any(sign in str(error) for sign in _LEFT)


class Parts:
    """In how many parts a batch goes through the model: one at first, twice as many whenever memory runs out.

    What was found stays for the batches that follow, so one run finds it once and warns once.

    Parameters
    ----------
    rows : of a batch; there are never more parts than rows.
    at_once : rows that a part may hold at the beginning; 0 is all.
    stage, listener : a `Warned` event goes there.

    Attributes
    ----------
    n : the number of parts.
    """

    def __init__(self, rows: int, at_once: int = 0, *, stage: str, listener: Listener = silent) -> None:
        self.n, self.rows = -(-rows // at_once) if at_once else 1, rows
        self._stage, self._listener = stage, listener
        self._warned = False

    @property
    def at_once(self) -> int:
        """The most rows of a part: what gradient caching reads at once; 0 is all."""
        return -(-self.rows // self.n) if self.n > 1 else 0

    def within_memory(self, attempt: Callable[[], T], undo: Callable[[], None]) -> T:
        """Return what `attempt` returns, tried again in smaller parts while memory runs out.

        Parameters
        ----------
        attempt : computes the loss in `n` parts and leaves gradients.
        undo : takes back what a failed attempt left: its gradients, and a state that it carried on.

        Raises
        ------
        DeviceError
            If memory runs out with one row at a time too, or in one of several processes, which take each step in
            the same parts.

        Examples
        --------
        >>> parts = Parts(256, stage="sentences")
        >>> def attempt():
        ...     if parts.n < 4:
        ...         raise torch.OutOfMemoryError("CUDA out of memory.")
        ...     return f"read in {parts.n} parts"
        >>> parts.within_memory(attempt, undo=lambda: None)
        'read in 4 parts'
        """
        while True:
            try:
                value = attempt()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if n_processes() > 1:
                    raise DeviceError(f"{_too_small(error)}; several processes find no smaller parts") from error
                if self.n >= self.rows:
                    raise DeviceError(_too_small(error)) from error
                # The frames of the failed attempt hold its tensors for as long as the traceback is alive.
                error.__traceback__ = None
                self.n = min(2 * self.n, self.rows)
            else:
                return value
            undo()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            if not self._warned:
                self._warned = True
                self._listener(Warned(self._stage, self._message()))

    def _message(self) -> str:
        return (
            f"out of memory with {self.rows:,} rows at once: a batch is read in {self.n} parts or more, whose "
            "gradients are added up; a smaller batch or micro_batch is faster"
        )


@contextmanager
def device_errors(kept: str) -> Iterator[None]:
    """Turn what torch raises when the device is too small or lost, or another process is, into a `DeviceError` that
    says what to do.

    Parameters
    ----------
    kept : what a later run goes on from, such as ``"the checkpoint of step 300 is kept"``.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise DeviceError(f"{_too_small(error)}; {kept}") from error
        if is_lost_process(error):
            raise DeviceError(
                f"another of the {n_processes()} processes that train together has ended ({_first_line(error)}), and "
                f"its message says why; {kept}: start all of them again"
            ) from error
        if is_fault(error):
            raise DeviceError(
                f"an error in a computation on the GPU ({_first_line(error)}); {kept}: run the same command again with "
                "CUDA_LAUNCH_BLOCKING=1 in the environment and --debug, and report what it prints"
            ) from error
        if is_lost_device(error):
            raise DeviceError(
                f"the GPU no longer answers ({_first_line(error)}); {kept}: run the same command again; with "
                "--device cpu a training begins anew"
            ) from error
        raise


def _too_small(error: BaseException) -> str:
    return (
        f"out of memory ({_first_line(error)}): free memory that other programs hold and run the same command again, "
        "or begin this training anew with a smaller batch, micro_batch, max_tokens, hidden or dim, or with --device cpu"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")

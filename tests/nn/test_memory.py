"""Memory that runs out: smaller parts, the same gradients, one warning; and devices that are gone."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.errors import DeviceError
from embedpipe.nn import memory
from embedpipe.nn.batches import Padded
from embedpipe.nn.memory import (
    Parts,
    device_errors,
    is_fault,
    is_lost_device,
    is_lost_process,
    is_out_of_memory,
)
from embedpipe.runtime import Warned


class Scorer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(20, 4, sparse=True)
        self.out = nn.Linear(4, 1)

    def forward(self, batch: Padded) -> Tensor:
        return self.out(self.table(batch.ids).mean(dim=1))[:, 0]


def limited(most_rows: int, loss: Callable[[Padded], Tensor]) -> Callable[[Padded], Tensor]:
    """The loss on a device that holds `most_rows` rows; what it raises comes after part of the work is done."""

    def of(batch: Padded) -> Tensor:
        value = loss(batch)
        if len(batch.lengths) > most_rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ...")
        return value

    return of


@pytest.mark.parametrize(("most_rows", "n"), [(7, 1), (3, 4), (1, 7)])
def test_the_gradients_of_the_parts_are_those_of_the_batch(most_rows: int, n: int) -> None:
    batch = Padded(torch.randint(0, 20, (7, 5)), torch.full((7,), 5))

    def loss(model: Scorer, part: Padded) -> Tensor:
        return F.mse_loss(model(part), part.ids.float().mean(dim=1))

    whole, model, events = Scorer(), Scorer(), []
    expected = loss(whole, batch)
    expected.backward()
    parts = Parts(7, stage="sentences", listener=events.append)
    on_device = limited(most_rows, lambda part: loss(model, part))

    def attempt() -> Tensor:
        total = torch.zeros(())
        for rows in torch.split(torch.arange(7), parts.at_once or 7):
            value = on_device(Padded(batch.ids[rows], batch.lengths[rows])) * (len(rows) / 7)
            value.backward()
            total += value.detach()
        return total

    for _ in range(2):
        value = parts.within_memory(attempt, model.zero_grad)
        assert parts.n == n
        torch.testing.assert_close(value, expected.detach())
        torch.testing.assert_close(model.out.weight.grad, whole.out.weight.grad)
        torch.testing.assert_close(model.table.weight.grad.to_dense(), whole.table.weight.grad.to_dense())
        model.zero_grad()
    assert [type(event) for event in events] == ([] if n == 1 else [Warned]), "what was found is kept and told once"


def test_a_contrastive_batch_stays_whole_and_is_read_in_smaller_parts() -> None:
    parts, read = Parts(512, stage="sentences"), []

    def attempt() -> int:
        read.append(parts.at_once)
        if not 0 < parts.at_once <= 100:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return parts.at_once

    assert parts.within_memory(attempt, lambda: None) == 64
    assert read == [0, 256, 128, 64]
    assert Parts(512, 100, stage="sentences").at_once == 86, "as even as can be"


def test_one_row_that_does_not_fit_is_an_error_that_says_what_to_change() -> None:
    def attempt() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ...")

    with pytest.raises(
        DeviceError, match=r"Tried to allocate 2\.00 GiB\): free .* with a smaller batch, micro_batch, max_"
    ):
        Parts(4, stage="x").within_memory(attempt, lambda: None)

    def broken() -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        Parts(4, stage="x").within_memory(broken, lambda: None)


def test_what_is_carried_on_is_taken_back_before_the_next_attempt() -> None:
    undone: list[int] = []
    parts = Parts(8, stage="x")

    def attempt() -> str:
        if parts.n < 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return "done"

    assert parts.within_memory(attempt, lambda: undone.append(parts.n)) == "done"
    assert len(undone) == 2


def test_the_processor_runs_out_of_memory_too() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            RuntimeError("CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA"),
            r"the GPU no longer answers \(CUDA error: unspecified launch failure\); the checkpoint of step 30 is kept: "
            "run the same command again; with --device cpu a training begins anew",
        ),
        (
            RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be ..."),
            r"an error in a computation on the GPU \(CUDA error: device-side assert triggered\); the checkpoint "
            "of step 30 is kept: .* with CUDA_LAUNCH_BLOCKING=1 in the environment and --debug, and report",
        ),
        (torch.OutOfMemoryError("CUDA out of memory."), "out of memory .*; the checkpoint of step 30 is kept"),
    ],
)
def test_a_device_that_is_lost_or_too_small_says_what_is_kept(error: Exception, message: str) -> None:
    with pytest.raises(DeviceError, match=message), device_errors("the checkpoint of step 30 is kept"):
        raise error
    with pytest.raises(RuntimeError, match="shapes"), device_errors("all is kept"):
        raise RuntimeError("shapes differ")
    assert not is_lost_device(torch.OutOfMemoryError("CUDA error: out of memory"))


@pytest.mark.parametrize(
    ("message", "memory_is_out"),
    [
        ("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED", False),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("CUDA error: out of memory", True),
        ("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR", False),
    ],
)
def test_what_libraries_say_of_a_gpu_is_sorted(message: str, memory_is_out: bool) -> None:
    error = RuntimeError(message)
    assert (is_out_of_memory(error), is_lost_device(error)) == (memory_is_out, not memory_is_out)
    assert not is_fault(error)


def test_no_handle_of_cublas_is_a_lack_of_memory_only_where_the_gpu_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for free, memory_is_out in ((100 << 20, True), (20 << 30, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (free, 140 << 30))
        assert (is_out_of_memory(error), is_lost_device(error)) == (memory_is_out, not memory_is_out)

    def fault() -> tuple[int, int]:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "mem_get_info", fault)
    assert (is_out_of_memory(error), is_lost_device(error)) == (False, True)


def test_several_processes_do_not_look_for_smaller_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "n_processes", lambda: 2)
    parts = Parts(64, stage="x")

    def attempt() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(DeviceError, match=r"with a smaller batch, micro_batch, .*; several processes find no smaller"):
        parts.within_memory(attempt, lambda: None)
    assert parts.n == 1


def test_a_process_that_has_ended_is_named_and_not_taken_for_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [::1]:4711")
    assert not is_lost_process(gone), "there is no other process"
    monkeypatch.setattr(memory, "n_processes", lambda: 2)
    assert is_lost_process(gone)
    assert not is_lost_process(torch.OutOfMemoryError("CUDA out of memory."))
    said = (
        r"another of the 2 processes .* has ended \(.*closed by peer .*\), and its message says why; all is kept: start"
    )
    with pytest.raises(DeviceError, match=said), device_errors("all is kept"):
        raise gone
    with pytest.raises(RuntimeError, match="shapes differ"), device_errors("all is kept"):
        raise RuntimeError("shapes differ")

"""Seeds and devices: what a run sets for itself is the caller's again afterwards."""

import os
import random

import numpy as np
import pytest
import torch

from embedpipe.errors import ConfigError
from embedpipe.runtime import check_alone, n_torch_threads, resolve_device, seeded


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002


def test_the_same_seed_gives_the_same_numbers_and_leaves_the_caller_its_own() -> None:
    random.seed(5), np.random.seed(5), torch.manual_seed(5)  # noqa: NPY002
    expected = draws()
    random.seed(5), np.random.seed(5), torch.manual_seed(5)  # noqa: NPY002
    with seeded(1):
        one = draws()
    assert draws() == expected
    with seeded(1):
        assert draws() == one
    with seeded(2):
        assert draws() != one


def test_a_gpu_that_nothing_has_begun_is_not_begun(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: pytest.fail("CUDA begins"))
    with seeded(1):
        pass


def test_deterministic_kernels_are_asked_for_inside_alone(monkeypatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with seeded(1, deterministic=True):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8", "what the user set stands"
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with seeded(1):
            assert not torch.are_deterministic_algorithms_enabled()
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        with seeded(1, deterministic=True):
            assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(False)


def test_threads_are_those_of_torch() -> None:
    assert n_torch_threads() == torch.get_num_threads()


def test_an_unknown_device_names_those_that_there_are() -> None:
    assert resolve_device("cpu").type == "cpu"
    with pytest.raises(ConfigError, match="unknown device 'tpu': use auto, cpu, cuda"):
        resolve_device("tpu")  # type: ignore[arg-type]


def test_a_device_is_found_and_nothing_is_set(monkeypatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(torch, "set_float32_matmul_precision", asked.append)
    assert resolve_device("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [resolve_device(name).type for name in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]
    assert asked == []


def test_what_one_process_does_is_refused_to_several(monkeypatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    check_alone("a bundle is trained")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="a bundle is trained in one process, and a launcher started 2: call it with"):
        check_alone("a bundle is trained")

"""Several processes train as one with the whole batch would."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from embedpipe.errors import ConfigError
from embedpipe.nn import distributed
from embedpipe.nn.batches import Padded


def test_two_processes_train_like_one_with_the_whole_batch(tmp_path: Path) -> None:
    command = [sys.executable, Path(__file__).with_name("together.py"), tmp_path]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    first, second, alone = (json.loads((tmp_path / f"{i}.json").read_text()) for i in ("0-of-2", "1-of-2", "0-of-1"))
    assert first == second, "every process holds the same weights, to the bit"
    assert first["losses"] == pytest.approx(alone["losses"], abs=1e-5)
    assert len(set(alone["losses"])) == 5
    assert first["weights"].keys() == alone["weights"].keys()
    for name, weights in alone["weights"].items():
        assert np.allclose(first["weights"][name], weights, atol=1e-4, rtol=0), name
    assert alone["weights"]["unused"] == [1.0, 1.0, 1.0]


def test_one_process_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Padded(torch.tensor([[4, 5], [6, 0]]), torch.tensor([2, 1]))
    assert distributed.share_of_rows(batch) is batch
    rows = torch.ones(2, 3)
    assert distributed.gather_rows(rows, 2) is rows
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    distributed.join_processes()
    assert (distributed.n_processes(), distributed.rank(), distributed.is_first()) == (1, 0, True)
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.ones(2)
    distributed.average_gradients([weight])
    assert weight.grad.tolist() == [1.0, 1.0]
    assert distributed.value_of_first(0.25) == 0.25


@pytest.mark.parametrize(
    ("device", "gpus", "groups"),
    [("cpu", 1, [("gloo", 7 * 86_400)]), ("auto", 2, [("gloo", 7 * 86_400), ("nccl", 600)]), ("cuda", 1, None)],
)
def test_gpus_are_asked_for_only_where_they_train(monkeypatch: pytest.MonkeyPatch, device, gpus, groups) -> None:
    """The second of two processes; only those of NCCL give up on each other soon."""
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    made: list[tuple[str, float]] = []
    taken: list[int] = []
    monkeypatch.setattr(distributed, "_groups", {})
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    monkeypatch.setattr("torch.cuda.set_device", taken.append)
    for name in ("init_process_group", "new_group"):
        monkeypatch.setattr(
            f"torch.distributed.{name}", lambda backend, timeout: made.append((backend, timeout.total_seconds()))
        )
    if groups is None:
        with pytest.raises(ConfigError, match=r"process 1 .* no GPU: it has 1; .* or train with --device cpu"):
            distributed.join_processes(device)
        return
    distributed.join_processes(device)
    assert (made, taken) == (groups, [1] if len(groups) == 2 else [])


def test_more_processes_than_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "n_processes", lambda: 3)
    with pytest.raises(ConfigError, match="a batch of 2 rows cannot be shared by 3 processes; set a larger batch"):
        distributed.share_of_rows(Padded(torch.ones(2, 1, dtype=torch.int64), torch.ones(2, dtype=torch.int64)))

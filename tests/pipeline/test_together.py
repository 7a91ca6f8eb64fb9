"""A run in two processes is the run of one with twice the batch, and ends in both where it fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedpipe.bundle.tensors import map_tensors
from embedpipe.runtime import launched

pytestmark = pytest.mark.slow
SETTINGS = [
    *("words.architecture=skipgram", "words.beside=none", "words.steps=['whiten:0.5']", "words.dim=24"),
    *("words.epochs=2", "sentences.hidden=16", "sentences.steps=12", "sentences.dropout=0", "generation.hidden=16"),
    *("generation.steps=12", "generation.input_p=0", "generation.hidden_p=0", "generation.output_p=0"),
]


def run(
    folder: Path, source: str, target: str, batches: tuple[int, int], *launcher: str
) -> subprocess.CompletedProcess:
    sizes = [f"sentences.batch={batches[0]}", f"generation.batch={batches[1]}"]
    settings = [part for setting in (*SETTINGS, *sizes) for part in ("--set", setting)]
    call = ["embedpipe", "run", source, "-o", target, "--stages", "sentences,generation", "--preset", "tiny", *settings]
    return subprocess.run(
        [sys.executable, "-m", *launcher, *(["-m"] if launcher else []), *call, "--reproducible"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def recorded_losses(bundle: Path, stage: str) -> np.ndarray:
    """Return the losses of a training, and what was measured of it on held-out rows, that a bundle tells."""
    curve = json.loads((bundle / "manifest.json").read_text())["stages"][stage]["result"]["curve"]
    return np.array([value for _, value in [*curve["training_loss"], *curve["held_out"]]])


TWO = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")
BY_ACCELERATE = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1")
"""Without a GPU accelerate starts one process alone, unless it is told that there are several to be started."""


@pytest.mark.parametrize("launcher", [TWO, BY_ACCELERATE], ids=["torchrun", "accelerate"])
def test_two_processes_give_the_weights_of_one_with_twice_the_batch(tmp_path: Path, launcher: tuple[str, ...]) -> None:
    both = run(tmp_path, "builtin:toy-en", "two", (32, 8), *launcher)
    assert both.returncode == 0, both.stderr
    assert both.stderr.count("saved two") == 1, "one of them writes and speaks"
    assert both.stderr.count("perplexity") == 1
    one = run(tmp_path, "builtin:toy-en", "one", (64, 16))
    assert one.returncode == 0, one.stderr
    for stage in ("sentences", "generation"):
        expected, found = (recorded_losses(tmp_path / name, stage) for name in ("one", "two"))
        assert len(expected) > 12
        np.testing.assert_allclose(found, expected, rtol=1e-3, err_msg=stage)
    # Adam takes the sign of a gradient near zero from its last bit, so a few weights differ by a step.
    for part, tolerance in (("encoder", 1e-4), ("generator", 5e-4)):
        expected, found = (map_tensors(tmp_path / name / part / "model.safetensors") for name in ("one", "two"))
        assert expected.keys() == found.keys()
        for name, tensor in expected.items():
            assert np.quantile(np.abs(found[name] - tensor), 0.9) < tolerance, (part, name)


def test_a_run_that_fails_ends_in_every_process(tmp_path: Path) -> None:
    both = run(tmp_path, "none.txt", "two", (32, 8), *TWO)
    assert both.returncode != 0
    assert both.stderr.count("Error: none.txt") == 1
    assert not (tmp_path / "two").exists()


def test_a_launcher_is_known_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert launched() == (0, 1)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert launched() == (1, 2)

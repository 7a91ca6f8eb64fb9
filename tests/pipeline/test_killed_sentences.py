"""SIGKILL amid `embedpipe train sentences`: the same command again ends with the bytes of an uninterrupted training."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedpipe.pipeline.imported import import_vectors

PROGRAM = Path(__file__).with_name("killed_sentences.py")
N = 24


@pytest.fixture
def first(tmp_path: Path) -> tuple[Path, str]:
    """A bundle of imported words, and pairs of words that mean the same."""
    names = [f"{letter}{i}" for i in range(N) for letter in "ab"]
    table = np.random.default_rng(1).normal(size=(2 * N, 8))
    lines = [" ".join([name, *(f"{x:.5f}" for x in row)]) for name, row in zip(names, table, strict=True)]
    (tmp_path / "words.txt").write_text("\n".join(lines) + "\n")
    import_vectors(tmp_path / "words.txt", tmp_path / "first" / "b")
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("text_a\ttext_b\n" + "".join(f"a{i}\tb{i}\n" for i in range(N)))
    return tmp_path / "first" / "b", str(pairs)


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, PROGRAM, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)


def test_a_killed_training_goes_on(first: tuple[Path, str], tmp_path: Path) -> None:
    bundle, pairs = first
    killed = program(bundle, pairs, tmp_path / "notes", 5)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    checkpoint = bundle.with_name("b.work") / "sentences.checkpoint"
    assert json.loads((checkpoint / "checkpoint.json").read_text())["step"] == 4
    assert not (bundle / "encoder").exists(), "the bundle is as it was"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_wherever_it_is_killed_the_same_command_gives_the_same_bytes(first: tuple[Path, str], tmp_path: Path) -> None:
    bundle, pairs = first
    done = program("every", bundle, pairs, tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    whole = report.pop("whole")
    assert whole["ended"] == [[0, ""]]
    went_on = set()
    for point, found in report.items():
        assert found["ended"][0] == [signal.SIGKILL, ""], point
        assert found["made"] == whole["made"], point
        assert [ended for ended, _ in found["ended"][1:]] == [0], point
        assert found["left"] == whole["left"], point
        went_on.add(found["ended"][1][1])
    assert went_on >= {"", "goes on after step 1", "goes on after step 7"}

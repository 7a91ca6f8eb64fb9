"""Hundreds of thousands of lines pass through `encode` in constant memory, and a kill on the way costs nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embedpipe.bundle.folder import sha256_of

pytestmark = pytest.mark.slow

N_LINES, N_FEWER = 300_000, 30_000
GROWTH = 60 * 2**20
"""The texts alone, held in memory, would be 70 MB, their vectors 58 MB."""
PROGRAM = """
import resource, sys
from embedpipe.cli import main
try:
    main()
finally:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak if sys.platform == "darwin" else 1024 * peak)
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> Path:
    """Lines of some 180 characters, no two of them the same."""
    path = tmp_path_factory.mktemp("lines") / "lines.txt"
    kinds = ["the king and the queen live in the old palace", "the doctor sees a patient", "zzzqx", "a ship at sea"]
    with open(path, "w") as file:
        for i in range(N_LINES):
            file.write(f"{i} {' ; '.join(kinds[(i + j) % 4] for j in range(7))}\n")
    return path


def command(bundle: Path, source: Path, output: Path, *options: str) -> list[str]:
    verb = ["encode", str(bundle), str(source), "--with", "words", "-o", str(output), *options]
    return [sys.executable, "-c", PROGRAM, *verb]


def peak(command: list[str]) -> int:
    """Run a command and return the largest memory that it held, in bytes."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def killed_after(lines: int, command: list[str], record: Path) -> int:
    """Kill a command once it has recorded so many lines; return how many it had."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if record.exists() and (done := json.loads(record.read_text())["done"]["lines"]) >= lines:
                os.kill(process.pid, signal.SIGKILL)
                return int(done)
            time.sleep(0.01)
    raise AssertionError("it ended before it could be killed")


@pytest.mark.parametrize("ending", ["npy", "jsonl", "parquet"])
def test_memory_does_not_grow_and_a_kill_changes_no_byte(toy_bundle, lines: Path, tmp_path: Path, ending: str) -> None:
    fewer, whole, killed = (tmp_path / f"{name}.{ending}" for name in ("fewer", "whole", "killed"))
    few = tmp_path / "fewer.txt"
    with open(lines) as source, open(few, "w") as file:
        file.writelines(next(source) for _ in range(N_FEWER))
    bundle = toy_bundle.path
    grown = peak(command(bundle, lines, whole)) - peak(command(bundle, few, fewer))
    assert grown < GROWTH, f"{grown / 2**20:.0f} MB more for ten times the lines"

    record = tmp_path / f".killed.{ending}.part.json"
    assert N_LINES / 3 <= killed_after(N_LINES // 3, command(bundle, lines, killed), record) < N_LINES
    assert not killed.exists()
    subprocess.run(command(bundle, lines, killed, "--resume"), capture_output=True, check=True)
    assert sha256_of(killed) == sha256_of(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in (few, fewer, whole, killed))

"""A kill at any moment: the bundle that stood there stays whole, and the same command finishes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

OLD, NEW = [1, []], [2, []]
REFUSED = "refused without --force"
EXPECTED = {
    "text": (OLD, [REFUSED, "text", "words", "generation"]),
    "words": (OLD, [REFUSED, "words", "generation"]),
    "generation": (OLD, [REFUSED, "generation"]),
    "before the swap": (OLD, [REFUSED]),
    "between two renames": ([None, []], [REFUSED]),
    "after the swap": (NEW, []),
}
"""Where the kill falls: what stands there afterwards, and what the same command then has to make."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> dict:
    """What `killed_runs.py` found."""
    folder = tmp_path_factory.mktemp("killed")
    corpus = folder / "corpus.txt"
    sentences = [f"the {a} sees the {b} near the sea ." for a in ("cat", "dog") for b in ("bird", "fish")]
    corpus.write_text("\n\n".join(f"number {i} : {sentences[i % 4]} {sentences[i % 3]}" for i in range(100)))
    command = [sys.executable, Path(__file__).with_name("killed_runs.py"), corpus, folder, *EXPECTED]
    result = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and swaps folders in one step")
@pytest.mark.parametrize("point", EXPECTED)
def test_a_kill_loses_nothing(killed: dict, point: str) -> None:
    after_kill, made = EXPECTED[point]
    found = killed[point]
    assert found["ended"] == signal.SIGKILL
    assert found["after_kill"] == after_kill
    assert found["made"] == made
    assert found["at_last"] == NEW
    assert found["left"] == ["b", "b.work"]
    assert found["work"] == ["embedpipe.lock", "generation", "text", "words"]

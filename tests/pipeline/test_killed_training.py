"""SIGKILL amid a training of `embedpipe run`: the same command goes on, to the same bytes as uninterrupted."""

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="forks")]
WORK = ["embedpipe.lock", "generation", "sentences", "text", "words"]


def test_a_killed_training_ends_with_the_same_bytes(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    sentences = [f"the {a} sees the {b} near the sea ." for a in ("cat", "dog") for b in ("bird", "fish")]
    corpus.write_text("\n\n".join(f"number {i} : {sentences[i % 4]} {sentences[i % 3]}" for i in range(60)))
    command = [sys.executable, Path(__file__).with_name("killed_trainings.py"), corpus, tmp_path]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["whole"] == [0, []]
    if find_spec("tensorboard"):
        assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["generation", "sentences"]
    assert report["killed in sentences"] == [signal.SIGKILL, []]
    assert report["killed again"] == [signal.SIGKILL, ["sentences goes on after step 6"]]
    assert report["killed in generation"] == [signal.SIGKILL, ["sentences goes on after step 10"]]
    assert report["at last"] == [0, ["generation goes on after step 6"]]
    assert report["anew"] == [0, []]
    assert report["hashes whole"] == report["hashes killed"] == report["hashes anew"]
    assert report["work whole"] == report["work killed"] == report["work anew"] == WORK

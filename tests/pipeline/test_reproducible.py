"""``--reproducible``: the same bytes from two processes that share nothing but the settings."""

import json
import os
import subprocess
import sys
from pathlib import Path

WEIGHTS = ("words.safetensors", "encoder/model.safetensors", "generator/model.safetensors", "vocabulary.json")
SETTINGS = [
    "words.dim=16",
    "words.epochs=1",
    "words.beside_epochs=1",
    "sentences.hidden=8",
    "sentences.steps=5",
    "sentences.batch=16",
    "generation.hidden=8",
    "generation.steps=5",
    "generation.batch=8",
]


def run(target: Path, hash_seed: str) -> None:
    args = ["run", "builtin:toy-en", "-o", str(target), "--preset=tiny", "--reproducible", "--seed=3"]
    args += ["--stages=sentences,generation", *(f"--set={setting}" for setting in SETTINGS)]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    subprocess.run([sys.executable, "-m", "embedpipe", *args], env=environment, check=True, capture_output=True)


def test_two_processes_give_the_same_bytes(tmp_path: Path) -> None:
    run(tmp_path / "one", "1")
    run(tmp_path / "two", "2")
    for name in WEIGHTS:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    assert manifest["reproducible"] is True
    assert "one Word2Vec worker" in manifest["reproducible_reason"]

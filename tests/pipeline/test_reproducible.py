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
    "sentences.batch=64",
    "generation.hidden=8",
    "generation.steps=5",
    "generation.batch=8",
]


def start(source: Path, target: Path, hash_seed: str) -> subprocess.Popen[bytes]:
    args = ["run", str(source), "-o", str(target), "--preset=tiny", "--reproducible", "--seed=3"]
    args += ["--stages=sentences,generation", *(f"--set={setting}" for setting in SETTINGS)]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", "embedpipe", *args], env=environment, stderr=subprocess.PIPE)


def test_two_processes_give_the_same_bytes(few_documents: Path, tmp_path: Path) -> None:
    running = [start(few_documents, tmp_path / name, seed) for name, seed in (("one", "1"), ("two", "2"))]
    for process in running:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
    for name in WEIGHTS:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    assert manifest["reproducible"] is True
    assert "one Word2Vec worker" in manifest["reproducible_reason"]

"""Shared by all tests: a small text, one small bundle of the toy corpus, and the command line in this process."""

import fcntl
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "2")

ONE_TRAINING = {
    "architecture": "skipgram",
    "negatives": 8,
    "subsample": 1e-3,
    "beside": "none",
    "steps": ["whiten:0.5"],
}
TOY_SETTINGS = {
    "words": {**ONE_TRAINING, "dim": 48, "epochs": 12, "window": 4},
    "sentences": {"hidden": 32, "steps": 40, "batch": 64},
    "generation": {"hidden": 48, "steps": 200, "batch": 16, "bptt": 24},
    "probes": {
        "tasks": ["wordsim353", "simlex999", "analogies", "lee", "documents", "bigram-shift"],
        "bootstrap": 200,
        "folds": 3,
        "seeds": 1,
        "max_documents": 8,
        "sentences_per_document": 10,
        "sentences_per_task": 60,
        "map_words": 80,
        "map_sentences": 48,
    },
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked ``gpu`` where there is none."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@dataclass(frozen=True)
class Outcome:
    """What one call of the command line gave."""

    exit_code: int
    out: str
    err: str


@pytest.fixture
def embedpipe_cli(capfd, monkeypatch) -> Callable[..., Outcome]:
    """Call the command line in this process with its own exit code, stdout and stderr."""
    from embedpipe.cli import main

    def call(*args: object) -> Outcome:
        monkeypatch.setattr("sys.argv", ["embedpipe", *map(str, args)])
        capfd.readouterr()
        handler = signal.getsignal(signal.SIGINT)
        with pytest.raises(SystemExit) as stop:
            main()
        signal.signal(signal.SIGINT, handler)
        captured = capfd.readouterr()
        return Outcome(int(stop.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def few_documents(tmp_path_factory) -> Path:
    """The first documents of the toy corpus as a file: for tests of what a run does, not of what it finds."""
    from embedpipe.text.toy import toy_corpus

    path = tmp_path_factory.mktemp("few") / "few.txt"
    path.write_text("\n\n".join(document.text for document in toy_corpus("en", n_documents=60)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def toy_settings() -> dict:
    """What the toy bundle is made with."""
    return TOY_SETTINGS


@pytest.fixture(scope="session")
def toy_bundle(tmp_path_factory):
    """The main job on the toy corpus, every stage, small."""
    import embedpipe

    # The workers of one call of pytest share it: the first one to come makes it, and the others wait.
    shared = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    base = tmp_path_factory.getbasetemp().parent if shared else tmp_path_factory.mktemp("toy")
    folder = base / f"toy-{shared or 'alone'}"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = embedpipe.run(
            ["builtin:toy-en"], folder / "made" / "toy.bundle", preset="tiny", settings=TOY_SETTINGS, seed=7
        )
    if not shared:
        return made
    own = tmp_path_factory.mktemp("toy")
    shutil.copytree(folder / "made", own, dirs_exist_ok=True)
    return embedpipe.load(own / "toy.bundle")


@pytest.fixture(scope="session")
def toy_work(toy_bundle) -> Path:
    """The working folder beside the toy bundle."""
    return toy_bundle.path.with_name(toy_bundle.path.name + ".work")

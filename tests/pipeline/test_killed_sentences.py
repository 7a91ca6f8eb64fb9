"""SIGKILL amid `embedpipe train sentences`: the same command again ends with the bytes of an uninterrupted training."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from embedpipe.bundle.folder import BundleFolder
from embedpipe.errors import OutputError
from embedpipe.pipeline.changed import save_changed
from embedpipe.pipeline.imported import import_vectors
from embedpipe.pipeline.train_sentences import train_sentences
from embedpipe.runtime import Event, Saved, Step, UpToDate

PROGRAM = Path(__file__).with_name("killed_sentences.py")
N = 24
SETTINGS = {
    "hidden": 6,
    "beside": 0,
    "steps": 8,
    "batch": 8,
    "dropout": 0.2,
    "word_p": 0.1,
    "ema": 0.5,
    "learning_rate": 0.01,
}
"""Those of the program."""
TRAIN = "embedpipe.pipeline.train_sentences"


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


class Killed(BaseException):
    """In place of a signal, where this process is to live."""


def again(bundle: Path, pairs: str, output: Path | None = None, **changed: object) -> tuple[Path, list[Event]]:
    """Return where a training in this process left its bundle, and what it told."""
    told: list[Event] = []
    settings = {"sentences": {**SETTINGS, **changed}}
    made = train_sentences(bundle, pairs=[pairs], output=output, settings=settings, listener=told.append)
    return made.path, told


def killed_while_saving(
    monkeypatch: pytest.MonkeyPatch, *arguments: object, after: bool, **settings: object
) -> Callable[..., tuple[Path, list[Event]]]:
    """Train, and die before or after the new bundle stands; return what makes the same call again."""

    def save(*given: object) -> None:
        if after:
            save_changed(*given)
        raise Killed

    call = partial(again, *arguments, **settings)
    with monkeypatch.context() as patched:
        patched.setattr(f"{TRAIN}.save_changed", save)
        with pytest.raises(Killed):
            call()
    return call


def test_a_training_to_an_output_that_was_killed_in_its_last_moment_is_finished(
    first: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, pairs = first
    output = tmp_path / "new"
    call = killed_while_saving(monkeypatch, bundle, pairs, output, after=True)
    made = (output / "manifest.json").read_bytes()
    with pytest.raises(OutputError, match="a bundle stands there already"):
        again(bundle, pairs, output, steps=9)
    assert (output / "manifest.json").read_bytes() == made
    monkeypatch.setattr(f"{TRAIN}.text_beside", lambda _: SimpleNamespace(path=tmp_path / "t"))
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "record.json").write_text("{}")
    assert call()[1] == [UpToDate("bundle", str(output))]
    assert (output / "manifest.json").read_bytes() == made
    left = {path.name for path in (tmp_path / "new.work").iterdir()} - {"embedpipe.lock"}
    assert left == {"text"}, "it is shared, and no checkpoint is left"
    with pytest.raises(OutputError, match="a bundle stands there already"):
        call()


def test_an_encoder_that_training_leaves_as_it_is_is_swapped_in_all_the_same(
    first: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, pairs = first
    again(bundle, pairs, steps=1)
    before, encoder = (bundle / "manifest.json").read_bytes(), (bundle / "encoder" / "model.safetensors").read_bytes()
    call = killed_while_saving(monkeypatch, bundle, pairs, after=False, steps=0)
    assert (bundle / "manifest.json").read_bytes() == before
    assert call()[1][-1] == Saved("bundle", str(bundle))
    assert (bundle / "encoder" / "model.safetensors").read_bytes() == encoder
    assert len(BundleFolder(bundle).manifest.stages["sentences"].result["went_on"]) == 2
    assert not bundle.with_name("b.work").exists()


def test_a_killed_training_goes_on(first: tuple[Path, str], tmp_path: Path) -> None:
    bundle, pairs = first
    whole = again(bundle, pairs, tmp_path / "whole")[0]
    killed = program(bundle, pairs, tmp_path / "notes", 5)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    checkpoint = bundle.with_name("b.work") / "sentences.checkpoint"
    assert json.loads((checkpoint / "checkpoint.json").read_text())["step"] == 4
    assert not (bundle / "encoder").exists(), "the bundle is as it was"
    notes = [event.note for event in again(bundle, pairs)[1] if isinstance(event, Step)]
    assert notes[0] == "goes on after step 4"
    for name in ("encoder/model.safetensors", "encoder/config.json", "config.toml"):
        assert (bundle / name).read_bytes() == (whole / name).read_bytes(), name


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

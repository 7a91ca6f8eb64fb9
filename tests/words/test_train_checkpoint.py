"""An interrupted training goes on from its last epoch, to the same bytes, and never from another training's."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedpipe.config import WordsConfig
from embedpipe.runtime import Step
from embedpipe.words import checkpoint as module
from embedpipe.words.checkpoint import load_checkpoint, save_checkpoint
from embedpipe.words.train import TrainedWords, train_words

SMALL = WordsConfig(dim=8, epochs=4, window=3, subsample=1e-2, buckets=60)
TABLE = {"vectors": np.arange(6, dtype=np.float32).reshape(3, 2)}
SHAPES = {"vectors": (3, 2)}


def same(one: TrainedWords, other: TrainedWords) -> bool:
    names = ("vectors", "contexts", "subwords", "own")
    tables = [(getattr(one, name), getattr(other, name)) for name in names]
    equal = all(a is b if a is None else np.array_equal(a, b) for a, b in tables)
    return equal and (one.losses, one.kept_epoch) == (other.losses, other.kept_epoch)


class StopAfter:
    """A listener that interrupts the training after an epoch, and remembers what it was told."""

    def __init__(self, epoch: int) -> None:
        self.epoch, self.steps = epoch, []

    def __call__(self, event) -> None:
        if isinstance(event, Step):
            self.steps.append((event.done, event.note))
            if event.done == self.epoch and "words/s" in event.note:
                raise KeyboardInterrupt


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"subwords": True},
        {"architecture": "cbow", "objective": "hierarchical"},
    ],
)
@pytest.mark.parametrize("epoch", [1, 3])
def test_an_interrupted_training_goes_on_to_the_same_bytes(corpus, held_out, tmp_path, changes, epoch) -> None:
    path, vocabulary = corpus
    config = SMALL.model_copy(update=changes)

    def train(**options) -> TrainedWords:
        return train_words(path, vocabulary, 1_500, config, held_out=held_out, seed=3, workers=1, **options)

    whole = train()
    stop = StopAfter(epoch)
    with pytest.raises(KeyboardInterrupt):
        train(checkpoint=tmp_path / "kept", listener=stop)
    went_on = StopAfter(0)
    assert same(train(checkpoint=tmp_path / "kept", listener=went_on), whole)
    assert went_on.steps[0] == (epoch, f"goes on after epoch {epoch}")
    assert [done for done, _ in went_on.steps] == list(range(epoch, len(whole.losses) + 1))
    again = StopAfter(0)
    assert same(train(checkpoint=tmp_path / "kept", listener=again), whole)
    assert [done for done, _ in again.steps] == [len(whole.losses)], "what is finished is not trained again"


def test_the_best_epoch_is_kept_through_an_interrupt(corpus, make_store, tmp_path) -> None:
    """The held-out text puts together what the training text keeps apart: the first epoch is the best."""
    path, vocabulary = corpus
    mixed = make_store(tmp_path / "store", vocabulary, [f"a{i} b{j}" for i in range(1, 6) for j in range(1, 6)] * 20)
    config = SMALL.model_copy(update={"epochs": 9, "subsample": 0, "patience": 3, "learning_rate": 0.05})

    def train(**options) -> TrainedWords:
        return train_words(path, vocabulary, 1_500, config, held_out=mixed, seed=3, workers=1, **options)

    whole = train()
    assert whole.kept_epoch < len(whole.losses) - 3
    with pytest.raises(KeyboardInterrupt):
        train(checkpoint=tmp_path / "kept", listener=StopAfter(whole.kept_epoch + 1))
    assert same(train(checkpoint=tmp_path / "kept"), whole)


def test_a_killed_process_goes_on_to_the_same_bytes(corpus, tmp_path) -> None:
    path, vocabulary = corpus
    vocabulary.save(tmp_path / "vocabulary.json")
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from embedpipe.config import WordsConfig\nfrom embedpipe.runtime import Step\n"
        "from embedpipe.text.vocabulary import Vocabulary\nfrom embedpipe.words import checkpoint\n"
        "from embedpipe.words.train import train_words\n"
        "flush, path, folder, config = checkpoint.flush, *map(Path, sys.argv[1:3]), sys.argv[3]\n"
        "def die_between(file):\n"
        "    flush(file)\n"
        "    if file.name == 'epoch-3.safetensors':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "checkpoint.flush = die_between\n"
        "train_words(path, Vocabulary.load(folder / 'vocabulary.json'), 1_500,\n"
        "    WordsConfig.model_validate_json(config), held_out=None, seed=3, workers=1, checkpoint=folder / 'kept')\n"
    )
    arguments = [sys.executable, "-c", code, str(path), str(tmp_path), SMALL.model_dump_json()]
    assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
    assert sorted(file.name for file in (tmp_path / "kept").iterdir()) == [
        "checkpoint.json", "epoch-2.safetensors", "epoch-3.safetensors"
    ]  # fmt: skip
    listener = StopAfter(0)
    resumed, whole = (
        train_words(path, vocabulary, 1_500, SMALL, held_out=None, seed=3, workers=1, checkpoint=folder,
                    listener=listener)
        for folder in (tmp_path / "kept", None)
    )  # fmt: skip
    assert listener.steps[0] == (2, "goes on after epoch 2")
    assert same(resumed, whole)
    assert sorted(file.name for file in (tmp_path / "kept").iterdir()) == ["checkpoint.json", "epoch-4.safetensors"]


def test_a_checkpoint_of_another_training_is_replaced(corpus, held_out, tmp_path) -> None:
    path, vocabulary = corpus
    kept, other_text = tmp_path / "kept", tmp_path / "other.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    other_text.write_text("\n".join([*lines[1:], lines[0]]) + "\n", encoding="utf-8")
    first = tmp_path / "first"
    with pytest.raises(KeyboardInterrupt):
        train_words(
            path, vocabulary, 1_500, SMALL, held_out=held_out, seed=3, workers=1, checkpoint=first,
            listener=StopAfter(2),
        )  # fmt: skip
    for text, config, seed, store in [
        (other_text, SMALL, 3, held_out),
        (path, SMALL.model_copy(update={"window": 2}), 3, held_out),
        (path, SMALL, 4, held_out),
        (path, SMALL, 3, None),
    ]:
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(first, kept)
        listener = StopAfter(1)
        with pytest.raises(KeyboardInterrupt):
            train_words(
                text, vocabulary, 1_500, config, held_out=store, seed=seed, workers=1, checkpoint=kept,
                listener=listener,
            )  # fmt: skip
        assert listener.steps[0] == (0, "begins anew: the epochs kept are of other text or settings, or damaged")
        assert [step for step, _ in listener.steps] == [0, 1]
        assert json.loads((kept / "checkpoint.json").read_text())["epoch"] == 1
    # What is done with the vectors afterwards does not matter to their training.
    listener = StopAfter(3)
    published = {"steps": ("unit",), "sif_a": 1e-2, "shortest_ngram": 1, "longest_ngram": 4, "buckets": 70}
    published = SMALL.model_copy(update=published)
    with pytest.raises(KeyboardInterrupt):
        train_words(
            path, vocabulary, 1_500, published, held_out=held_out, seed=3, workers=1, checkpoint=first,
            listener=listener,
        )  # fmt: skip
    assert listener.steps[0] == (2, "goes on after epoch 2")


def test_what_is_saved_is_loaded(tmp_path) -> None:
    later = {"vectors": TABLE["vectors"] + 1}
    save_checkpoint(tmp_path / "kept", "f", 1, [0.5], TABLE, 1)
    save_checkpoint(tmp_path / "kept", "f", 2, [0.5, 0.75], later, 1)
    found = load_checkpoint(tmp_path / "kept", "f", SHAPES)
    assert (found.epoch, found.losses) == (2, [0.5, 0.75])
    assert np.array_equal(found.tables["vectors"], later["vectors"])
    assert np.array_equal(found.best["vectors"], TABLE["vectors"])
    save_checkpoint(tmp_path / "kept", "f", 3, [0.5, 0.75, 0.25], later, 3)
    assert sorted(file.name for file in (tmp_path / "kept").iterdir()) == ["checkpoint.json", "epoch-3.safetensors"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "checkpoint.json").write_text("{"),
        lambda folder: (folder / "checkpoint.json").write_text('{"fingerprint": "f", "epoch": 1}'),
        lambda folder: (folder / "checkpoint.json").write_text("[]"),
        lambda folder: (folder / "epoch-1.safetensors").unlink(),
        lambda folder: (folder / "epoch-1.safetensors").write_bytes(
            (folder / "epoch-1.safetensors").read_bytes()[:-1]
        ),
        lambda folder: shutil.rmtree(folder),
    ],
)  # fmt: skip
def test_nothing_damaged_is_loaded(tmp_path: Path, damage) -> None:
    folder = tmp_path / "kept"
    save_checkpoint(folder, "f", 1, [], TABLE, 1)
    assert load_checkpoint(folder, "f", SHAPES) is not None
    assert load_checkpoint(folder, "g", SHAPES) is None
    assert load_checkpoint(folder, "f", {"vectors": (3, 3)}) is None
    damage(folder)
    assert load_checkpoint(folder, "f", SHAPES) is None


@pytest.mark.parametrize("moment", range(4))
def test_a_fault_while_saving_leaves_a_whole_checkpoint(tmp_path, monkeypatch, moment) -> None:
    """Each flush stands for a moment: before the last but one the old checkpoint counts, then the new one."""
    folder, calls = tmp_path / "kept", []
    save_checkpoint(folder, "f", 1, [], TABLE, 1)

    def fail(path: Path) -> None:
        calls.append(path)
        if len(calls) > moment:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "flush", fail)
    later = {"vectors": TABLE["vectors"] + 1}
    if moment < 3:
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(folder, "f", 2, [], later, 2)
    else:
        save_checkpoint(folder, "f", 2, [], later, 2)
    found = load_checkpoint(folder, "f", SHAPES)
    assert found.epoch == (1 if moment < 2 else 2)
    assert np.array_equal(found.tables["vectors"], TABLE["vectors"] + found.epoch - 1)

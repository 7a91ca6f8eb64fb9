"""An interrupted run keeps the epochs of the words that are finished, and the same command goes on after them."""

import shutil
from pathlib import Path

import pytest

import embedpipe
from embedpipe.runtime import Event, Listener, StageFinished, Step, Stopped, silent

SETTINGS = {"text": {"deduplicate": "none"}, "words": {"dim": 8, "epochs": 3, "window": 2, "beside": "none"}}


def run(folder: Path, listener: Listener = silent, name: str = "b") -> embedpipe.Bundle:
    corpus = folder / "corpus.txt"
    sentences = [f"the {a} sees the {b} near the sea ." for a in ("cat", "dog") for b in ("bird", "fish")]
    corpus.write_text("\n\n".join(f"number {i} : {sentences[i % 4]} {sentences[i % 3]}" for i in range(100)))
    return embedpipe.run(
        [str(corpus)], folder / name, preset="tiny", settings=SETTINGS, stages=["words"], listener=listener
    )


def test_finished_epochs_are_kept_until_the_stage_is_finished(tmp_path: Path) -> None:
    events: list[Event] = []

    def interrupt(event: Event) -> None:
        events.append(event)
        if event == Step("words", 2, getattr(event, "note", "")):
            raise KeyboardInterrupt

    work = tmp_path / "b.work"
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupt)
    assert events[-1] == Stopped(
        "words",
        "interrupted; the stages before it and its checkpoint are kept, the same command goes on here",
    )
    assert sorted(file.name for file in (work / "words.checkpoint" / "run-0").iterdir()) == [
        "checkpoint.json", "epoch-2.safetensors"
    ]  # fmt: skip

    again: list[Event] = []
    run(tmp_path, again.append)
    steps = [event for event in again if isinstance(event, Step) and event.stage == "words"]
    assert steps[0] == Step("words", 2, "goes on after epoch 2")
    assert [step.done for step in steps] == [2, 3]
    assert sorted(path.name for path in work.iterdir()) == ["embedpipe.lock", "text", "words"]

    whole = run(tmp_path, name="whole")
    name = "words.safetensors"
    assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert [len(losses) for losses in whole.manifest.stages["words"].result["held_out_losses"]] == [3]


def test_a_checkpoint_left_by_a_kill_after_the_stage_is_removed(tmp_path: Path) -> None:
    run(tmp_path)
    kept = tmp_path / "b.work" / "words.checkpoint"
    kept.mkdir()
    (kept / "checkpoint.json").write_text("{}")
    shutil.rmtree(tmp_path / "b")
    made: list[Event] = []
    run(tmp_path, made.append)
    assert not [event for event in made if isinstance(event, StageFinished)]
    assert not kept.exists()

"""What TensorBoard reads is what the training told."""

from pathlib import Path

import pytest

from embedpipe.errors import MissingExtraError, OutputError
from embedpipe.integrations.tensorboard import Plots
from embedpipe.runtime import Evaluated, Saved, Step

pytestmark = pytest.mark.extra


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_numbers_are_written_by_stage_and_a_resumed_training_replaces_later_ones(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with Plots(tmp_path / "logs") as plots:
        for event in (Evaluated("a", "score", 3.0, 0), Step("a", 1, "loss", 1.5), Step("a", 4, "", 1.25), Step("b", 7)):
            plots(event)
        plots(Saved("a", "somewhere"))
    assert read(tmp_path / "logs" / "a") == {"score": [(0, 3.0)], "training loss": [(1, 1.5), (4, 1.25)]}
    assert not (tmp_path / "logs" / "b").exists()
    with Plots(tmp_path / "logs") as plots:
        plots(Step("a", 2, "goes on after step 2", 1.0))
    assert read(tmp_path / "logs" / "a")["training loss"] == [(1, 1.5), (2, 1.0)]


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"embedpipe\[tensorboard\]"):
        Plots(tmp_path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="no folder can be made here"):
        Plots(tmp_path / "file" / "logs")

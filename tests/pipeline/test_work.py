"""The working folder: a stage counts as finished only while every byte of it is what was written."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from embedpipe.bundle.folder import BundleFolder
from embedpipe.bundle.manifest import FileEntry, Manifest, StageRecord
from embedpipe.bundle.save import save_bundle
from embedpipe.errors import OutputError
from embedpipe.pipeline.work import WorkFolder

RECORD = StageRecord("f" * 64, "done", 1.5, {"words": 3}, True, "cuda", 2, {"gensim": "4.4"})
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def work(tmp_path: Path) -> WorkFolder:
    """A working folder with one finished stage, words."""
    work = WorkFolder(tmp_path / "b")
    finish_words(work)
    return work


def finish_words(work: WorkFolder) -> None:
    with work.writing("words") as partial:
        (partial / "words.safetensors").write_text("abc")
        (partial / "words.json").write_text("abc")
        (partial / "more").mkdir()
        (partial / "more" / "notes.txt").write_text("more")
        work.finish("words", partial, RECORD)


def test_a_finished_stage_has_its_record_and_its_hashes(work: WorkFolder) -> None:
    assert work.record("words") == RECORD
    assert work.record("text") is None
    assert work.entries(["text", "words"]) == dict.fromkeys(("words.safetensors", "words.json"), FileEntry(3, ABC))


@pytest.mark.parametrize(
    "damage",
    [
        lambda stage: (stage / "words.safetensors").unlink(),
        lambda stage: (stage / "words.safetensors").write_text("ab"),
        lambda stage: (stage / "words.safetensors").write_text("abd"),
        lambda stage: (stage / "more" / "notes.txt").unlink(),
        lambda stage: (stage / "more" / "notes.txt").write_text("mere"),
        lambda stage: (stage / "stage.json").write_text("{"),
        lambda stage: (stage / "stage.json").write_text('{"record": {}, "files": {}}'),
        lambda stage: (stage / "stage.json").write_text("[]"),
    ],
)
def test_a_damaged_stage_is_not_finished(work: WorkFolder, damage: Callable[[Path], object]) -> None:
    damage(work.stage("words"))
    assert work.record("words") is None
    finish_words(work)
    assert work.record("words") == RECORD


def test_leftovers_are_removed_and_a_stage_set_aside_comes_back(work: WorkFolder) -> None:
    (work.path / "embedpipe.lock").touch()
    work.stage("words").rename(work.path / ".words.embedpipe-old")
    (work.path / "words.partial").mkdir()
    with work.locked():
        assert work.record("words") == RECORD
    assert sorted(path.name for path in work.path.iterdir()) == ["embedpipe.lock", "words"]


@pytest.mark.parametrize("optional", [[], ["training.safetensors"]])
@pytest.mark.parametrize(("content", "found"), [("abc", RECORD), ("abd", None)])
def test_only_what_a_bundle_was_saved_with_is_taken_back(
    tmp_path: Path, content: str, found: StageRecord | None, optional: list[str]
) -> None:
    source = tmp_path / "source"
    source.write_text("abc")
    names = ["words.safetensors", "words.json", *optional]

    def manifest(files: dict[str, FileEntry]) -> Manifest:
        return Manifest("test", "test", "tiny", 1, True, "planted", [], {}, {"words": RECORD}, {}, files)

    save_bundle(tmp_path / "b", dict.fromkeys(names, source), manifest)
    (tmp_path / "b" / "words.safetensors").write_text(content)
    work = WorkFolder(tmp_path / "b")
    assert work.restore("words", BundleFolder(tmp_path / "b")) == found
    assert work.record("words") == found
    assert sorted(work.entries(["words"])) == (sorted(names) if found else [])


def test_a_full_disk_is_one_clear_line(work: WorkFolder) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "chunk.npy")
    clear = pytest.raises(OutputError, match=r"chunk\.npy: No space left on device: free some space and run the same")
    with clear, work.writing("text"):
        raise full
    assert not (work.path / "text.partial").exists()
    assert work.record("words") == RECORD
    with pytest.raises(OSError, match="Permission denied"), work.writing("text"):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), "chunk.npy")

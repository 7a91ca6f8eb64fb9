"""Damage between two runs: in the working folder, in the bundle, or while the bundle is put together."""

import shutil
from pathlib import Path

import pytest

import embedpipe
from embedpipe.bundle.folder import verify_bundle
from embedpipe.errors import OutputError
from embedpipe.pipeline.work import WorkFolder
from embedpipe.runtime import Event, StageFinished


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """A few words in many sentences."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    kinds = [
        f"the {a} sees the {b} near the {c} ."
        for a in ("cat", "dog")
        for b in ("bird", "fish")
        for c in ("sea", "hill")
    ]
    path.write_text("\n\n".join(f"number {i} : {kinds[i % 8]} {kinds[i % 7]}" for i in range(120)))
    return path


def run(corpus: Path, target: Path, *, window: int = 2, force: bool = False) -> list[str]:
    made: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, StageFinished):
            made.append(event.stage)

    settings = {"words": {"dim": 4, "epochs": 1, "window": window}, "text": {"deduplicate": "none"}}
    embedpipe.run(
        [str(corpus)], target, preset="tiny", settings=settings, stages=["words"], listener=listen, force=force
    )
    return made


def flip_last_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_a_damaged_working_folder_heals(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "b"
    assert run(corpus, target) == ["text", "words"]
    work = WorkFolder(target)
    flip_last_byte(work.stage("text") / "vocabulary.json")
    assert run(corpus, target, window=3, force=True) == ["text", "words"]
    shutil.rmtree(target)
    flip_last_byte(work.stage("words") / "words.safetensors")
    assert run(corpus, target, window=3) == ["words"]
    assert not [check for check in verify_bundle(target) if check.problem]


def test_damage_never_becomes_a_verified_bundle(corpus: Path, tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "b"
    run(corpus, target)
    before = (target / "manifest.json").read_bytes()
    entries = WorkFolder.entries

    def late_damage(work: WorkFolder, stages) -> dict:
        return {**entries(work, stages), "words.safetensors": entries(work, ["text"])["vocabulary.json"]}

    monkeypatch.setattr(WorkFolder, "entries", late_damage)
    with pytest.raises(OutputError, match=r"words\.safetensors changed after its stage wrote it; run the same command"):
        run(corpus, target, window=3, force=True)
    assert (target / "manifest.json").read_bytes() == before
    assert not [check for check in verify_bundle(target) if check.problem]


def test_a_bundle_behind_a_link_is_written_and_read(corpus: Path, tmp_path: Path) -> None:
    run(corpus, tmp_path / "real")
    link = tmp_path / "link"
    link.symlink_to("real", target_is_directory=True)
    assert embedpipe.load(link).words.dim == embedpipe.load(tmp_path / "real").words.dim
    assert {check.problem for check in verify_bundle(link)} == {""}
    assert run(corpus, link) == []
    assert run(corpus, link, window=3, force=True) == ["words"]
    assert link.is_symlink()
    assert not (tmp_path / "real").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real", "real.work"]


def test_the_folder_that_one_stands_in_is_not_swapped_away(corpus: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for output in (Path(), Path("/"), tmp_path.parent):
        with pytest.raises(OutputError, match="the current folder lies in it; choose a folder of its own, such as"):
            run(corpus, output)
    assert list(tmp_path.iterdir()) == []

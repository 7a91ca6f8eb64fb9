"""Saving, opening and verifying a bundle: whole or not at all, and nothing unlisted is ever read."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from embedpipe.bundle import save
from embedpipe.bundle.folder import BundleFolder, verify_bundle
from embedpipe.bundle.manifest import FORMAT_VERSION, Manifest, StageRecord, read_manifest
from embedpipe.bundle.save import remove_leftovers, save_bundle
from embedpipe.errors import BundleError


def make_bundle(tmp_path: Path, content: str = "one") -> Path:
    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    (source / "vocabulary.json").write_text(content)
    (source / "model.safetensors").write_text(content * 2)
    target = tmp_path / "b.bundle"
    files = {
        "vocabulary.json": source / "vocabulary.json",
        "encoder/config.json": source / "vocabulary.json",
        "encoder/model.safetensors": source / "model.safetensors",
    }
    record = StageRecord("f" * 64, "done", 1.0, {"tokens": 5})
    save_bundle(
        target,
        files,
        lambda entries: Manifest(
            created_by="embedpipe 0",
            command="test",
            preset="tiny",
            seed=1,
            reproducible=True,
            reproducible_reason="",
            sources=["s"],
            corpus={},
            stages={"text": record},
            scores={"wordsim353": 0.5},
            files=entries,
        ),
    )
    return target


def edit_manifest(bundle: Path, change) -> None:
    path = bundle / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_round_trip(tmp_path: Path) -> None:
    folder = BundleFolder(make_bundle(tmp_path))
    assert folder.file("vocabulary.json", "text").read_text() == "one"
    assert folder.folder("encoder", "sentences") == folder.path / "encoder"
    assert folder.manifest.stages["text"].result == {"tokens": 5}
    assert folder.manifest.scores == {"wordsim353": 0.5}
    assert [check.problem for check in verify_bundle(folder.path)] == ["", "", ""]


def test_a_part_that_was_not_made_says_how_to_make_it(tmp_path: Path) -> None:
    folder = BundleFolder(make_bundle(tmp_path))
    with pytest.raises(BundleError, match=r"has no words\.safetensors: the stage 'words'.*--stages text,words"):
        folder.file("words.safetensors", "words")


def test_replacing_leaves_only_the_new_one(tmp_path: Path) -> None:
    make_bundle(tmp_path, "one")
    target = make_bundle(tmp_path, "two")
    assert (target / "vocabulary.json").read_text() == "two"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.bundle", "source"]


@pytest.mark.parametrize("exchange", [True, False])
def test_replacing_without_an_exchange_in_the_system(tmp_path: Path, monkeypatch, exchange: bool) -> None:
    make_bundle(tmp_path, "one")
    if not exchange:
        monkeypatch.setattr(save, "_exchange", lambda one, other: False)
    target = make_bundle(tmp_path, "two")
    assert [check.problem for check in verify_bundle(target)] == ["", "", ""]
    assert (target / "vocabulary.json").read_text() == "two"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.bundle", "source"]


@pytest.mark.parametrize("n_calls", range(3))
def test_a_full_disk_leaves_the_old_bundle_whole(tmp_path: Path, monkeypatch, n_calls: int) -> None:
    target = make_bundle(tmp_path, "one")
    calls = []

    def full(source, copy):
        calls.append(copy)
        if len(calls) > n_calls:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(source, copy)

    real = shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        make_bundle(tmp_path, "two")
    assert (target / "vocabulary.json").read_text() == "one"
    assert all(not check.problem for check in verify_bundle(target))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.bundle", "source"]


def test_leftovers_of_a_kill_are_removed_and_a_bundle_set_aside_comes_back(tmp_path: Path) -> None:
    target = make_bundle(tmp_path)
    target.rename(tmp_path / ".b.bundle.embedpipe-old")
    (tmp_path / ".b.bundle.embedpipe-123").mkdir()
    (tmp_path / ".other.embedpipe-123").mkdir()
    remove_leftovers(target)
    assert BundleFolder(target).manifest.seed == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [".other.embedpipe-123", "b.bundle", "source"]


def test_truncated_file(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    (bundle / "vocabulary.json").write_text("on")
    with pytest.raises(BundleError, match=r"vocabulary\.json: it has 2 bytes, the manifest says 3"):
        BundleFolder(bundle)


def test_edited_file_of_the_same_size(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    (bundle / "vocabulary.json").write_text("two")
    BundleFolder(bundle)
    problems = {check.file: check.problem for check in verify_bundle(bundle)}
    assert "sha256" in problems.pop("vocabulary.json")
    assert set(problems.values()) == {""}


def test_missing_linked_and_unlisted_files(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    (bundle / "extra.txt").write_text("?")
    assert {c.file: c.problem for c in verify_bundle(bundle)}["extra.txt"] == "it is not listed in the manifest"
    (bundle / "vocabulary.json").unlink()
    with pytest.raises(BundleError, match=r"vocabulary\.json: the manifest lists it, but it is missing"):
        BundleFolder(bundle)
    (bundle / "vocabulary.json").symlink_to(tmp_path / "source" / "vocabulary.json")
    with pytest.raises(BundleError, match=r"vocabulary\.json: it is a link"):
        BundleFolder(bundle)


def test_a_link_to_the_folder_opens_and_one_inside_it_does_not(tmp_path: Path) -> None:
    bundle, link = make_bundle(tmp_path), tmp_path / "link"
    link.symlink_to(bundle.name, target_is_directory=True)
    assert BundleFolder(link).file("vocabulary.json", "text").read_text() == "one"
    assert {check.problem for check in verify_bundle(link)} == {""}
    (bundle / "encoder").rename(tmp_path / "encoder")
    (bundle / "encoder").symlink_to("../encoder", target_is_directory=True)
    with pytest.raises(BundleError, match=r"encoder/config\.json: it is a link"):
        BundleFolder(link)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b", "encoder/../x", ".hidden", "encoder/", "manifest.json", ""]
)
def test_a_manifest_that_lists_another_kind_of_name_is_refused(tmp_path: Path, name: str) -> None:
    bundle = make_bundle(tmp_path)
    edit_manifest(bundle, lambda m: m["files"].update({name: {"size": 1, "sha256": "0" * 64}}))
    with pytest.raises(BundleError, match="which no bundle holds"):
        read_manifest(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format_version=FORMAT_VERSION + 1), "reads up to format"),
        (lambda m: m.update(format_version="1"), "format_version is '1'"),
        (lambda m: m.update(format="tar"), "not the manifest of an embedpipe bundle"),
        (lambda m: m.pop("files"), "damaged manifest"),
        (lambda m: m.update(files=[]), "damaged manifest"),
        (lambda m: m.update(surprise=1), "damaged manifest"),
        (lambda m: m["files"]["vocabulary.json"].update(size=-1), "size or sha256"),
        (lambda m: m["files"]["vocabulary.json"].update(sha256="xyz"), "size or sha256"),
    ],
)
def test_a_foreign_edited_or_newer_manifest_is_refused(tmp_path: Path, change, message: str) -> None:
    bundle = make_bundle(tmp_path)
    edit_manifest(bundle, change)
    with pytest.raises(BundleError, match=message):
        read_manifest(bundle)


def test_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such bundle; make one with"):
        read_manifest(tmp_path / "none")
    with pytest.raises(BundleError, match=r"not a bundle: it has no manifest\.json; name a folder.* embedpipe run"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(BundleError, match="damaged manifest"):
        read_manifest(tmp_path)

"""``embedpipe probe --suite``: folders of tasks, the cache, files that are no tasks, and files of results."""

import json
import shutil
from pathlib import Path

import pytest

from embedpipe.pipeline.imported import import_vectors

PAIRS = "word_a\tword_b\tscore\nsun\tmoon\t3\ncat\tdog\t4\nsun\tcat\t1\nmoon\tdog\t2\n"
MOOD = "\n".join(f"{'good' if i % 2 else 'bad'}\tthe king {'loves' if i % 2 else 'fears'} {i}" for i in range(20))


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    rows = ["sun 1 0.2 0", "moon 0.9 0 0.1", "cat 0 1 0.3", "dog 0.1 0.8 0"]
    (folder / "w.vec").write_text("4 3\n" + "\n".join(rows) + "\n")
    return import_vectors(folder / "w.vec", folder / "w.bundle").bundle.path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (folder := tmp_path / "tasks").mkdir()
    (folder / "pairs.tsv").write_text(PAIRS)
    (folder / "notes.txt").write_text("some notes\n")
    return folder


def test_a_folder_is_measured_and_kept(words: Path, folder: Path, embedpipe_cli) -> None:
    first = embedpipe_cli("probe", words, "--suite", "all", folder, "--workers", 1)
    assert first.exit_code == 0, first.err
    assert "1 files are no tasks and are left out:\n  notes.txt: line 1: unknown header 'some notes'" in first.err
    assert first.out.splitlines()[1].startswith("pairs")
    again = embedpipe_cli("probe", words, folder, "--suite", "all", "--workers", 1)
    assert again.out == first.out
    assert "1 of 1 tasks taken from" in again.err
    anew = embedpipe_cli("probe", words, folder, "--suite", "all", "--workers", 1, "--no-cache")
    assert anew.out == first.out
    assert "taken from" not in anew.err


def test_files_of_results(words: Path, folder: Path, tmp_path: Path, embedpipe_cli) -> None:
    ask = ("probe", words, folder, "--suite", "words", "--workers", 1, "-o")
    outcome = embedpipe_cli(*ask, tmp_path / "found.json")
    assert (outcome.exit_code, outcome.out) == (0, ""), outcome.err
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["bundle"] == "w.bundle"
    assert {row["task"] for row in found["rows"]} == {"pairs"}
    assert embedpipe_cli(*ask, tmp_path / "found.md").exit_code == 0
    said = (tmp_path / "found.md").read_text()
    assert "| task | metric | system | value | interval | n | coverage | baselines |\n" in said
    assert "| pairs | spearman | words | 0.600 |" in said
    assert "\n## Notes\n\n- pairs spearman: 4 pairs, too few for an interval" in said
    assert "\n## Questions that were met in training\n\n- leaks from the training text not asked: words" in said
    assert "\n## Files that are no tasks\n\n- " in said
    assert "/notes.txt: line 1: unknown header" in said
    assert "ends in .json or .md" in embedpipe_cli(*ask, tmp_path / "found.txt").err
    assert "there is no folder" in embedpipe_cli(*ask, tmp_path / "no" / "found.md").err
    (tmp_path / "d.md").mkdir()
    assert "is a folder; name a file" in embedpipe_cli(*ask, tmp_path / "d.md").err


def test_what_does_not_go_together(words: Path, folder: Path, embedpipe_cli) -> None:
    for arguments, code, message in (
        ((folder,), 1, "is a folder; --suite words, sentences or all measures its task files"),
        (("--suite", "all"), 2, "--suite all needs a folder"),
        (("wordsim353", "--suite", "all"), 1, "wordsim353: no such folder"),
        (("wordsim353", "--no-cache"), 2, "--workers, --no-cache and --min-coverage go with --suite"),
        ((folder, "--suite", "sentences"), 1, "no tasks of the kind 'sentences' here"),
    ):
        outcome = embedpipe_cli("probe", words, *arguments)
        assert outcome.exit_code == code, outcome.err
        assert message in outcome.err
        assert outcome.out == ""


def test_a_task_that_fails_gives_exit_code_1_after_the_others(
    words: Path, folder: Path, embedpipe_cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedpipe.pipeline import suite_worker

    (folder / "other.tsv").write_text(PAIRS)
    measured = suite_worker.measure

    def failing(subject, task, settings, *parts):
        if task.name == "other":
            raise ZeroDivisionError("by nothing")
        return measured(subject, task, settings, *parts)

    monkeypatch.setattr(suite_worker, "measure", failing)
    outcome = embedpipe_cli("probe", words, folder, "--suite", "words", "--workers", 1)
    assert outcome.exit_code == 1
    assert "1 of 2 tasks failed: other" in outcome.err
    assert "it failed: unexpected ZeroDivisionError: by nothing" in outcome.out
    assert "0.600" in outcome.out


def test_a_task_that_cannot_be_read_failed(words: Path, folder: Path, tmp_path: Path, embedpipe_cli) -> None:
    (folder / "torn.tsv").write_text(PAIRS + "sun\tdog\n")
    out = tmp_path / "found.json"
    outcome = embedpipe_cli("probe", words, folder, "--suite", "all", "--workers", 1, "--no-cache", "-o", out)
    assert outcome.exit_code == 1
    assert "1 of 2 tasks failed: torn" in outcome.err
    found = json.loads(out.read_text())
    notes = {row["task"]: row["note"] for row in found["rows"]}
    reason = "line 6: expected 3 tab-separated columns (word_a, word_b, score), found 2"
    assert notes["torn"] == f"skipped: it failed: {reason}"
    ((name, why),) = found["no_tasks"].items()
    assert (name, why[:22]) == (str(folder / "notes.txt"), "line 1: unknown header")
    (folder / "pairs.tsv").unlink()
    alone = embedpipe_cli("probe", words, folder, "--suite", "all", "--workers", 1)
    assert alone.exit_code == 1
    assert reason in alone.out


def test_texts_with_a_given_test_part(toy_bundle, folder: Path, embedpipe_cli) -> None:
    (folder / "mood_train.tsv").write_text(f"label\ttext\n{MOOD}\n")
    (folder / "mood_test.tsv").write_text(f"label\ttext\n{MOOD}\n")
    outcome = embedpipe_cli(
        "probe", toy_bundle.path, folder, "--suite", "sentences", "--workers", 1, "--no-cache", "--min-coverage", 0
    )
    assert outcome.exit_code == 0, outcome.err
    assert "1 tasks of another kind are left out (--suite all)" in outcome.err
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("mood_test  accuracy  ")]
    assert "random encoder" in line
    assert "a given test part" in outcome.err


def test_what_is_kept_lies_beside_the_bundle(words: Path, folder: Path, tmp_path: Path, embedpipe_cli) -> None:
    shutil.copytree(words, tmp_path / "mine.bundle")
    (tmp_path / "mine.bundle.work").mkdir()
    assert embedpipe_cli("probe", tmp_path / "mine.bundle", folder, "--suite", "all", "--workers", 1).exit_code == 0
    assert len(list((tmp_path / "mine.bundle.work" / "probes.cache").iterdir())) == 1

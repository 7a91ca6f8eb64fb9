"""A run beside its own inputs: it never reads what it writes, and it leaves nothing behind when it fails early."""

import json
from pathlib import Path

import pytest

import embedpipe
from embedpipe.errors import EmbedpipeError, InputError, OutputError
from embedpipe.runtime import Event, StageSkipped

TEXT = "\n\n".join(f"the quick brown fox {i} jumps over the lazy dog {i % 7} near the river" for i in range(200))
WORDS = {"words": {"dim": 4, "epochs": 1}}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one text, which is the current one."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "a.txt").write_text(TEXT)
    monkeypatch.chdir(folder)
    return folder


def kept(source: str, output: str, **options) -> list[str]:
    stages: list[str] = []

    def listener(event: Event) -> None:
        if isinstance(event, StageSkipped):
            stages.append(event.stage)

    embedpipe.run([source], output, preset="tiny", settings=WORDS, stages=["words"], listener=listener, **options)
    return stages


@pytest.mark.parametrize("source", [".", "../own", "*", "**/*"])
def test_an_output_inside_a_source_is_no_input(own: Path, source: str) -> None:
    assert kept(source, "b") == []
    manifest = json.loads((own / "b" / "manifest.json").read_text())
    assert manifest["corpus"]["documents"] == 200
    assert manifest["corpus"]["passed_over"]["parts of this run's output"] >= 1
    assert kept(source, "b") == ["text", "words"]


def test_what_another_run_wrote_is_an_input_like_any(own: Path) -> None:
    (own / "other.work").mkdir()
    (own / "other.work" / "notes.txt").write_text("one more document of a few words")
    kept(".", "b")
    assert json.loads((own / "b" / "manifest.json").read_text())["corpus"]["documents"] == 201


@pytest.mark.parametrize("source", ["b", "b/README.md", "b.work", "b.work/text/train.txt", "link.txt"])
def test_a_source_that_names_the_output_is_refused(own: Path, source: str) -> None:
    kept("a.txt", "b")
    (own / "link.txt").symlink_to("b/README.md")
    with pytest.raises(InputError, match=f"{source}: belongs to the output of this run"):
        kept(source, "b", force=True)


@pytest.mark.parametrize("source", ["none.txt", "builtin:wikipdia", "*.nothing", "nltk:"])
def test_a_typing_error_leaves_nothing(own: Path, source: str) -> None:
    with pytest.raises(EmbedpipeError):
        kept(source, "b")
    assert [path.name for path in own.iterdir()] == ["a.txt"]


def test_too_little_text_leaves_nothing(own: Path) -> None:
    (own / "a.txt").write_text("one sentence .")
    with pytest.raises(EmbedpipeError, match="at least 50 sentences"):
        kept("a.txt", "b")
    assert [path.name for path in own.iterdir()] == ["a.txt"]


def test_an_empty_output_is_refused(own: Path) -> None:
    with pytest.raises(OutputError, match="the name of the output is empty"):
        kept("a.txt", "")


@pytest.mark.parametrize(("task", "message"), [("simlex", "did you mean 'simlex999'"), ("gone.tsv", "neither a file")])
def test_an_unknown_task_is_said_before_anything_is_made(own: Path, task: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        embedpipe.run(["a.txt"], "b", preset="tiny", settings={"probes": {"tasks": ["documents", task]}})
    assert [path.name for path in own.iterdir()] == ["a.txt"]

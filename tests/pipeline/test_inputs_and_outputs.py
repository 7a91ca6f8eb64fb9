"""A run beside its own inputs: it never reads what it writes, and it leaves nothing behind when it fails early."""

import json
from pathlib import Path

import pytest

import embedpipe
from embedpipe.config import TextConfig
from embedpipe.errors import EmbedpipeError, InputError, NotEnoughDataError, OutputError
from embedpipe.runtime import Event, StageSkipped
from embedpipe.text.prepare import prepare
from embedpipe.text.readers import ReadOptions, fingerprint_source

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


def test_too_little_text_names_where_it_was_read(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    for path in paths:
        Path(path).write_text("One sentence.")
    for sources, named in ((paths[:1], paths[0]), (paths, f"{paths[0]} and 1 more")):
        with pytest.raises(NotEnoughDataError) as caught:
            prepare(sources, TextConfig(), tmp_path / "o", seed=1)
        assert str(caught.value).startswith(f"{named}: at least 50 sentences are needed")


def test_an_empty_output_is_refused(own: Path) -> None:
    with pytest.raises(OutputError, match="the name of the output is empty"):
        kept("a.txt", "")


@pytest.mark.parametrize(("task", "message"), [("simlex", "did you mean 'simlex999'"), ("gone.tsv", "neither a file")])
def test_an_unknown_task_is_said_before_anything_is_made(own: Path, task: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        embedpipe.run(["a.txt"], "b", preset="tiny", settings={"probes": {"tasks": ["documents", task]}})
    assert [path.name for path in own.iterdir()] == ["a.txt"]


def test_a_folder_of_the_user_s_own_is_never_taken_for_a_working_folder(own: Path) -> None:
    for place in ("notes.work/thesis.txt", "notes.work/mydata/thesis.txt", "notes.work/text/thesis.txt"):
        file = own.parent / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("years of work")
        with pytest.raises(OutputError, match="is not the working folder of a run"):
            kept("a.txt", str(own.parent / "notes"))
        assert file.read_text() == "years of work"


def test_what_the_user_put_into_a_bundle_or_beside_its_stages_is_not_lost(own: Path) -> None:
    kept("a.txt", "b")
    (own / "b" / "notes.txt").write_text("mine")
    (own / "b.work" / "mine.txt").write_text("mine too")
    assert kept("a.txt", "b") == ["text", "words"], "nothing is written, so nothing can be lost"
    with pytest.raises(OutputError, match=r"holds notes\.txt, not of the bundle"):
        embedpipe.run(["a.txt"], "b", preset="tiny", settings=WORDS, stages=["words", "probes"])
    assert (own / "b" / "notes.txt").read_text() == "mine"
    assert (own / "b.work" / "mine.txt").read_text() == "mine too"


def test_an_edited_task_file_is_measured_anew(own: Path) -> None:
    task = own.parent / "pairs.tsv"
    task.write_text("word_a\tword_b\tscore\nquick\tbrown\t1\nlazy\tdog\t2\nriver\tfox\t3\n")
    settings = {**WORDS, "probes": {"tasks": [str(task)], "bootstrap": 100, "map_words": 0, "map_sentences": 0}}
    run = {"preset": "tiny", "settings": settings, "stages": ["words", "probes"]}
    embedpipe.run(["a.txt"], "b", **run)
    before = (own / "b" / "probes.json").read_text()
    task.write_text(task.read_text().replace("\t3", "\t0"))
    with pytest.raises(OutputError, match="the content of a task file"):
        embedpipe.run(["a.txt"], "b", **run)
    embedpipe.run(["a.txt"], "b", force=True, **run)
    assert (own / "b" / "probes.json").read_text() != before


def test_another_way_to_read_the_same_bytes_is_another_source(own: Path) -> None:
    (own / "page.html").write_text((own / "a.txt").read_text())
    (own / "b.txt").write_text((own / "a.txt").read_text())
    text, same, page = (fingerprint_source(name, ReadOptions()) for name in ("a.txt", "b.txt", "page.html"))
    assert text == same != page

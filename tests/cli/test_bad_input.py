"""Bad input to the main job: a message that says what, where and what to do; exit code 1; nothing left behind."""

import json
from pathlib import Path

import pytest

from embedpipe.bundle.manifest import FORMAT_VERSION

SENTENCE = "the quick brown fox jumps over the lazy dog number {} .\n"


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", b"", "empty"),
        ("blank.txt", b"\n \n\n", "no text"),
        ("latin.txt", b"fine\nfine\ncaf\xe9 au lait\n" * 5, "latin.txt:3: "),
        ("nul.txt", b"fine\nbad\x00line\n", "nul.txt:2: "),
        ("binary.txt", bytes(range(256)) * 20, "binary"),
        ("copies.txt", b"word\n" * 300, "299 documents were copies"),
        ("short.txt", b"too short .\n" * 3, "at least 50 sentences are needed for training, found 1 "),
        ("broken.txt.gz", b"\x1f\x8b\x08 not gzip at all", "broken.txt.gz"),
    ],
)
def test_a_source_that_cannot_be_used(tmp_path, embedpipe_cli, name: str, content: bytes, message: str) -> None:
    path = write(tmp_path / name, content)
    outcome = embedpipe_cli("run", path, "-o", tmp_path / "b")
    assert outcome.exit_code == 1
    assert message in outcome.err
    assert name in outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "b").exists()


def test_a_corpus_of_one_word(tmp_path, embedpipe_cli) -> None:
    path = write(tmp_path / "word.txt", b"word\n" * 300)
    outcome = embedpipe_cli("run", path, "-o", tmp_path / "b", "--set", "text.documents=file")
    assert outcome.exit_code == 1
    assert "all the text is one word repeated; at least two distinct words are needed" in outcome.err


def test_missing_source_and_unknown_names(tmp_path, embedpipe_cli) -> None:
    for source, message in (
        (tmp_path / "none.txt", "none.txt"),
        ("builtin:wikipdia", "did you mean"),
        (tmp_path / "*.nothing", "*.nothing"),
    ):
        outcome = embedpipe_cli("run", source, "-o", tmp_path / "b")
        assert outcome.exit_code == 1
        assert message in outcome.err


def test_an_empty_name_is_not_the_current_folder(tmp_path, embedpipe_cli, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text(SENTENCE * 100)
    for arguments, code, message in (
        (("run", "", "-o", "b"), 1, "the name of a source is empty"),
        (("corpora", "stats", ""), 1, "the name of a source is empty"),
        (("run", "a.txt", "-o", ""), 2, "'-o' / '--output': the name is empty"),
        (("info", ""), 2, "'BUNDLE': the name is empty"),
        (("probe", "b", "--corpus", ""), 2, "'--corpus': the name is empty"),
    ):
        outcome = embedpipe_cli(*arguments)
        assert outcome.exit_code == code
        assert message in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_an_output_where_no_folder_can_be_made_is_named(tmp_path, embedpipe_cli) -> None:
    outcome = embedpipe_cli("run", "builtin:toy-en", "-o", "/proc/x", "--stages", "text")
    assert outcome.exit_code == 1
    assert outcome.err == (
        "Error: /proc/x.work: no folder can be made here (No such file or directory); choose another -o\n"
    )


def test_an_output_that_is_no_bundle_is_never_replaced(tmp_path, embedpipe_cli) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    outcome = embedpipe_cli("run", "builtin:toy-en", "-o", tmp_path, "--force")
    assert outcome.exit_code == 1
    assert "will not be replaced" in outcome.err
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_ten_million_character_line_is_just_text(tmp_path, embedpipe_cli) -> None:
    line = "".join(f"the quick brown fox number {i % 977} jumps over dog {i % 89} . " for i in range(220_000))
    assert len(line) > 10_000_000
    path = write(tmp_path / "line.txt", line.encode())
    outcome = embedpipe_cli("run", path, "-o", tmp_path / "b", "--stages", "text")
    assert outcome.exit_code == 0, outcome.err


def test_a_line_without_any_space_is_cut_and_counted(tmp_path, embedpipe_cli) -> None:
    text = "".join(SENTENCE.format(i) for i in range(200)) + "x" * 10_000_000 + "\n"
    outcome = embedpipe_cli("run", write(tmp_path / "x.txt", text.encode()), "-o", tmp_path / "b", "--stages", "text")
    assert outcome.exit_code == 0, outcome.err


def test_other_encodings_are_read_when_named(tmp_path, embedpipe_cli) -> None:
    text = "".join(f"un café crème numéro {i} à la gare .\n" for i in range(200))
    path = write(tmp_path / "latin.txt", text.encode("latin-1"))
    assert embedpipe_cli("run", path, "-o", tmp_path / "a", "--stages", "text").exit_code == 1
    outcome = embedpipe_cli("run", path, "-o", tmp_path / "b", "--stages", "text", "--encoding", "latin-1")
    assert outcome.exit_code == 0, outcome.err
    assert '"café"' in (tmp_path / "b" / "vocabulary.json").read_text(encoding="utf-8")


def test_a_damaged_or_newer_bundle_is_named(tmp_path, toy_bundle, embedpipe_cli) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(toy_bundle.path, copy)
    table = copy / "words.safetensors"
    table.write_bytes(table.read_bytes()[:-4])
    for verb in (["similar", copy, "king"], ["info", copy]):
        outcome = embedpipe_cli(*verb)
        assert outcome.exit_code == 1
        assert "words.safetensors" in outcome.err
    outcome = embedpipe_cli("verify", copy, "--format", "json")
    assert outcome.exit_code == 1
    checks = {check["file"]: (check["status"], check["problem"]) for check in json.loads(outcome.out)}
    size = table.stat().st_size
    assert checks["words.safetensors"] == ("bad", f"it has {size:,} bytes, the manifest says {size + 4:,}")
    assert checks["vocabulary.json"] == ("ok", None)
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format_version": {FORMAT_VERSION}', '"format_version": 99'))
    outcome = embedpipe_cli("info", copy)
    assert outcome.exit_code == 1
    assert "pip install --upgrade embedpipe" in outcome.err


def test_an_unknown_word_has_near_spellings(toy_bundle, embedpipe_cli) -> None:
    outcome = embedpipe_cli("similar", toy_bundle.path, "quexx")
    assert outcome.exit_code == 1
    assert "'quexx' is not in the vocabulary; near spellings: queen" in outcome.err
    assert outcome.out == ""

"""The verb `run` on standard input, and which preset wins."""

import json
from pathlib import Path

import pytest

QUICK = ["--stages", "words", "--set", "words.dim=4", "--set", "words.epochs=1", "--set", "text.deduplicate=none"]
SENTENCES = [f"the {a} sees the {b} near the sea ." for a in ("cat", "dog") for b in ("bird", "fish")]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Four sentences in turn."""
    path = tmp_path / "corpus.txt"
    path.write_text("\n\n".join(f"number {i} : {SENTENCES[i % 4]} {SENTENCES[i % 3]}" for i in range(100)))
    return path


def test_standard_input_is_a_source_like_another(corpus: Path, tmp_path: Path, embedpipe_cli, monkeypatch) -> None:
    target = tmp_path / "b"

    def run(text: str) -> list[str]:
        corpus.write_text(text)
        with open(corpus, encoding="utf-8") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            outcome = embedpipe_cli("run", "-", "-o", target, *QUICK)
        return [outcome.exit_code, *outcome.err.splitlines()]

    text = corpus.read_text()
    code, *lines = run(text)
    assert code == 0
    assert [line for line in lines if line.startswith("text ")][-1].endswith(
        "2,100 tokens of 100 documents, 11 words; 0 exact and 0 near duplicates removed"
    )
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest["sources"] == ["-"]
    assert '"fish"' in (target / "vocabulary.json").read_text()
    code, *lines = run(text)
    assert code == 0
    assert [line.split()[:2] for line in lines[:2]] == [["text", "kept"], ["words", "kept"]]
    assert lines[2].split() == ["bundle", "up", "to", "date:", str(target)]
    assert lines[3:] == [f"ask it: embedpipe info {target}   embedpipe similar {target} WORD"]
    code, *lines = run(text.replace("cat", "cow"))
    assert code == 1
    assert "was made from other inputs or settings (stage 'text')" in lines[-1]


@pytest.mark.parametrize(
    ("option", "in_file", "used"),
    [("small", "tiny", "small"), (None, "small", "small"), (None, None, "tiny"), ("auto", "small", "tiny")],
)
def test_a_preset_on_the_command_line_wins(
    corpus: Path, tmp_path: Path, embedpipe_cli, option: str | None, in_file: str | None, used: str
) -> None:
    config = tmp_path / "pipeline.toml"
    config.write_text(f'preset = "{in_file}"\n' if in_file else "")
    chosen = ["--preset", option] if option else []
    outcome = embedpipe_cli("run", corpus, "-o", tmp_path / "b", "--config", config, *chosen, *QUICK)
    assert outcome.exit_code == 0, outcome.err
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    assert manifest["preset"] == used
    by_size = "auto" in (option or in_file or "auto")
    reason = "preset tiny for 1,890 training tokens (under 1.5 million)"
    assert manifest["stages"]["words"]["result"].get("chosen") == (reason if by_size else None)
    assert (reason in outcome.err) == by_size
    assert (reason in embedpipe_cli("info", tmp_path / "b").out) == by_size
    assert f'preset = "{used}"' in (tmp_path / "b" / "config.toml").read_text()

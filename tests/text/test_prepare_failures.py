"""Preparing text when something goes wrong: nothing is left behind, and what was left before is cleared."""

import subprocess
from pathlib import Path

import pytest

from embedpipe.config import TextConfig
from embedpipe.errors import EmbedpipeError, OutputError
from embedpipe.text import prepare, workers
from embedpipe.text.prepare import prepare_texts
from embedpipe.text.toy import toy_corpus


def documents() -> list[str]:
    return [document.text for document in toy_corpus("en", n_documents=40)]


def test_an_error_while_reading_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "CHUNK_CHARACTERS", 2_000)
    started: list[subprocess.Popen[bytes]] = []
    start = workers._start
    monkeypatch.setattr(workers, "_start", lambda settings: started.append(start(settings)) or started[-1])
    monkeypatch.setattr(prepare, "SAMPLE_CHARACTERS", 1_000)

    def texts():
        yield from documents()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_texts(texts(), TextConfig(), tmp_path / "o", seed=1, workers=2)
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_cannot_write_is_an_output_error(tmp_path: Path) -> None:
    settings = {
        "tokenizer": {"format": 1, "kind": "regex", "case": "lower"},
        "sentences": prepare.SentenceSplitter().spec(),
        "permutations": [],
        "max_sentence": 100,
        "folder": str(tmp_path / "missing"),
    }
    with pytest.raises(OutputError, match=r"cannot write.*missing"):
        list(workers.process_in_order([["a b"], ["c d"]], settings, 2))


def test_a_worker_that_was_killed_is_an_error_that_says_what_to_do(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(prepare, "CHUNK_CHARACTERS", 2_000)
    start = workers._start

    def start_and_kill(settings: dict) -> subprocess.Popen[bytes]:
        process = start(settings)
        process.kill()
        return process

    monkeypatch.setattr(workers, "_start", start_and_kill)
    with pytest.raises(EmbedpipeError, match=r"killed by signal 9.*one core.*start again"):
        prepare_texts(documents(), TextConfig(), tmp_path / "o", seed=1, workers=2)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_cleared_and_what_readers_passed_over_is_reported(tmp_path: Path) -> None:
    (tmp_path / ".o.partial" / "chunks").mkdir(parents=True)
    (tmp_path / ".o.partial" / "chunks" / "000000.ids.npy").write_bytes(b"old")
    out = prepare_texts(documents(), TextConfig(), tmp_path / "o", seed=1, passed_over={"redirects": 3})
    assert out.report["passed_over"] == {"redirects": 3}
    assert [p.name for p in tmp_path.iterdir()] == ["o"]

"""A killed `encode` goes on where it was, and ends with the bytes of one that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from embedpipe.errors import InputError, OutputError
from embedpipe.sentences.encoder import SentenceEncoder
from embedpipe.sentences.files import open_writer
from embedpipe.sentences.nested import truncate
from embedpipe.sentences.resume import open_partial
from embedpipe.sentences.stream import encode_lines, read_lines

LINES = [f"line {i}" for i in range(11)]
MADE_OF = {"bundle": "abc", "dim": 3}


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch) -> None:
    monkeypatch.setattr("embedpipe.sentences.stream._LINES_AT_ONCE", 2)


def encode(texts: list[str]) -> np.ndarray:
    numbers = [sum(text.encode()) for text in texts]
    return np.array([[n, n + 1, n + 2] for n in numbers], dtype=np.float32)


def interrupted(path: Path, format_: str, lines: list[str], after: int) -> None:
    with open_partial(path, format_, 3, MADE_OF, resume=False) as partial:
        for chunk in encode_lines(iter(lines), encode, partial.done):
            if chunk.done.lines > after:
                raise KeyboardInterrupt
            partial.write(chunk.texts, chunk.vectors, chunk.done)


def resumed(path: Path, format_: str, lines: list[str], made_of=MADE_OF) -> int:
    with open_partial(path, format_, 3, made_of, resume=True) as partial:
        for chunk in encode_lines(iter(lines), encode, partial.done):
            partial.write(chunk.texts, chunk.vectors, chunk.done)
    return partial.done.lines


@pytest.mark.parametrize("format_", ["npy", "jsonl", "parquet", "safetensors"])
def test_going_on_gives_the_same_bytes_and_leaves_nothing_beside(tmp_path: Path, format_: str) -> None:
    path, whole = tmp_path / "vectors", tmp_path / "whole"
    with open_writer(whole, format_, 3) as writer:
        for chunk in encode_lines(iter(LINES), encode):
            writer.write(chunk.texts, chunk.vectors)
    with pytest.raises(KeyboardInterrupt):
        interrupted(path, format_, LINES, after=6)
    with open(tmp_path / ".vectors.part", "ab") as file:
        file.write(b"half a row that was not recorded")
    assert resumed(path, format_, LINES) == 6
    assert path.read_bytes() == whole.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["vectors", "whole"]


def test_what_does_not_go_together_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    with pytest.raises(KeyboardInterrupt):
        interrupted(path, "npy", LINES, after=4)
    with pytest.raises(OutputError, match=r"left 4 lines of it; go on with --resume, or delete .*part\.json"):
        interrupted(path, "npy", LINES, after=4)
    with pytest.raises(OutputError, match="has bundle 'abc', not 'other'"):
        resumed(path, "npy", LINES, {**MADE_OF, "bundle": "other"})
    with pytest.raises(InputError, match="the first 4 lines are not those"):
        resumed(path, "npy", ["other", *LINES[1:]])
    with pytest.raises(InputError, match="the first 4 lines are not those"):
        resumed(path, "npy", LINES[:3])
    record = tmp_path / ".vectors.npy.part.json"
    good = record.read_text()
    record.write_text("{}")
    with pytest.raises(OutputError, match="not the record of a partial output"):
        resumed(path, "npy", LINES)
    record.write_text(json.dumps({**json.loads(good), "bytes": 10**6}))
    with pytest.raises(OutputError, match="is shorter than"):
        resumed(path, "npy", LINES)
    record.write_text(good)
    assert resumed(path, "npy", [*LINES[:4], "another"]) == 4
    np.testing.assert_array_equal(np.load(path), encode([*LINES[:4], "another"]))


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    with open_partial(path, "npy", 3, MADE_OF, resume=False), pytest.raises(OutputError, match="another process"):
        resumed(path, "npy", LINES)


def test_the_killed_command_goes_on(embedpipe_cli, toy_bundle, tmp_path: Path, monkeypatch) -> None:
    """SIGKILL while it waits for the rest of its input, after it has recorded whole chunks."""
    lines = ["the king sees a patient", "the queen", "zzzqx", "", "the palace"] * 1_000
    source = tmp_path / "lines.txt"
    source.write_text("".join(f"{line}\n" for line in lines))
    killed, whole = tmp_path / "killed.npy", tmp_path / "whole.npy"
    command = [sys.executable, "-m", "embedpipe", "encode", str(toy_bundle.path), "--with", "words", "-o", str(killed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        process.stdin.write(source.read_bytes()[:-20])
        process.stdin.flush()
        record = tmp_path / ".killed.npy.part.json"
        for _ in range(600):
            if record.exists():
                break
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    assert not killed.exists()
    assert json.loads(record.read_text())["done"]["lines"] == 4_096
    base = ("encode", toy_bundle.path, source, "--with", "words")
    monkeypatch.undo()  # the chunks are those of the killed process
    assert embedpipe_cli(*base, "-o", whole).exit_code == 0
    assert "4,096 lines" in embedpipe_cli(*base, "-o", killed).err
    outcome = embedpipe_cli(*base, "-o", killed, "--resume")
    assert outcome.exit_code == 0, outcome.err
    assert "5,000 lines encoded, 2,000 zero vectors: 1,000 empty, 1,000 without a known word" in outcome.err
    assert killed.read_bytes() == whole.read_bytes()


def test_dim_precision_and_the_untrained_encoder(embedpipe_cli, toy_bundle, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("the king lives in the palace\nthe doctor sees a patient\n")
    texts = list(read_lines(tmp_path / "lines.txt"))

    def run(*options: str) -> np.ndarray:
        outcome = embedpipe_cli("encode", toy_bundle.path, tmp_path / "lines.txt", "-o", tmp_path / "x.npy", *options)
        assert outcome.exit_code == 0, outcome.err
        return np.load(tmp_path / "x.npy")

    expected = toy_bundle.encoder.encode(texts)
    np.testing.assert_allclose(run("--dim", "5"), truncate(expected, 5), atol=1e-6)
    np.testing.assert_allclose(run("--precision", "int8"), expected, atol=1e-2)
    np.testing.assert_allclose(run("--with", "untrained"), toy_bundle.untrained_encoder.encode(texts), atol=1e-6)
    np.testing.assert_allclose(run("--device", "cpu"), expected, atol=1e-6)
    for options, message in [
        (("--with", "words", "--device", "cuda"), "--device cuda is for encoders"),
        (("--dim", "500"), f"the vectors of this encoder have {toy_bundle.encoder.dim} components"),
        (("--with", "words", "--precision", "int8"), "--with words has none"),
        (("--resume",), "name it with -o"),
    ]:
        outcome = embedpipe_cli("encode", toy_bundle.path, tmp_path / "lines.txt", *options)
        assert outcome.exit_code == 2
        assert message in outcome.err


@pytest.mark.parametrize(
    ("options", "moved"), [((), ["cuda"]), (("--device", "cpu"), []), (("--precision", "int8"), [])], ids=str
)
def test_where_there_is_a_gpu_it_encodes(embedpipe_cli, toy_bundle, tmp_path, monkeypatch, options, moved) -> None:
    found: list[str] = []

    def to(self: SentenceEncoder, device: str) -> SentenceEncoder:
        found.append(device)
        return self

    monkeypatch.setattr(SentenceEncoder, "to", to)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    (tmp_path / "lines.txt").write_text("the king lives in the palace\n")
    outcome = embedpipe_cli("encode", toy_bundle.path, tmp_path / "lines.txt", *options)
    assert (outcome.exit_code, found) == (0, moved), outcome.err

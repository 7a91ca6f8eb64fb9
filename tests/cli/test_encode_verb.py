"""The verb `encode`: what is in the file is what the library returns, and nothing half-written is left."""

import csv
import gzip
import io
import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from embedpipe.bundle.tensors import map_tensors
from embedpipe.errors import ConfigError, OutputError
from embedpipe.sentences.files import format_of, json_line, open_writer
from embedpipe.sentences.nested import truncate

LINES = ["the king lives in the palace", "", "zzzqx", "the doctor sees a patient", "  "]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_bytes("\n".join(LINES).encode() + b"\n")
    return path


def read(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert [row["text"] for row in rows] == LINES
        return np.array([row["vector"] for row in rows], dtype=np.float32)
    if path.suffix == ".parquet":
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(path)
        assert table["text"].to_pylist() == LINES
        return np.array(table["vector"].to_pylist(), dtype=np.float32)
    return map_tensors(path)["vectors"]


@pytest.mark.parametrize("ending", ["npy", "jsonl", "parquet", "safetensors"])
@pytest.mark.parametrize("with_", ["sentences", "words"])
def test_file_holds_what_the_library_returns(
    embedpipe_cli, toy_bundle, lines, tmp_path, monkeypatch, ending, with_
) -> None:
    monkeypatch.setattr("embedpipe.sentences.stream._LINES_AT_ONCE", 2)
    target = tmp_path / f"vectors.{ending}"
    outcome = embedpipe_cli("encode", toy_bundle.path, lines, "-o", target, "--with", with_)
    assert outcome.exit_code == 0, outcome.err
    encoder = toy_bundle.encoder if with_ == "sentences" else toy_bundle.bag_encoder
    np.testing.assert_allclose(read(target), encoder.encode(LINES), atol=1e-6)
    assert outcome.out == ""
    assert "5 lines encoded, 3 zero vectors: 2 empty, 1 without a known word" in outcome.err
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(("vectors", "."))) == [target.name]


def test_stdout_is_jsonl_by_default_and_other_rows_on_request(embedpipe_cli, toy_bundle, lines) -> None:
    expected = toy_bundle.bag_encoder.encode(LINES)
    base = ("encode", toy_bundle.path, lines, "--with", "words")
    rows = [json.loads(line) for line in embedpipe_cli(*base).out.splitlines()]
    assert rows == json.loads(embedpipe_cli(*base, "--format", "json").out)
    np.testing.assert_allclose([row["vector"] for row in rows], expected, atol=1e-7)
    table = list(csv.DictReader(io.StringIO(embedpipe_cli(*base, "--format", "csv").out)))
    assert [row["text"] for row in table] == LINES
    np.testing.assert_allclose([[float(x) for x in row["vector"].split()] for row in table], expected, atol=1e-6)
    assert "the doctor sees a patient" in embedpipe_cli(*base, "--format", "table").out


def test_binary_to_a_pipe_and_stdin_in_a_process_without_torch(toy_bundle, lines) -> None:
    script = (
        "import sys; from embedpipe.cli import cli; "
        "cli.main(sys.argv[1:], standalone_mode=False); "
        "print(sorted({'torch', 'gensim', 'sklearn', 'pydantic', 'scipy'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, "encode", str(toy_bundle.path), "--with", "words", "--format", "npy"]
    done = subprocess.run(command, input=lines.read_bytes(), capture_output=True, check=True)
    np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), toy_bundle.bag_encoder.encode(LINES))
    assert done.stderr.decode().splitlines()[-1] == "[]"


def test_nothing_in_gives_an_empty_matrix(embedpipe_cli, toy_bundle, tmp_path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    target = tmp_path / "vectors.npy"
    outcome = embedpipe_cli("encode", toy_bundle.path, tmp_path / "empty.txt", "-o", target, "--with", "words")
    assert outcome.exit_code == 0
    assert np.load(target).shape == (0, toy_bundle.bag_encoder.dim)


def test_bad_bytes_are_named_by_line_and_leave_the_old_file(embedpipe_cli, toy_bundle, tmp_path) -> None:
    source, target = tmp_path / "latin.txt", tmp_path / "vectors.npy"
    source.write_bytes(b"the king\nthe caf\xe9\n")
    target.write_bytes(b"old")
    outcome = embedpipe_cli("encode", toy_bundle.path, source, "-o", target, "--with", "words")
    assert outcome.exit_code == 1
    assert f"{source}:2: not UTF-8 at byte 8" in outcome.err
    assert target.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latin.txt", "vectors.npy"]


def test_a_compressed_file_is_read_as_its_text(embedpipe_cli, toy_bundle, tmp_path) -> None:
    source = tmp_path / "lines.txt.gz"
    source.write_bytes(gzip.compress(b"the king\nthe queen\n"))
    out = embedpipe_cli("encode", toy_bundle.path, source, "--with", "words").out
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["the king", "the queen"]


def test_a_cut_that_was_not_trained_is_said_and_stdout_holds_the_vectors(
    embedpipe_cli, toy_bundle, lines, monkeypatch
) -> None:
    base, width = ("encode", toy_bundle.path, lines), toy_bundle.encoder.dim
    expected = truncate(toy_bundle.encoder.encode(LINES), 8)

    def said(*arguments: str) -> str:
        outcome = embedpipe_cli(*base, "--dim", *arguments)
        rows = [json.loads(line) for line in outcome.out.splitlines()]
        assert [row["text"] for row in rows] == LINES
        if arguments == ("8",):
            np.testing.assert_allclose([row["vector"] for row in rows], expected, atol=1e-6)
        return outcome.err

    cut = f"--dim 8: the first 8 of {width} numbers of an encoder trained"
    assert f"{cut} without sentences.nested_dims: the rest is lost" in said("8")
    assert "--dim" not in said(str(width))
    words = toy_bundle.bag_encoder.dim
    assert f"--dim 8: the first 8 of {words} numbers of an average of word vectors" in said("8", "--with", "words")
    for nested, told in (((8, 16), False), ((16, 24), True)):
        config = SimpleNamespace(sentences=SimpleNamespace(nested_dims=nested))
        monkeypatch.setattr("embedpipe.bundle.recorded.recorded_config", lambda _, config=config: config)
        assert (f"{cut} for the widths 16, 24: the rest is lost" in said("8")) == told


def test_closed_stdin_is_said(embedpipe_cli, toy_bundle, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    outcome = embedpipe_cli("encode", toy_bundle.path, "--with", "words")
    assert (outcome.exit_code, outcome.err) == (
        1,
        "Error: -: standard input is closed; pipe the text in, or name a file\n",
    )


def test_windows_line_ends_and_a_byte_order_mark(embedpipe_cli, toy_bundle, tmp_path) -> None:
    source = tmp_path / "windows.txt"
    source.write_bytes(b"\xef\xbb\xbfthe king\r\nthe queen")
    out = embedpipe_cli("encode", toy_bundle.path, source, "--with", "words").out
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["the king", "the queen"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("lines.txt", "-o", "vectors.pkl"), 2, "vectors.pkl: the ending names no format"),
        (("lines.txt", "-o", "vectors.npy", "--format", "csv"), 2, "csv is for stdout"),
        (("lines.txt", "-o", "nowhere/vectors.npy"), 1, "/nowhere does not exist"),
        (("missing.txt",), 1, "missing.txt: no such file"),
        ((".",), 1, ".: is a folder; name one text file with one text a line"),
        (("/dev/null",), 1, "/dev/null: is not a regular file; pipe it in and name the file -"),
        (("lines.txt", "-o", ""), 2, "Invalid value for '-o' / '--output': the name is empty; is a variable not set?"),
        (("",), 2, "the name is empty"),
    ],
)
def test_mistakes_are_explained(embedpipe_cli, toy_bundle, lines, monkeypatch, arguments, code, message) -> None:
    monkeypatch.chdir(lines.parent)
    outcome = embedpipe_cli("encode", toy_bundle.path, *arguments, "--with", "words")
    assert outcome.exit_code == code
    assert message in outcome.err
    assert outcome.out == ""


def test_npy_of_many_chunks_has_one_right_header(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(12_345, 3)).astype(np.float32)
    with open_writer(tmp_path / "x.npy", "npy", 3) as writer:
        for start in range(0, len(rows), 1_000):
            writer.write(["x"] * len(rows[start : start + 1_000]), rows[start : start + 1_000])
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy", allow_pickle=False), rows)


@pytest.mark.parametrize("format_", ["npy", "jsonl", "parquet", "safetensors"])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, format_) -> None:
    def fail() -> None:
        with open_writer(tmp_path / "x", format_, 2) as writer:
            writer.write(["a"], np.zeros((1, 2), np.float32))
            raise OSError("disk full")

    with pytest.raises(OutputError, match=f"^{tmp_path}/x: cannot be written: disk full"):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format_", ["npy", "jsonl", "parquet", "safetensors"])
def test_what_the_system_will_not_write_is_named(tmp_path: Path, format_) -> None:
    def write() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            with open_writer(tmp_path / "x", format_, 3_000) as writer:
                writer.write(["a"] * 10, np.random.default_rng(0).normal(size=(10, 3_000)).astype(np.float32))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    with pytest.raises(OutputError, match=rf"^{tmp_path}/x: cannot be written: .*File too large"):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format_", ["npy", "jsonl", "parquet", "safetensors"])
def test_a_file_has_the_mode_that_the_umask_leaves(tmp_path: Path, format_) -> None:
    old = os.umask(0o027)
    try:
        with open_writer(tmp_path / "x", format_, 2) as writer:
            writer.write(["a"], np.zeros((1, 2), np.float32))
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_format_of_an_ending_and_a_folder_as_output(tmp_path: Path) -> None:
    assert format_of(Path("A.PARQUET")) == "parquet"
    with pytest.raises(ConfigError, match=r"\.npy, \.jsonl"):
        format_of(Path("vectors"))
    with pytest.raises(OutputError, match="is a folder"), open_writer(tmp_path, "npy", 2):
        pass


def test_a_link_is_written_through_and_a_pipe_is_left_alone(tmp_path: Path) -> None:
    rows = (["a"], np.ones((1, 2), dtype=np.float32))
    (tmp_path / "link.jsonl").symlink_to("file.jsonl")
    with open_writer(tmp_path / "link.jsonl", "jsonl", 2) as writer:
        writer.write(*rows)
    assert (tmp_path / "link.jsonl").is_symlink()
    assert json.loads((tmp_path / "file.jsonl").read_text()) == {"text": "a", "vector": [1.0, 1.0]}
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="a pipe or a device"), open_writer(tmp_path / "pipe", "jsonl", 2):
        pass
    assert (tmp_path / "pipe").is_fifo()


def test_json_gives_back_the_same_numbers() -> None:
    vector = np.random.default_rng(0).normal(size=1_000).astype(np.float32) / 30
    back = json.loads(json_line("x", vector))["vector"]
    assert np.array(back, dtype=np.float32).tolist() == vector.tolist()


def test_one_line_is_counted_in_the_singular(toy_bundle, tmp_path, embedpipe_cli):
    (tmp_path / "one.txt").write_text("zzzz\n")
    outcome = embedpipe_cli("encode", toy_bundle.path, tmp_path / "one.txt", "--with", "words")
    assert "1 line encoded, 1 zero vector: 0 empty, 1 without a known word" in outcome.err

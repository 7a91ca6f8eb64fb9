"""`embedpipe score` on a generator that knows nothing but frequencies, whose every figure is known."""

import csv
import gzip
import io
import json
import math

import numpy as np
import pytest
import torch

from embedpipe.bundle.manifest import Manifest, StageRecord
from embedpipe.bundle.save import save_bundle
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.generation.part import save_generator
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import Vocabulary

WORDS = {"salt": 9, "sea": 8, "wind": 7, ".": 6}
EIGHTH = math.log(8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Eight tokens, each as probable as the next, whatever stands before."""
    folder, target = tmp_path_factory.mktemp("parts"), tmp_path_factory.mktemp("out") / "sea.bundle"
    vocabulary = Vocabulary.from_counts(WORDS)
    vocabulary.save(folder / "vocabulary.json")
    (folder / "tokenizer_spec.json").write_text(json.dumps(RegexTokenizer().spec()))
    model = LanguageModel(Shape(len(vocabulary), dim=4, hidden=4, layers=1))
    model.initialise(torch.zeros(len(vocabulary), 4), np.ones(len(vocabulary)) / len(vocabulary))
    save_generator(folder / "generator", model)
    record = StageRecord("0" * 64, "planted", 0.0)

    def manifest(files) -> Manifest:
        stages = {"text": record, "generation": record}
        return Manifest("test", "test", "tiny", 1, True, "planted", [], {}, stages, {}, files)

    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    save_bundle(target, files, manifest)
    return target


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("Salt sea.\n\nThe wind. Sea!\n", encoding="utf-8")
    return path


def rows_of(out: str, format_: str) -> list[dict]:
    if format_ == "csv":
        return list(csv.DictReader(io.StringIO(out)))
    return json.loads(out) if format_ == "json" else [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("format_", ["json", "jsonl", "csv"])
def test_each_line(bundle, file, embedpipe_cli, format_):
    outcome = embedpipe_cli("score", bundle, file, "--format", format_)
    assert outcome.exit_code == 0
    rows = rows_of(outcome.out, format_)
    assert [int(row["line"]) for row in rows] == [1, 2, 3]
    assert [int(row["tokens"]) for row in rows] == [4, 0, 7]
    assert [row["text"] for row in rows] == ["Salt sea.", "", "The wind. Sea!"]
    assert float(rows[0]["log_probability"]) == pytest.approx(-4 * EIGHTH)
    assert float(rows[0]["perplexity"]) == pytest.approx(8)
    assert float(rows[0]["word_perplexity"]) == pytest.approx(64)
    assert float(rows[0]["bits_per_character"]) == pytest.approx(4 * 3 / 10)
    assert rows[1]["perplexity"] in (None, "")
    assert float(rows[2]["unknown_share"]) == pytest.approx(2 / 7)
    assert "no Kneser-Ney baseline: there is no training text in" in outcome.err
    assert "2 of 11 tokens (18.2%) are unknown words" in outcome.err
    assert f"total: 11 tokens, log-probability {-11 * EIGHTH:,.3f}, perplexity 8.000" in outcome.err


def test_only_a_table_leaves_out_the_name_of_its_one_file(bundle, file, embedpipe_cli):
    header = embedpipe_cli("score", bundle, file, "--no-baseline", "--format", "csv").out.splitlines()[0]
    assert header.split(",")[:3] == ["file", "line", "tokens"]
    (row, *_) = json.loads(embedpipe_cli("score", bundle, file, "--no-baseline", "--format", "json").out)
    assert header.split(",") == list(row)


@pytest.mark.parametrize(("encoding", "word"), [("gb18030", "海"), ("utf-16", "海"), ("cp1252", "séa")])
def test_text_in_another_encoding_is_read_when_it_is_named(bundle, tmp_path, embedpipe_cli, encoding, word):
    path, text = tmp_path / "a.txt", f"Salt {word}.\r\nThe wind.\n"
    path.write_bytes(text.encode(encoding))
    refused = embedpipe_cli("score", bundle, path)
    assert refused.exit_code == 1
    assert f"{path}:1: not UTF-8 at byte " in refused.err
    assert f"{encoding} ('Salt {word}." in refused.err
    outcome = embedpipe_cli("score", bundle, path, "--encoding", encoding, "--format", "json", "--no-baseline")
    assert [row["text"] for row in json.loads(outcome.out)] == text.splitlines()
    assert embedpipe_cli("score", bundle, path, "--encoding", "rot13").exit_code == 2


def test_a_table_ends_in_the_total(bundle, file, embedpipe_cli):
    lines = embedpipe_cli("score", bundle, file, "--no-baseline").out.splitlines()
    assert lines[0].split()[:4] == ["line", "tokens", "unknown_share", "log_probability"]
    assert lines[2].split()[:5] == ["2", "0", "0.000", "0.000", "-"]
    assert lines[-1].split()[:5] == ["total", "11", "0.182", f"{-11 * EIGHTH:.3f}", "8.000"]


@pytest.mark.parametrize("by", ["document", "all"])
def test_files_and_all_of_them(bundle, file, tmp_path, embedpipe_cli, by):
    other = tmp_path / "other.txt.gz"
    other.write_bytes(gzip.compress(b"wind wind\n"))
    outcome = embedpipe_cli("score", bundle, file, other, "--by", by, "--format", "jsonl", "--no-baseline")
    rows = rows_of(outcome.out, "jsonl")
    tokens = {row["file"]: row["tokens"] for row in rows}
    assert tokens == ({str(file): 11, str(other): 3} if by == "document" else {"all": 14})
    assert sum(row["words"] for row in rows) == 7
    assert sum(row["characters"] for row in rows) == 10 + 1 + 15 + 10
    assert all(row["perplexity"] == pytest.approx(8) for row in rows)


def test_a_file_that_is_named_twice_is_two_documents(bundle, file, embedpipe_cli):
    outcome = embedpipe_cli("score", bundle, file, file, "--by", "document", "--format", "json", "--no-baseline")
    assert [(row["file"], row["tokens"]) for row in json.loads(outcome.out)] == [(str(file), 11)] * 2


def test_a_file_without_text_is_said_before_a_model_is_read(bundle, tmp_path, embedpipe_cli, monkeypatch):
    path = tmp_path / "empty.txt"
    path.write_text("\n", encoding="utf-8")
    monkeypatch.setattr("embedpipe.pipeline.scoring.open_scorer", None)
    assert "holds no text" in embedpipe_cli("score", bundle, path).err


@pytest.mark.parametrize("by", ["line", "all"])
def test_every_token(bundle, file, embedpipe_cli, by):
    outcome = embedpipe_cli("score", bundle, file, "--tokens", "--by", by, "--format", "json", "--no-baseline")
    rows = rows_of(outcome.out, "json")
    spelt = "salt sea . <eos> the wind . <eos> sea ! <eos>"
    assert [row["token"] for row in rows] == spelt.split()
    assert [row["line"] for row in rows] == [1] * 4 + [3] * 7
    assert [row["known"] for row in rows] == [True] * 4 + [False] + [True] * 4 + [False, True]
    assert all(row["probability"] == pytest.approx(1 / 8) for row in rows)
    table = embedpipe_cli("score", bundle, file, "--tokens", "--by", by, "--no-baseline").out.splitlines()
    assert table[5].split() == ["3", "the", f"{-EIGHTH:.3f}", "0.125000", "2", "<unk>"]
    assert table[-1].split()[:3] == ["total", "-", f"{-11 * EIGHTH:.3f}"]


def test_stdin_and_what_follows_the_text(bundle, embedpipe_cli, monkeypatch):
    """Beside a bundle without text, cache and dynamic evaluation take stated settings."""
    for option, said in [
        ("--cache", "cache: theta 1, weight 0.2, window 2,000 (not tuned, as there is no validation text in"),
        ("--dynamic", "dynamic evaluation: rule sgd, rate 0.1, decay 0.001, segments of 16 tokens (not tuned"),
    ]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"sea " * 200)))
        outcome = embedpipe_cli("score", bundle, "--by", "all", option, "--format", "jsonl", "--no-baseline")
        assert outcome.exit_code == 0
        (row,) = rows_of(outcome.out, "jsonl")
        assert row["tokens"] == 201
        assert row["perplexity"] < 7.5
        assert said in outcome.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no text; there is nothing to score"),
        (b" \n\t\n", "holds no text; there is nothing to score"),
        (b"sea \xff\n", ":1: not UTF-8 at byte 5 of the line"),
        (b"sea\n\x7fELF\x00\x01", ":2: holds a NUL byte: this is not plain text"),
    ],
)
def test_files_that_are_no_text(bundle, tmp_path, embedpipe_cli, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    outcome = embedpipe_cli("score", bundle, path, "--no-baseline")
    assert outcome.exit_code == 1
    assert str(path) in outcome.err
    assert message in outcome.err


def test_in_bf16_words_without_a_vector_are_as_probable(bundle, file, embedpipe_cli):
    outcome = embedpipe_cli("score", bundle, file, "--precision", "bf16", "--format", "jsonl")
    assert [json.loads(line)["perplexity"] for line in outcome.out.splitlines()] == [
        pytest.approx(8),
        None,
        pytest.approx(8),
    ]
    refused = embedpipe_cli("score", bundle, file, "--precision", "bf16", "--tokens")
    assert refused.exit_code == 2
    assert "--tokens ranks every word" in refused.err


def test_wrong_usage_and_missing_files(bundle, tmp_path, embedpipe_cli):
    assert embedpipe_cli("score", bundle, "-", "-").exit_code == 2
    assert "use one of them" in embedpipe_cli("score", bundle, "--cache", "--dynamic").err
    missing = embedpipe_cli("score", bundle, tmp_path / "none", "--no-baseline")
    assert (missing.exit_code, "no such file; name a text file" in missing.err) == (1, True)


def test_unknown_words_only_and_characters_that_are_nothing(bundle, tmp_path, embedpipe_cli):
    path = tmp_path / "odd.txt"
    path.write_text("zebra giraffe\n\u200b\n", encoding="utf-8")
    outcome = embedpipe_cli("score", bundle, path, "--format", "json", "--no-baseline")
    assert [row["unknown_share"] for row in rows_of(outcome.out, "json")] == [pytest.approx(2 / 3), 0.0]
    path.write_text("\u200b\n", encoding="utf-8")
    assert rows_of(embedpipe_cli("score", bundle, path, "--tokens", "--format", "json").out, "json") == []


def test_a_line_without_an_end(bundle, tmp_path, embedpipe_cli):
    path = tmp_path / "long.txt"
    path.write_text("salt sea wind . " * 5_000, encoding="utf-8")
    outcome = embedpipe_cli("score", bundle, path, "--format", "jsonl", "--no-baseline")
    (row,) = rows_of(outcome.out, "jsonl")
    assert row["tokens"] == 5_000 * 5
    assert row["perplexity"] == pytest.approx(8)

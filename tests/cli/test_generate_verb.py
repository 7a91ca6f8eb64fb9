"""`embedpipe generate` on a generator that knows one sentence."""

import csv
import io
import json

import numpy as np
import pytest
import torch

from embedpipe.bundle.manifest import Manifest, StageRecord
from embedpipe.bundle.save import save_bundle
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.part import save_generator
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import Vocabulary

WORDS = {"salt": 9, "sea": 8, "wind": 7, ".": 6}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A generator that cannot help writing 'sea': its bias outweighs all else."""
    folder, target = tmp_path_factory.mktemp("parts"), tmp_path_factory.mktemp("out") / "sea.bundle"
    vocabulary = Vocabulary.from_counts(WORDS)
    vocabulary.save(folder / "vocabulary.json")
    (folder / "tokenizer_spec.json").write_text(json.dumps(RegexTokenizer().spec()))
    torch.manual_seed(0)
    model = LanguageModel(len(vocabulary), dim=4, hidden=4, layers=1)
    model.initialise(torch.zeros(len(vocabulary), 4), np.ones(len(vocabulary)) / len(vocabulary))
    with torch.no_grad():
        model.bias[vocabulary.index["sea"]] = 3.0
    save_generator(folder / "generator", model)
    record = StageRecord("0" * 64, "planted", 0.0)

    def manifest(files) -> Manifest:
        stages = {"text": record, "generation": record}
        return Manifest("test", "test", "tiny", 1, True, "planted", [], {}, stages, {}, files)

    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    save_bundle(target, files, manifest)
    return target


def test_a_table_is_the_texts_alone(bundle, embedpipe_cli) -> None:
    outcome = embedpipe_cli("generate", bundle, "Salt", "-n", 2, "--max-tokens", 3, "--temperature", 0)
    assert outcome.exit_code == 0
    assert outcome.out == "Salt sea sea sea\n" * 2
    assert outcome.err == ""


def test_without_a_prompt(bundle, embedpipe_cli) -> None:
    outcome = embedpipe_cli("generate", bundle, "--max-tokens", 2, "--temperature", 0)
    assert outcome.out == "sea sea\n" * 3


@pytest.mark.parametrize("format_", ["json", "jsonl", "csv"])
def test_rows_hold_the_seed_that_repeats_them(bundle, embedpipe_cli, format_) -> None:
    first = embedpipe_cli("generate", bundle, "salt", "-n", 4, "--format", format_, "--temperature", 2)
    rows = parse(first.out, format_)
    assert len(rows) == 4
    assert {int(row["tokens"]) for row in rows} != {0}
    assert all(row["text"].startswith("salt") and row["prompt"] == "salt" for row in rows)
    seed = rows[0]["seed"]
    again = embedpipe_cli("generate", bundle, "salt", "-n", 4, "--temperature", 2, "--seed", seed)
    assert again.out.splitlines() == [row["text"] for row in rows]


def parse(text: str, format_: str) -> list[dict]:
    if format_ == "csv":
        return list(csv.DictReader(io.StringIO(text)))
    return json.loads(text) if format_ == "json" else [json.loads(line) for line in text.splitlines()]


def test_unknown_words_of_the_prompt_are_counted_on_stderr(bundle, embedpipe_cli) -> None:
    outcome = embedpipe_cli("generate", bundle, "qqq zzz sea", "-n", 1, "--max-tokens", 1, "--temperature", 0)
    assert outcome.out == "qqq zzz sea sea\n"
    assert outcome.err == "2 of 3 prompt tokens are not in the vocabulary\n"


def test_a_prompt_from_stdin(bundle, embedpipe_cli, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"wind \n")))
    outcome = embedpipe_cli("generate", bundle, "-", "-n", 1, "--max-tokens", 1, "--temperature", 0)
    assert outcome.out == "wind sea\n"


def test_closed_stdin_is_said(bundle, embedpipe_cli, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    outcome = embedpipe_cli("generate", bundle, "-")
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert outcome.err.startswith("Error: -: standard input is closed")


def test_bytes_that_are_no_text_are_an_error(bundle, embedpipe_cli, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"wind \xff")))
    outcome = embedpipe_cli("generate", bundle, "-")
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert "<stdin>: not UTF-8 at byte 6" in outcome.err


@pytest.mark.parametrize(
    "option",
    [("--temperature", -1), ("--temperature", "nan"), ("--top-p", 0), ("--top-k", -2), ("-n", 0), ("--max-tokens", 0)],
)
def test_values_out_of_range_are_usage_errors(bundle, embedpipe_cli, option) -> None:
    outcome = embedpipe_cli("generate", bundle, *option)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert option[0].lstrip("-") in outcome.err


def test_a_missing_bundle_is_named(tmp_path, embedpipe_cli) -> None:
    outcome = embedpipe_cli("generate", tmp_path / "none", "salt")
    assert outcome.exit_code == 1
    assert "none" in outcome.err
    assert "Traceback" not in outcome.err

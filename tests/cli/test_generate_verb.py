"""`embedpipe generate` on a generator that knows one sentence."""

import csv
import io
import json
import math

import numpy as np
import pytest
import torch

from embedpipe.bundle.manifest import Manifest, StageRecord
from embedpipe.bundle.save import save_bundle
from embedpipe.generation.generator import TextGenerator
from embedpipe.generation.language_model import LanguageModel, Shape
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
    model = LanguageModel(Shape(len(vocabulary), dim=4, hidden=4, layers=1))
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
    outcome = embedpipe_cli("generate", bundle, "Salt", "-n", 2, "--max-tokens", 3, "--temperature", 0.1)
    assert outcome.exit_code == 0
    assert outcome.out == "Salt sea sea sea\n" * 2
    assert outcome.err == ""


def test_without_a_prompt(bundle, embedpipe_cli) -> None:
    outcome = embedpipe_cli("generate", bundle, "--max-tokens", 2, "--temperature", 0.1)
    assert outcome.out == "sea sea\n" * 3


@pytest.mark.parametrize("greedy", [("--temperature", 0), ("--top-k", 1)])
def test_the_most_probable_text_is_written_once(bundle, embedpipe_cli, greedy) -> None:
    assert embedpipe_cli("generate", bundle, *greedy, "--max-tokens", 2).out == "sea sea\n"


def test_a_stop_wins_over_the_fewest_tokens_and_what_it_cuts_off_counts(bundle, embedpipe_cli) -> None:
    call = ("generate", bundle, "--temperature", 0, "--min-tokens", 5, "--stop", "sea sea", "--format", "json")
    (row,) = json.loads(embedpipe_cli(*call).out)
    assert (row["text"], row["ended"], row["tokens"]) == ("", "stop", 2)


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
    nothing = embedpipe_cli("generate", bundle, "qqq zzz", "-n", 1, "--max-tokens", 1, "--temperature", 0)
    assert nothing.err == "2 of 2 prompt tokens are not in the vocabulary; nothing of the prompt is known\n"


def test_a_stream_says_what_it_does_not_know_or_read_too(bundle, embedpipe_cli, monkeypatch) -> None:
    outcome = embedpipe_cli("generate", bundle, "qqq zzz", "--max-tokens", 1, "--temperature", 0, "--stream")
    assert outcome.out == "qqq zzz sea\n"
    assert outcome.err == "2 of 2 prompt tokens are not in the vocabulary; nothing of the prompt is known\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"wind sea " * 600)))
    long = embedpipe_cli("generate", bundle, "-", "--max-tokens", 1, "--temperature", 0, "--stream")
    assert long.err == "only the last 1,000 tokens of the prompt were read\n"


def test_bans_of_unknown_words_are_counted_on_stderr(bundle, embedpipe_cli) -> None:
    call = ("generate", bundle, "--max-tokens", 1, "--temperature", 0, "--ban")
    outcome = embedpipe_cli(*call, "zzzz sea", "--ban", "wind")
    assert outcome.out == "sea\n"
    assert outcome.err == (
        "1 of 3 banned words are not in the vocabulary; they, and runs of words that hold one, are never written\n"
    )
    assert embedpipe_cli(*call, "wind").err == ""


def test_a_prompt_from_stdin(bundle, embedpipe_cli, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbfwind \n")))
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
    assert "<stdin>:1: not UTF-8 at byte 6" in outcome.err


def test_prompts_in_another_encoding(bundle, embedpipe_cli, tmp_path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes("wind\nsea\n".encode("utf-16"))
    asked = ["--max-tokens", 1, "--temperature", 0, "--format", "json", "--encoding", "utf-16"]
    outcome = embedpipe_cli("generate", bundle, "--prompts", path, *asked)
    assert [row["prompt"] for row in json.loads(outcome.out)] == ["wind", "sea"]


def test_an_empty_name_of_the_prompts_is_said(bundle, embedpipe_cli) -> None:
    outcome = embedpipe_cli("generate", bundle, "--prompts", "")
    assert outcome.exit_code == 2
    assert "'--prompts': the name is empty" in outcome.err


def test_a_nul_byte_is_named_by_its_line(bundle, embedpipe_cli, tmp_path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes(b"wind\nsea\0\n")
    outcome = embedpipe_cli("generate", bundle, "--prompts", path)
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert f"{path}:2: holds a NUL byte" in outcome.err


@pytest.mark.parametrize(
    "option",
    [
        ("--temperature", -1),
        ("--temperature", "nan"),
        ("--top-p", 0),
        ("--top-k", -2),
        ("--typical-p", 0),
        ("--min-p", 1.5),
        ("-n", 0),
        ("--max-tokens", 0),
        ("--beam", 0),
        ("--repetition-penalty", 0),
        ("--stop", ""),
        ("--begin-with", "zebra"),
    ],
)
def test_values_out_of_range_are_usage_errors(bundle, embedpipe_cli, option) -> None:
    outcome = embedpipe_cli("generate", bundle, *option)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert option[0].lstrip("-").replace("-", "_") in outcome.err.replace("-", "_")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--beam", 2, "--temperature", 1), "--beam and --temperature contradict each other"),
        (("--beam", 2, "--top-p", 0.9), "--beam and --top-p"),
        (("--beam", 2, "--seed", 1), "--beam and --seed"),
        (("--beam", 2, "-n", 3), "-n 3 texts need a --beam at least as wide, not 2"),
        (("--stream", "--beam", 2), "--stream and --beam"),
        (("--stream", "--format", "json"), "--stream and --format"),
        (("--stream", "-n", 2), "leave -n out"),
        (("--length-penalty", 1), "give --beam too"),
        (("salt", "--prompts", "-"), "--prompts and PROMPT"),
        (("--min-tokens", 9, "--max-tokens", 3), "--min-tokens is at most --max-tokens (3), not 9"),
        (("--begin-with", "sea sea sea", "--max-tokens", 2), "--begin-with takes at least 3 tokens, but a text ends"),
        (("--stop", " "), "Error: --stop holds an empty text"),
        (("--temperature", 0, "--top-k", 5), "--temperature and --top-k contradict each other"),
        (("--temperature", 0, "--seed", 3), "--temperature and --seed"),
        (("--temperature", 0, "-n", 2), "with --temperature 0 all 2 texts would be the same"),
        (("--top-k", 1, "-n", 2), "with --top-k 1 all 2 texts would be the same"),
        (("--temperature", 1e-5, "-n", 3), "with --temperature 1e-05 all 3 texts would be the same"),
        (("--temperature", 1e-5, "--seed", 3), "at 1e-05 the most probable word is taken"),
    ],
)
def test_contradictions_are_usage_errors(bundle, embedpipe_cli, options, message) -> None:
    outcome = embedpipe_cli("generate", bundle, *options)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert message in outcome.err


def test_a_stream_is_the_text_of_that_seed(bundle, embedpipe_cli) -> None:
    options = ("salt", "--temperature", 3, "--seed", 4, "--max-tokens", 6)
    streamed = embedpipe_cli("generate", bundle, *options, "--stream")
    assert streamed.exit_code == 0
    assert streamed.out == embedpipe_cli("generate", bundle, *options, "-n", 1).out


def test_a_beam_is_ranked(bundle, embedpipe_cli) -> None:
    outcome = embedpipe_cli(
        "generate", bundle, "salt", "--beam", 3, "-n", 3, "--max-tokens", 2, "--length-penalty", 1, "--format", "json"
    )
    rows = json.loads(outcome.out)
    assert rows[0]["text"] == "salt sea sea"
    assert rows[0].keys() == {"prompt", "text", "tokens", "log_probability", "ended", "score"}
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    assert all(row["score"] == pytest.approx(row["log_probability"] / (7 / 6)) for row in rows if row["tokens"] == 2)


@pytest.mark.parametrize("searched", [(), ("--beam", 2)])
def test_a_cache_makes_the_words_of_the_prompt_more_probable(bundle, embedpipe_cli, searched) -> None:
    """Half of what is remembered is 'wind', and the cache has grown to half of its weight of 0.2 after 100 words."""
    prompt = " ".join(["wind salt"] * 50)
    call = ("generate", bundle, prompt, "-n", 1, "--max-tokens", 1, "--begin-with", "wind ", "--format", "json")
    (plain,) = json.loads(embedpipe_cli(*call, *searched).out)
    outcome = embedpipe_cli(*call, *searched, "--cache")
    (row,) = json.loads(outcome.out)
    assert row["text"] == plain["text"] == f"{prompt} wind"
    expected = 0.9 * math.exp(plain["log_probability"]) + 0.1 / 2
    assert math.exp(row["log_probability"]) == pytest.approx(expected, rel=0.02)
    assert outcome.err.startswith("cache: theta 1, weight 0.2, window 2,000 (not tuned, as there is no validation text")
    streamed = embedpipe_cli(
        "generate", bundle, prompt, "--begin-with", "wind ", "--max-tokens", 1, "--stream", "--cache"
    )
    assert streamed.out == f"{prompt} wind\n"


def test_each_prompt_has_a_cache_of_its_own(bundle, embedpipe_cli, tmp_path) -> None:
    path = tmp_path / "prompts.txt"
    many = ["wind " * 100, "salt " * 100, "salt wind " * 50]
    path.write_text("\n".join(many))
    call = ("generate", bundle, "--prompts", path, "--cache", "--begin-with", "wind ", "--max-tokens", 1)
    rows = json.loads(embedpipe_cli(*call, "-n", 1, "--format", "json").out)
    low, gain = math.exp(rows[1]["log_probability"]), 0.1
    assert [math.exp(row["log_probability"]) - low for row in rows] == pytest.approx([gain, 0, gain / 2], abs=5e-3)


def test_prompts_of_a_file_are_continued_one_by_one(bundle, embedpipe_cli, tmp_path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes("\ufeffSalt\r\n\nwind qqq\n".encode())
    outcome = embedpipe_cli(
        "generate", bundle, "--prompts", path, "-n", 2, "--max-tokens", 1, "--temperature", 0.1, "--format", "csv"
    )
    rows = parse(outcome.out, "csv")
    assert [row["prompt"] for row in rows] == ["Salt", "Salt", "", "", "wind qqq", "wind qqq"]
    assert [row["text"] for row in rows[::2]] == ["Salt sea", "sea", "wind qqq sea"]
    assert outcome.err == "1 of 3 prompt tokens are not in the vocabulary\n"
    path.write_text("zzz\nsea\n", encoding="utf-8")
    dark = embedpipe_cli("generate", bundle, "--prompts", path, "--max-tokens", 1)
    assert dark.err == "1 of 2 prompt tokens are not in the vocabulary; nothing of 1 of 2 prompts is known\n"
    path.write_bytes(b"")
    assert "holds no prompt" in embedpipe_cli("generate", bundle, "--prompts", path).err
    for name, said in (("none", "no such file; name a text file"), ("", "is a folder; name one text file")):
        outcome = embedpipe_cli("generate", bundle, "--prompts", tmp_path / name)
        assert (outcome.exit_code, outcome.out) == (1, "")
        assert outcome.err.startswith(f"Error: {tmp_path / name}: {said} with one text a line")


@pytest.mark.parametrize("format_", ["table", "json", "jsonl", "csv"])
def test_prompts_are_written_part_by_part(bundle, embedpipe_cli, tmp_path, monkeypatch, format_) -> None:
    """Parts of two texts give what one go gives; all but a JSON list stand there when a later part fails."""
    path = tmp_path / "prompts.txt"
    path.write_text("salt\nsea\nsalt\nwind\nsalt\n")
    call = ("generate", bundle, "--prompts", path, "-n", 1, "--seed", 3, "--temperature", 3, "--format", format_)
    whole = embedpipe_cli(*call)
    monkeypatch.setattr("embedpipe.generation.generator._PART", 2)
    assert embedpipe_cli(*call).out == whole.out
    written = TextGenerator._write

    def third_fails(self, prompts, *more):
        if len(prompts) == 1:
            raise OSError("no more")
        return written(self, prompts, *more)

    monkeypatch.setattr(TextGenerator, "_write", third_fails)
    broken = embedpipe_cli(*call)
    assert broken.exit_code == 1
    n_kept = {"table": 4, "json": 0, "jsonl": 4, "csv": 5}[format_]
    assert broken.out.splitlines() == whole.out.splitlines()[:n_kept]


def test_limits_reach_the_writer(bundle, embedpipe_cli) -> None:
    options = ("--temperature", 0, "-n", 1, "--max-tokens", 4)
    written = [
        embedpipe_cli("generate", bundle, "salt", *options, *more).out
        for more in (
            ("--ban", "sea", "--begin-with", "wi"),
            ("--stop", "sea sea"),
            ("--no-repeat-ngram", 1, "--ban", "wind", "--ban", "."),
        )
    ]
    assert written[0].startswith("salt wind")
    assert "sea" not in written[0]
    assert written[1:] == ["salt\n", "salt sea\n"]


def test_rows_hold_log_probability_and_end(bundle, embedpipe_cli) -> None:
    outcome = embedpipe_cli("generate", bundle, "salt", "-n", 2, "--max-tokens", 1, "--format", "jsonl", "--seed", 1)
    for row in parse(outcome.out, "jsonl"):
        assert row["ended"] == "length"
        assert -20 < row["log_probability"] < 0


def test_a_megabyte_of_prompt_is_cut_and_said(bundle, embedpipe_cli, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"wind sea " * 120_000)))
    outcome = embedpipe_cli("generate", bundle, "-", "-n", 1, "--max-tokens", 1, "--temperature", 0)
    assert outcome.exit_code == 0
    assert outcome.err == "only the last 1,000 tokens of the prompt were read\n"
    assert outcome.out.endswith("wind sea sea\n")


def test_a_missing_bundle_is_named(tmp_path, embedpipe_cli) -> None:
    outcome = embedpipe_cli("generate", tmp_path / "none", "salt")
    assert outcome.exit_code == 1
    assert "none" in outcome.err
    assert "Traceback" not in outcome.err

"""What every verb with --format keeps to: names that a program can use, and the same ones in each format."""

import csv
import io
import json
import re
from collections.abc import Iterator

import click
import numpy as np
import pytest

from embedpipe.cli import cli
from embedpipe.nn.search import BatchTest, RateTest, TriedBatch
from embedpipe.pipeline.curve import Curve, CurvePoint
from embedpipe.pipeline.curve_fit import Forecast
from embedpipe.pipeline.curve_tasks import CurveTask
from embedpipe.pipeline.ladder_result import Ladder, Step
from embedpipe.pipeline.ladder_rungs import RUNGS
from embedpipe.pipeline.tune_result import TriedList, TriedSettings, Tuned

NAME = re.compile(r"[a-z][a-z0-9_]*")
CALLS = {
    "analogy": ["BUNDLE", "man", "king", "woman", "-k", "2"],
    "compare": ["BUNDLE", "king", "queen", "-k", "2"],
    "compare (sentences)": ["BUNDLE", "the king saw the queen", "my uncle met zyx"],
    "corpora list": [],
    "corpora show": ["wikipedia"],
    "corpora stats": ["TEXT"],
    "curve": ["TEXT", "-o", "planted.curve"],
    "diff": ["BUNDLE", "BUNDLE", "PAIRS"],
    "encode": ["BUNDLE", "TEXT"],
    "generate": ["BUNDLE", "the king", "--max-tokens", "4", "--seed", "1"],
    "generate (search)": ["BUNDLE", "the king", "--max-tokens", "4", "--beam", "2"],
    "info": ["BUNDLE"],
    "interpolate": ["BUNDLE", "the king", "the queen", "--steps", "2"],
    "ladder": ["TEXT", "-o", "planted.ladder"],
    "ladder (list)": ["--list"],
    "probe": ["BUNDLE", "PAIRS", "--no-leakage"],
    "sample": ["BUNDLE", "-n", "1"],
    "sample (again)": ["BUNDLE", "--reconstruct", "the king"],
    "score": ["BUNDLE", "TEXT", "--no-baseline"],
    "score (tokens)": ["BUNDLE", "TEXT", "--no-baseline", "--tokens"],
    "similar": ["BUNDLE", "king", "-k", "2"],
    "similar (why)": ["BUNDLE", "king", "-k", "2", "--why"],
    "tasks list": [],
    "tasks show": ["men"],
    "tune lr": ["BUNDLE"],
    "tune lr (batch)": ["BUNDLE", "--batch"],
    "tune words": ["TEXT", "-o", "best.toml"],
    "verify": ["BUNDLE"],
}
KEYED_BY_DATA = {"info": "its JSON is the manifest, where files and scores stand under their own names"}


class Latent:
    """A model of z that writes one text."""

    dim = 1

    def __init__(self, codec) -> None:
        self.codec = codec

    def draw(self, n, **_):
        return np.zeros((n, 1), dtype=np.float32)

    def encode(self, texts):
        return np.zeros((len(texts), 1), dtype=np.float32)

    def decode(self, points, *_, **__):
        return ["the king"] * len(points)

    def interpolate(self, a, b, *_, **__):
        return [a, b]


@pytest.fixture
def planted(toy_bundle, monkeypatch):
    """What takes a training of its own is there already."""
    forecasts = tuple(Forecast(times, 0.7, 0.6, 0.8, 0.1, 0.05, 0.15) for times in (2.0, 8.0))
    grows = CurveTask("planted", "accuracy", 40, (0.5, 0.6), (1.0, 1.0), 0.9, 2.0, 0.3, forecasts)
    flat = CurveTask("flat", "accuracy", 0, (), (0.0, 0.0), note="no common question")
    curve = Curve([CurvePoint(0.5, 1_000, "tiny", 1.0), CurvePoint(1.0, 2_000, "tiny", 1.0)], [grows, flat], 1)
    lines = (((0.0, 90.0), (1.0, 100.0)),)
    first = ((100.0,), 100.0, 90.0, 110.0, 1.0, 1e3, 9, "", *[float("nan")] * 5, lines, (), ())
    second = ((50.0,), 50.0, 40.0, 60.0, 1.0, 1e3, 9, "kneser-ney", -0.5, -0.6, -0.4, 0.01, 0.01, lines, (), ())
    conditions = {"sources": ["x"], "seconds": 1.0, "seeds": 1, "vocabulary": 9, "training_tokens": 9}
    conditions |= {"test_tokens": 9, "test_rows": 3, "unknown_share": 0.0, "word_vector_seconds": 0.0}
    conditions |= {"device": "cpu", "threads": 1}
    ladder = Ladder([Step(RUNGS["kneser-ney"], *first), Step(RUNGS["rnn"], *second)], conditions)
    preset = TriedList(("unit",), 0.5, {"simlex999": 0.4, "next sentence": 0.6})
    tuned = Tuned(None, [TriedSettings(0, {"window": 5}, 1.0, [preset])], preset, "both", (), interrupted=False)
    sizes = BatchTest([TriedBatch(32, 1e3, 2**20, "fits")], 32, "memory")
    rates = RateTest(np.array([1e-3, 1e-2]), np.array([2.0, float("nan")]), 1e-3, 1e-3, 1e-2, diverged=True)
    for name, made in {
        "curve.curve": curve,
        "ladder.ladder": ladder,
        "tune.tune": tuned,
        "tune_rate.tune_batch": (sizes, None),
        "tune_rate.tune_rate": (rates, None),
    }.items():
        monkeypatch.setattr(f"embedpipe.pipeline.{name}", lambda *_, made=made, **__: made)
    monkeypatch.setattr("embedpipe.loading.Bundle.latent", Latent(toy_bundle.codec))


@pytest.fixture(scope="module")
def files(toy_bundle, tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "text.txt").write_text("the king saw the queen\n")
    words = toy_bundle.vocabulary.tokens[10:20]
    pairs = [f"{a}\t{b}\t{i * j % 7}" for i, a in enumerate(words) for j, b in enumerate(words) if i < j]
    (folder / "pairs.tsv").write_text("\n".join(["word_a\tword_b\tscore", *pairs]) + "\n")
    named = {"BUNDLE": toy_bundle.path, "TEXT": folder / "text.txt", "PAIRS": folder / "pairs.tsv"}
    return {name: str(path) for name, path in named.items()}


def verbs(group: click.Group, before: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield each verb that takes --format, with the formats."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from verbs(command, f"{before}{name} ")
        for option in command.params:
            if option.name == "format_" and "--format" in option.opts:
                yield f"{before}{name}", list(option.type.choices)


FORMATS = dict(verbs(cli))


def names(content) -> Iterator[str]:
    """Yield all keys of an object and of what stands in it."""
    if isinstance(content, dict):
        yield from content
    for value in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from names(value)


def at(content, place: str):
    for name in place.split("."):
        content = content[int(name) if isinstance(content, list) else name]
    return content


def test_every_verb_with_formats_is_called() -> None:
    assert {call.split(" (")[0] for call in CALLS} == set(FORMATS)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.usefixtures("planted")
def test_names(call: str, files, embedpipe_cli, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    verb = call.split(" (")[0]
    found = {}
    for format_ in ("json", "jsonl", "csv"):
        if format_ in FORMATS[verb]:
            arguments = [files.get(word, word) for word in CALLS[call]]
            outcome = embedpipe_cli(*verb.split(), *arguments, "--format", format_)
            assert outcome.exit_code == 0, outcome.err
            found[format_] = outcome.out
    content = json.loads(found["json"])
    of_json = set(content if call in KEYED_BY_DATA else names(content))
    assert of_json
    assert [name for name in of_json if not NAME.fullmatch(name)] == []
    assert "cosine" not in of_json, "it is called similarity"
    if len(found) == 1:
        return
    rows = [json.loads(line) for line in found["jsonl"].splitlines()]
    header, *lines = csv.reader(io.StringIO(found["csv"]))
    of_rows = {name for row in rows for name in row}
    assert [name for name in {*of_rows, *header} if not NAME.fullmatch(name)] == []
    assert set(header) <= of_rows
    assert len(lines) == len(rows)
    assert "nan" not in {cell for line in lines for cell in line}
    if isinstance(content, list):
        assert [list(row) for row in rows] == [list(row) for row in content]
    elif header != ["what", "is"]:
        assert {*header} - {"method"} <= of_json
        assert {row["method"] for row in rows} <= set(content)
    elif call not in KEYED_BY_DATA:
        assert [row["is"] for row in rows] == [at(content, row["what"]) for row in rows]

"""``tune lr``: rates and batches that were tried, and settings that ``run`` takes."""

import csv
import io
import itertools
import json
import shutil

import pytest

from embedpipe.config import PipelineConfig
from embedpipe.settings import load_config


@pytest.mark.parametrize("stage", ["sentences", "generation"])
def test_a_rate_is_found_and_written(toy_bundle, tmp_path, embedpipe_cli, stage: str) -> None:
    output = tmp_path / "rate.toml"
    options = ["--stage", stage, "--steps", 40, "--set", "sentences.words_learning_rate=0.0005"]
    outcome = embedpipe_cli("tune", "lr", toy_bundle.path, *options, "-o", output, "--format", "json")
    assert outcome.exit_code == 0, outcome.err
    rows = json.loads(outcome.out)
    rates, losses = [row["rate"] for row in rows], [row["loss"] for row in rows]
    assert rates[0] == pytest.approx(1e-6)
    assert rates == sorted(rates)
    assert min(losses) < 0.95 * losses[0]
    settings = load_config(output)
    config = PipelineConfig.of(settings.pop("preset"), settings)
    found = getattr(config, stage).learning_rate
    assert 1e-5 < found < 0.5
    assert f"{stage}.learning_rate: {found:.1e}, where the loss falls fastest" in outcome.err
    if stage == "sentences":
        assert config.sentences.words_learning_rate == pytest.approx(found / 2, rel=0.05), "the ratio is kept"
    assert config.words.dim == 48, "the rest is as the bundle has it"

    again = embedpipe_cli("tune", "lr", toy_bundle.path, "-o", output)
    assert again.exit_code == 1
    assert "rate.toml: exists, so it is kept" in again.err


@pytest.mark.parametrize("stage", ["sentences", "generation"])
def test_a_batch_is_found(toy_bundle, embedpipe_cli, stage: str) -> None:
    outcome = embedpipe_cli("tune", "lr", toy_bundle.path, "--batch", "--stage", stage, "--format", "csv")
    assert outcome.exit_code == 0, outcome.err
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    sizes = [int(row["batch"]) for row in rows]
    assert all(b == 2 * a for a, b in itertools.pairwise(sizes))
    assert float(rows[0]["rows_per_second"]) > 0
    assert float(rows[0]["memory_mib"]) > 10
    suggested = int(outcome.err.split(f"{stage}.batch: ")[1].split()[0])
    assert suggested in sizes


@pytest.mark.parametrize("batch", [[], ["--batch"]])
def test_several_processes_are_refused(toy_bundle, embedpipe_cli, monkeypatch, batch: list[str]) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    outcome = embedpipe_cli("tune", "lr", toy_bundle.path, *batch)
    assert outcome.exit_code == 2
    assert "a learning rate or a batch is searched for in one process, and a launcher started 2" in outcome.err


def test_what_is_missing_is_named(toy_bundle, tmp_path, embedpipe_cli) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(toy_bundle.path, alone)
    outcome = embedpipe_cli("tune", "lr", alone)
    assert outcome.exit_code == 1
    assert "alone.work/text: the prepared text of the bundle is not there" in outcome.err
    outcome = embedpipe_cli("tune", "lr", toy_bundle.path, "--set", "sentences.architecture=bag")
    assert outcome.exit_code == 2
    assert "'bag' has nothing to train" in outcome.err
    outcome = embedpipe_cli("tune", "lr", toy_bundle.path, "-o", tmp_path / "rate.txt")
    assert "name a file that ends in .toml" in outcome.err


@pytest.mark.parametrize("verb", ["rate", "batch"])
@pytest.mark.parametrize("stage", ["sentences", "generation"])
def test_a_lost_device_is_named(toy_bundle, embedpipe_cli, monkeypatch, stage: str, verb: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(f"embedpipe.{stage}.search.search_{verb}", fail)
    options = ["--batch"] if verb == "batch" else []
    outcome = embedpipe_cli("tune", "lr", toy_bundle.path, "--stage", stage, *options)
    assert outcome.exit_code == 1
    assert "the GPU no longer answers" in outcome.err
    assert "the bundle is as it was" in outcome.err


def test_the_words_are_tuned_with_or_without_their_name(embedpipe_cli, tmp_path) -> None:
    for call in (["tune"], ["tune", "words"]):
        outcome = embedpipe_cli(*call, "-o", tmp_path / "best.toml", "x.txt", "--budget", "soon")
        assert outcome.exit_code == 2
        assert "'soon' is no time" in outcome.err
    outcome = embedpipe_cli("tune", "--help")
    assert outcome.exit_code == 0
    assert "lr " in outcome.out
    assert "words " in outcome.out

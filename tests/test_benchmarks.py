"""What the benchmarks of generation share: a clock that waits for the device, and the baseline in their tables."""

import argparse
import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from embedpipe.generation.ngrams.kneser_ney import KneserNey
from embedpipe.text.vocabulary import EOS

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """Import a benchmark by its name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def test_the_clock_is_read_when_the_device_is_done(benchmark, monkeypatch) -> None:
    timed, done = benchmark("timed"), []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: done.append(str(device)))
    monkeypatch.setattr(timed.time, "perf_counter", lambda: float(len(done)))
    options = argparse.Namespace(threads=torch.get_num_threads(), clock="wall")
    assert timed.start_timing(options, torch.device("cuda"))() == 1.0
    assert done == ["cuda"]
    assert timed.start_timing(options)() == 1.0  # the CPU is never waited for


def test_a_device_is_chosen_by_its_name_and_stands_in_what_is_said(benchmark) -> None:
    timed, parser = benchmark("timed"), argparse.ArgumentParser()
    timed.add_device(parser)
    assert parser.parse_args([]).device == "auto"
    assert parser.parse_args(["--device", "cuda"]).device == "cuda"
    assert timed.described(torch.device("cpu")).endswith("threads, on the CPU")


PARTS = [f"generation_{part}" for part in ("training", "writing", "scoring", "quality", "start", "latent")]


@pytest.mark.parametrize("part", [*PARTS, "sentences"])
def test_every_part_that_runs_networks_takes_a_device(benchmark, monkeypatch, capsys, part) -> None:
    module = benchmark(part)
    monkeypatch.setattr("sys.argv", [part, "--help"])
    with pytest.raises(SystemExit):
        module.main()
    assert "--device {auto,cpu,cuda}" in capsys.readouterr().out


def test_the_counts_beside_a_generative_model_read_each_sentence_alone(benchmark) -> None:
    stream = np.array([4, 5, EOS, 4, 6, 5, EOS, 4, 5, 6, EOS] * 5, np.uint32)
    text = SimpleNamespace(train=SimpleNamespace(tokens=stream), vocabulary=range(7))
    sentences = [np.array(ids, np.uint32) for ids in ([4, 5], [6, 4, 5])]
    row = benchmark("generation_latent").counted(text, sentences)
    model = KneserNey.fit(stream, 7)
    sums = [model.losses(np.array([[EOS, *ids, EOS]], np.uint32)).sum() for ids in sentences]
    assert row["nll"] == pytest.approx(np.mean(sums))
    assert row["perplexity"] == pytest.approx(np.exp(sum(sums) / 7))


def test_the_counts_stand_in_the_table_of_the_starts(benchmark) -> None:
    start = benchmark("generation_start")
    trained = {"of_each_seed": [90.0, 92.0], "tokens_read": 1e6, "timelines": [[[1.0, 300.0]]]}
    rows = [{"start": "vectors", "perplexity": 91.0, **trained}, {"start": start.COUNTED, "perplexity": 160.5}]
    page = start.to_markdown(rows, SimpleNamespace(ratio=0.9, p_value=0.01)).splitlines()
    assert page[2:4] == ["| the word vectors | 91.0 | 90.0, 92.0 | 1,000,000 |", "| Kneser-Ney 5-gram | 160.5 | | |"]
    assert page[-1] == "* the word vectors: 1.0 s 300.0"


def test_encoders_are_trained_on_the_device_that_is_named(benchmark, monkeypatch) -> None:
    sentences, commands = benchmark("sentences"), []
    done = SimpleNamespace(returncode=0, stdout='{"per_s": 3.0}')
    monkeypatch.setattr(sentences.subprocess, "run", lambda command, **_: commands.append(command) or done)
    options = argparse.Namespace(python="other", captions="c", share=1.0, threads=1, device="cuda")
    assert sentences.measured("embedpipe training, bf16", Path("x"), options) == {"per_s": 3.0}
    assert commands[0][-2:] == ["--device", "cuda"]
    trained: list[torch.device] = []
    monkeypatch.setattr("embedpipe.sentences.train.train_encoder", lambda *_, device, **__: trained.append(device))
    training = benchmark("sentences_training")
    monkeypatch.setattr("embedpipe.text.token_store.TokenStore", str)
    monkeypatch.setattr(training, "_bag", str)
    with pytest.raises(SystemExit, match="1 steps are over too soon to be measured"):
        training.our_training("bf16")(Path("x"), 1, torch.device("cuda"))
    assert trained == [torch.device("cuda")]


def test_half_precision_is_compared_with_the_whole_and_wanted_on_a_gpu_alone(benchmark) -> None:
    sentences = benchmark("sentences")
    compared = "embedpipe training, bf16", "embedpipe training, fp32"
    assert sentences.ratios_of(torch.device("cpu"))[-1] == (*compared, None)
    assert sentences.ratios_of(torch.device("cuda"))[-1] == (*compared, 2.5)
    ratios = [{"of": "a", "to": "b", "reached": 1.5, "wanted": wanted} for wanted in (None, 2.5)]
    page = sentences.to_markdown({"about": "", "rows": {}, "ratios": ratios}).splitlines()
    assert page[-2:] == ["| a : b | 1.50 |  |", "| a : b | 1.50 | 2.5 |"]

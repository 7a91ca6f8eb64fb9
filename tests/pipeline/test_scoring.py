"""A scorer for a bundle with text beside it: settings found once and kept, the baseline, and what is said."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import embedpipe
from embedpipe.bundle.folder import work_folder
from embedpipe.errors import BundleError, ConfigError
from embedpipe.generation.cache import cached_losses
from embedpipe.generation.ngrams.kneser_ney import KneserNey
from embedpipe.pipeline.scoring import open_memory, open_scorer
from embedpipe.text.prepared import PreparedText
from embedpipe.text.vocabulary import EOS

LINES = ["The king rules the land.", "The cat chased the dog. The cat slept.", ""]


@pytest.fixture(scope="module")
def with_text(toy_bundle, toy_work, tmp_path_factory) -> embedpipe.Bundle:
    """A copy of the toy bundle with its text alone beside it."""
    target = tmp_path_factory.mktemp("scored") / "toy.bundle"
    shutil.copytree(toy_bundle.path, target)
    shutil.copytree(toy_work / "text", work_folder(target) / "text")
    return embedpipe.load(target)


def test_a_cache_is_tuned_once_and_kept(with_text, monkeypatch):
    said: list[str] = []
    first = open_scorer(with_text, cache=True, say=said.append)
    assert [line.split("(")[-1] for line in said[1:]] == ["found on the validation text)"]
    monkeypatch.setattr("embedpipe.generation.tuned.tune_cache", None)
    said.clear()
    again = open_scorer(with_text, cache=True, say=said.append)
    assert again.cache == first.cache
    assert "found before, kept in" in said[0]
    assert open_memory(with_text)().cache == first.cache
    ids = np.concatenate([[EOS], again.reading.read(["The king rules the land."])[0].ids]).astype(np.uint32)
    expected = cached_losses(with_text.generator.model, ids[None], first.cache)
    assert again.score(LINES[0]).log_probability == pytest.approx(-expected.sum(), rel=1e-5)


def test_the_baseline_is_kneser_ney_on_the_training_text(with_text):
    scorer = open_scorer(with_text, baseline=True)
    model = KneserNey.fit(PreparedText(work_folder(with_text.path) / "text").train.tokens, len(with_text.vocabulary))
    for text, score in zip(LINES, scorer.scores(LINES), strict=True):
        ids = np.concatenate([[EOS], scorer.reading.read([text])[0].ids]).astype(np.uint32)
        assert score.baseline == pytest.approx(-model.losses(ids[None]).sum())
    assert scorer.score(LINES[0]).n_unknown == sum(scorer.reading.read(LINES[:1])[0].ids == 1)


def test_dynamic_evaluation_is_tuned_within_its_time_and_kept(with_text, monkeypatch):
    monkeypatch.setattr("embedpipe.generation.tuned._SECONDS", 0.0)
    monkeypatch.setattr("embedpipe.generation.tuned._DYNAMIC_TOKENS", 200)
    monkeypatch.setattr("embedpipe.generation.tuned._GRADIENT_TOKENS", 200)
    said: list[str] = []
    first = open_scorer(with_text, dynamic=True, say=said.append)
    assert said[1] == "1 of 7 settings of dynamic evaluation were tried to the end"
    monkeypatch.setattr("embedpipe.generation.tuned.tune_dynamic", None)
    again = open_scorer(with_text, dynamic=True)
    first_total, second_total = ([line.score for line in one.along(LINES)] for one in (first, again))
    assert first_total == second_total
    assert first.left_out == 0


def test_what_cannot_be_kept_is_said(with_text, toy_bundle, monkeypatch):
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("embedpipe.generation.tuned.save_tuned", full)
    monkeypatch.setattr("embedpipe.pipeline.scoring._FOLDER", "elsewhere")
    said: list[str] = []
    assert open_scorer(with_text, cache=True, say=said.append).cache is not None
    assert "the settings found are not kept: no space left" in said


def test_both_ways_and_foreign_text(with_text, tmp_path):
    with pytest.raises(ConfigError, match="ask for one of them"):
        open_scorer(with_text, cache=True, dynamic=True)
    target = tmp_path / "toy.bundle"
    shutil.copytree(with_text.path, target)
    (work_folder(target) / "text").mkdir(parents=True)
    Path(work_folder(target) / "text" / "vocabulary.json").write_text("{}")
    with pytest.raises(BundleError, match="is not the vocabulary of"):
        open_scorer(embedpipe.load(target), baseline=True)

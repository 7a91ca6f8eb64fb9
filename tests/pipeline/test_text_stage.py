"""The stage ``text``: what it warns of."""

from types import SimpleNamespace

import pytest

from embedpipe.config import PipelineConfig
from embedpipe.pipeline import stages
from embedpipe.pipeline.ladder_rungs import base_of
from embedpipe.pipeline.stages import Job, run_text
from embedpipe.pipeline.work import WorkFolder
from embedpipe.runtime import Warned


def warnings(monkeypatch, tmp_path, config: PipelineConfig, n_words: int) -> list[str]:
    report = {"documents": 3, "exact_duplicates": 0, "near_duplicates": 0, "vocabulary": n_words + 4}
    report |= {split: {"tokens": 9} for split in ("train", "validation", "test")}
    monkeypatch.setattr(stages, "prepare", lambda *_, **__: SimpleNamespace(report=report))
    events: list = []
    run_text(Job([], config, WorkFolder(tmp_path, ["text"]), "cpu", False, events.append), tmp_path)
    return [event.message for event in events if isinstance(event, Warned)]


@pytest.mark.parametrize(
    "config", [PipelineConfig.of("article", {}), PipelineConfig.of("tiny", base_of({}))], ids=["article", "ladder"]
)
def test_a_text_too_small_for_its_vocabulary_is_said(config, monkeypatch, tmp_path) -> None:
    message, *more = warnings(monkeypatch, tmp_path, config, 7)
    assert not more
    assert "a vocabulary of 10,000 words was asked for" in message
    assert "only 7 " in message
    assert warnings(monkeypatch, tmp_path, config, 6_000) == []


def test_presets_that_fix_no_vocabulary_say_nothing(monkeypatch, tmp_path) -> None:
    assert warnings(monkeypatch, tmp_path, PipelineConfig.of("small", {}), 7) == []

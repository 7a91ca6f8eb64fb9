"""Which stages a run makes, what changes a fingerprint, and which outputs are refused."""

from pathlib import Path

import pytest

from embedpipe.config import STAGES, PipelineConfig
from embedpipe.errors import ConfigError, OutputError
from embedpipe.pipeline import plan
from embedpipe.pipeline.plan import close_stages, existing_bundle, fingerprints
from embedpipe.pipeline.provenance import versions_of


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        (["text"], ("text",)),
        (["words"], ("text", "words")),
        (["generation"], ("text", "words", "generation")),
        (["probes"], ("text", "words", "probes")),
        (["probes", "sentences"], ("text", "words", "sentences", "probes")),
        (list(reversed(STAGES)), STAGES),
    ],
)
def test_needed_stages_are_added_in_order(asked: list[str], made: tuple[str, ...]) -> None:
    assert close_stages(asked) == made


@pytest.mark.parametrize("asked", [[], ["word"], ["text", "nothing"]])
def test_unknown_stages_are_refused(asked: list[str]) -> None:
    with pytest.raises(ConfigError, match="--stages takes a list of text, words"):
        close_stages(asked)


def changed(settings: dict, sources: tuple[str, ...] = ("s",)) -> set[str]:
    before = fingerprints(PipelineConfig.of("tiny", {}), STAGES, ["s"])
    after = fingerprints(PipelineConfig.of("tiny", settings), STAGES, sources)
    return {stage for stage in STAGES if before[stage] != after[stage]}


def test_a_setting_changes_its_stage_and_those_that_read_it() -> None:
    assert changed({}) == set()
    assert changed({"generation": {"steps": 7}}) == {"generation"}
    assert changed({"probes": {"bootstrap": 200}}) == {"probes"}
    assert changed({"probes": {"chosen_on": ["lee"]}}) == {"probes"}
    assert changed({"sentences": {"steps": 7}}) == {"sentences", "probes"}
    assert changed({"words": {"dim": 7}}) == {"words", "sentences", "generation", "probes"}
    assert changed({"text": {"max_size": 77}}) == set(STAGES)
    assert changed({"text": {"share": 0.5}}) == set(STAGES)
    assert changed({"seed": 2}) == set(STAGES)
    assert changed({"reproducible": True}) == set(STAGES)
    assert changed({}, ("other",)) == set(STAGES)


def test_an_encoder_that_denoises_depends_on_the_shape_of_the_generator() -> None:
    def prints(denoising: float, **generation: object) -> str:
        settings = {"sentences": {"denoising": denoising}, "generation": generation}
        return fingerprints(PipelineConfig.of("tiny", settings), STAGES, ["s"])["sentences"]

    assert prints(0.0) == prints(0.0, hidden=7)
    assert prints(1.0) == prints(1.0, steps=7)
    assert prints(1.0) != prints(1.0, hidden=7)
    assert prints(1.0, softmax="adaptive") != prints(1.0, softmax="adaptive", cutoffs=(50,))


def test_the_content_of_labelled_files_belongs_to_the_encoder(tmp_path: Path) -> None:
    files = [tmp_path / "captions.1.txt", tmp_path / "captions.2.txt"]
    for file in files:
        file.write_text("one\ntwo\n")
    config = PipelineConfig.of("tiny", {"sentences": {"pairs": [str(tmp_path / "captions.*.txt")]}})
    before = fingerprints(config, STAGES, ["s"])
    assert fingerprints(config, STAGES, ["s"]) == before
    files[1].write_text("one\nthree\n")
    after = fingerprints(config, STAGES, ["s"])
    assert {stage for stage in STAGES if before[stage] != after[stage]} == {"sentences", "probes"}


@pytest.mark.parametrize("reproducible", [True, False])
def test_versions_of_libraries_count_in_a_reproducible_run_alone(monkeypatch, reproducible: bool) -> None:
    config = PipelineConfig.of("tiny", {"reproducible": reproducible})
    before = fingerprints(config, STAGES, ["s"])

    def upgraded(stage: str) -> dict[str, str]:
        return {library: "99" if library == "gensim" else v for library, v in versions_of(stage).items()}

    monkeypatch.setattr(plan, "versions_of", upgraded)
    after = fingerprints(config, STAGES, ["s"])
    expected = set(STAGES) - {"text"} if reproducible else set()
    assert {stage for stage in STAGES if before[stage] != after[stage]} == expected


def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    assert existing_bundle(tmp_path / "none", force=True) is None
    (tmp_path / "empty").mkdir()
    assert existing_bundle(tmp_path / "empty", force=False) is None
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="is not a bundle, so it will not be replaced"):
        existing_bundle(tmp_path, force=True)


def test_a_bare_string_is_no_list_of_stages() -> None:
    with pytest.raises(TypeError, match="stages is a list of stages: wrap the string in a list"):
        close_stages("text")

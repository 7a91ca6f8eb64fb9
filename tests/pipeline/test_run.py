"""The main job as a user meets it: finished stages are kept, outputs are safe, interrupts lose nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import embedpipe
from embedpipe.bundle.folder import verify_bundle
from embedpipe.config import STAGES
from embedpipe.errors import OutputError
from embedpipe.runtime import Event, Saved, StageFinished, StageSkipped, n_torch_threads

QUICK = {
    "words": {"dim": 16, "epochs": 1, "beside_epochs": 1},
    "sentences": {"hidden": 8, "steps": 2, "batch": 64},
    "generation": {"hidden": 8, "steps": 2, "batch": 8, "bptt": 8},
    "probes": {"bootstrap": 100, "tasks": ["simlex999"], "map_words": 0, "map_sentences": 0},
}


class Heard:
    """A listener that keeps which stages were made and which were kept."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.kept: list[str] = []
        self.saved = 0

    def __call__(self, event: Event) -> None:
        match event:
            case StageFinished(stage):
                self.made.append(stage)
            case StageSkipped(stage):
                self.kept.append(stage)
            case Saved():
                self.saved += 1


def run(source: Path, target: Path, settings: dict | None = None, **options) -> Heard:
    heard = Heard()
    merged = {section: {**QUICK[section], **(settings or {}).get(section, {})} for section in QUICK}
    embedpipe.run([str(source)], target, preset="tiny", settings=merged, listener=heard, **options)
    return heard


def test_stages_are_made_once(few_documents: Path, tmp_path: Path) -> None:
    target = tmp_path / "b"
    first = run(few_documents, target)
    assert first.made == list(STAGES)
    assert first.saved == 1

    again = run(few_documents, target)
    assert (again.made, again.kept, again.saved) == ([], list(STAGES), 0)

    with pytest.raises(OutputError, match=r"b: was made from other inputs or settings \(stage 'generation'\)"):
        run(few_documents, target, {"generation": {"steps": 3}})

    other = run(few_documents, target, {"generation": {"steps": 3}}, force=True)
    assert other.made == ["generation"]
    assert other.kept == ["text", "words", "sentences", "probes"]
    assert not [check for check in verify_bundle(target) if check.problem]

    shutil.rmtree(tmp_path / "b.work")
    assert run(few_documents, target, {"generation": {"steps": 3}}).made == []
    from_bundle = run(few_documents, target, {"generation": {"steps": 4}}, force=True)
    assert from_bundle.made == ["text", "generation"], "words and encoder come back from the bundle"
    assert from_bundle.kept == ["words", "sentences", "probes"]


def test_a_bundle_grows_by_stages(few_documents: Path, tmp_path: Path) -> None:
    target = tmp_path / "b"
    assert run(few_documents, target, stages=["words"]).made == ["text", "words"]
    bundle = embedpipe.load(target)
    assert bundle.words.dim == 64, "of two trainings the vectors and the contexts"
    with pytest.raises(embedpipe.EmbedpipeError, match="--stages text,words,sentences"):
        bundle.encoder  # noqa: B018
    assert run(few_documents, target, stages=["probes"]).made == ["probes"]
    grown = run(few_documents, target)
    assert grown.made == ["sentences", "generation", "probes"]
    with pytest.raises(OutputError, match="holds the stage 'sentences', which this run does not make"):
        run(few_documents, target, stages=["words"])


def test_a_run_beside_another_is_refused(few_documents: Path, tmp_path: Path) -> None:
    from embedpipe.pipeline.work import WorkFolder

    with WorkFolder(tmp_path / "b").locked(), pytest.raises(OutputError, match=f"process {os.getpid()}"):
        run(few_documents, tmp_path / "b")


def test_the_manifest_tells_how_it_was_made(toy_bundle) -> None:
    manifest = toy_bundle.manifest
    assert manifest.sources == ["builtin:toy-en"]
    assert manifest.seed == 7
    assert manifest.reproducible is False
    assert manifest.reproducible_reason.startswith("not made with --reproducible: words, sentences")
    assert manifest.stages["words"].threads == 1, "a short text is trained on by one thread"
    assert set(manifest.stages) == set(STAGES)
    made = manifest.stages
    assert made["generation"].versions["torch"].startswith("2.")
    assert "gensim" in made["words"].versions
    assert "torch" not in made["words"].versions
    assert {stage: record.device for stage, record in made.items()} == dict.fromkeys(STAGES, "cpu")
    assert made["generation"].threads == n_torch_threads()
    assert [stage for stage in STAGES if made[stage].reproducible] == ["text"]
    assert manifest.scores
    rows = json.loads(toy_bundle.path.joinpath("probes.json").read_text())["rows"]
    assert {"task", "metric", "value", "low", "high", "n", "coverage", "baseline", "baseline_value"} <= set(rows[0])


def start(source: Path, target: Path, *more: str) -> subprocess.Popen[str]:
    args = ["run", str(source), "-o", str(target), "--preset", "tiny", *more]
    return subprocess.Popen([sys.executable, "-m", "embedpipe", *args], stderr=subprocess.PIPE, text=True)


def wait_for_stage(process: subprocess.Popen[str], stage: str) -> None:
    assert process.stderr
    deadline = time.monotonic() + 60
    for line in process.stderr:
        if line.startswith(f"{stage} ..."):
            return
        assert time.monotonic() < deadline
    pytest.fail(f"the stage {stage} never began")


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_keeps_what_is_finished(few_documents: Path, tmp_path: Path, kill: signal.Signals) -> None:
    target = tmp_path / "b"
    run(few_documents, target)
    before = (target / "manifest.json").read_bytes()
    settings = [f"--set={s}.{k}={json.dumps(v)}" for s, values in QUICK.items() for k, v in values.items()]
    process = start(few_documents, target, "--force", *settings, "--set=words.dim=12", "--set=sentences.steps=100000")
    wait_for_stage(process, "sentences")
    time.sleep(1)
    process.send_signal(kill)
    _, err = process.communicate(timeout=30)
    if kill == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on" in err
        assert "Traceback" not in err
    assert (target / "manifest.json").read_bytes() == before
    assert not [check for check in verify_bundle(target) if check.problem]
    resumed = run(few_documents, target, {"words": {"dim": 12}}, force=True)
    assert resumed.kept == ["text", "words"]
    assert resumed.made == ["sentences", "generation", "probes"]
    assert not list(tmp_path.glob(".b.*"))

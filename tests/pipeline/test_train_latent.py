"""`embedpipe train latent`: what is put into a bundle, what stays as it was, what later commands make of it."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import embedpipe
from embedpipe.bundle.folder import verify_bundle, work_folder
from embedpipe.bundle.recorded import recorded_config
from embedpipe.errors import BundleError, ConfigError, NotEnoughDataError
from embedpipe.pipeline.latent_inputs import still_fits
from embedpipe.pipeline.report_again import report_content
from embedpipe.pipeline.train_latent import train_latent
from embedpipe.pipeline.train_sentences import train_sentences
from embedpipe.runtime import Event, StageSkipped, Step, UpToDate, Warned

SMALL = {"latent": {"steps": 6, "batch": 8, "dim": 4, "free_bits": 2.0, "scored": 10, "importance": 4}}
FILES = {"vae/config.json", "vae/model.safetensors", "vae_decoder/config.json", "vae_decoder/model.safetensors"}


@pytest.fixture(scope="module")
def trained(toy_bundle, tmp_path_factory) -> Path:
    """The toy bundle and its working folder, copied, with a generative model put into it."""
    folder = tmp_path_factory.mktemp("latent")
    path = Path(shutil.copytree(toy_bundle.path, folder / "toy.bundle"))
    shutil.copytree(work_folder(toy_bundle.path), work_folder(path))
    events: list[Event] = []
    train_latent(path, settings=SMALL, listener=events.append)
    said = [text for event in events for text in (getattr(event, "message", ""), getattr(event, "summary", ""))]
    assert sum("collapsed" in text for text in said) == 1, "six steps are too few"
    read = [event.done for event in events if isinstance(event, Step) and event.stage == "likelihood"]
    assert (read[-1], read) == (10 * 4, sorted(read)), "the figures are measured with progress"
    return path


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """A copy of it that may be changed."""
    path = Path(shutil.copytree(trained, tmp_path / "toy.bundle"))
    shutil.copytree(work_folder(trained), work_folder(path))
    return path


def test_the_other_parts_stay_as_they_were(trained: Path, toy_bundle) -> None:
    bundle = embedpipe.load(trained)
    assert bundle.manifest.files.keys() - toy_bundle.manifest.files.keys() == FILES
    rewritten = {"config.toml", "report.html", "README.md", "probes.json"}
    for name, entry in toy_bundle.manifest.files.items():
        assert name in rewritten or bundle.manifest.files[name] == entry, name
    assert not [check for check in verify_bundle(trained) if check.problem]
    assert bundle.manifest.scores == toy_bundle.manifest.scores
    assert not work_folder(trained).joinpath("latent.checkpoint").exists()


def test_the_record_says_how_good_it_is_and_what_it_is_made_of(trained: Path) -> None:
    bundle = embedpipe.load(trained)
    record = bundle.manifest.stages["latent"]
    assert list(bundle.manifest.stages) == ["text", "words", "sentences", "generation", "latent", "probes"]
    result = record.result
    assert result["inputs"] == {s: bundle.manifest.stages[s].fingerprint for s in ("text", "words", "generation")}
    assert result["settings"] == SMALL["latent"]
    assert result["nll"] - result["language_model_nll"] == pytest.approx(result["nll_minus_language_model"])
    assert "the posterior has collapsed" in record.summary
    assert recorded_config(trained / "config.toml").latent.dim == 4
    card = (trained / "README.md").read_text()
    assert "a generative model of sentences" in card
    assert "the posterior has collapsed" in card
    call = card.split("```")[1]
    assert "embedpipe run builtin:toy-en" in call
    assert (
        "embedpipe train latent toy.bundle --set latent.dim=4 --set latent.free_bits=2.0 --set latent.steps=6" in call
    )
    assert report_content(bundle).command == call.strip().removeprefix("\n")


def test_the_saved_model_is_the_one_that_is_opened(trained: Path, copy: Path) -> None:
    one, other = embedpipe.load(trained).latent, embedpipe.load(copy).latent
    text = "the cat sat on the mat ."
    np.testing.assert_array_equal(one.encode([text]), other.encode([text]))
    assert one.sample(3, seed=1) == other.sample(3, seed=1)
    content = json.loads((copy / "vae" / "config.json").read_text())
    assert {"kind", "format", "dim", "reader", "hidden", "layers", "heads", "beside"} == content.keys()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dim": 5}, "'posterior.weight' is float32"),
        ({"dim": 0}, "'dim' is 0, not a size"),
        ({"format": 9}, "newer format needs a newer embedpipe"),
        ({"reader": "cnn"}, "'reader' is 'cnn', not one of"),
        ({"kind": "language-model"}, "not a generative model"),
    ],
)
def test_a_damaged_part_is_refused(trained: Path, tmp_path: Path, change: dict, said: str) -> None:
    from embedpipe.generation.vae.part import load_vae

    path = Path(shutil.copytree(trained / "vae", tmp_path / "vae")) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    n_tokens = json.loads((trained / "vae_decoder" / "config.json").read_text())["n_tokens"]
    with pytest.raises(BundleError, match=said):
        load_vae(tmp_path / "vae", trained / "vae_decoder", n_tokens)


def test_a_new_bundle_never_stands_there_without_its_text(trained: Path, tmp_path: Path, monkeypatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("embedpipe.pipeline.train_latent.save_changed", killed)
    made = SimpleNamespace(summary="", model=None)
    monkeypatch.setattr("embedpipe.pipeline.train_latent._trained", lambda *_: made)
    monkeypatch.setattr("embedpipe.pipeline.train_latent._record", lambda source, *_: source.manifest.stages["latent"])
    monkeypatch.setattr("embedpipe.generation.vae.part.save_vae", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        train_latent(trained, output=tmp_path / "new.bundle", settings=SMALL)
    assert (work_folder(tmp_path / "new.bundle") / "text" / "vocabulary.json").is_file()


def test_a_bundle_without_one_says_how_to_make_it(toy_bundle) -> None:
    with pytest.raises(BundleError, match="embedpipe train latent"):
        _ = embedpipe.load(toy_bundle.path).latent


def test_without_its_text_nothing_is_trained(copy: Path) -> None:
    shutil.rmtree(work_folder(copy))
    with pytest.raises(NotEnoughDataError, match="holds no prepared text"):
        train_latent(copy, settings=SMALL)
    with pytest.raises(ConfigError, match="'words' cannot be set here"):
        train_latent(copy, settings={"words": {"dim": 3}})


def test_the_same_run_keeps_it(copy: Path, toy_settings: dict) -> None:
    before, events = (copy / "vae" / "model.safetensors").read_bytes(), []
    again = {"settings": toy_settings, "preset": "tiny", "seed": 7}
    embedpipe.run(["builtin:toy-en"], copy, listener=events.append, **again)
    assert any(isinstance(event, UpToDate) for event in events)
    assert any(isinstance(event, StageSkipped) and event.stage == "latent" for event in events)
    assert (copy / "vae" / "model.safetensors").read_bytes() == before


def test_a_run_that_is_told_to_replace_the_bundle_takes_it_out(copy: Path, toy_settings: dict, toy_bundle) -> None:
    events: list[Event] = []
    again = {"settings": toy_settings, "preset": "tiny", "seed": 7, "force": True, "listener": events.append}
    bundle = embedpipe.run(["builtin:toy-en"], copy, **again)
    assert bundle.manifest.files.keys() == toy_bundle.manifest.files.keys()
    assert [event.message for event in events if isinstance(event, Warned) and event.stage == "latent"] == [
        "the generative model is not of this run, which is told to replace the bundle, and is left out; make it again: "
        "embedpipe train latent"
    ]
    assert "embedpipe train latent" not in (copy / "README.md").read_text()
    assert not [check for check in verify_bundle(copy) if check.problem]
    embedpipe.run(["builtin:toy-en"], copy, **again)
    assert isinstance(events[-1], UpToDate)


def test_a_bundle_without_a_generator_is_refused_with_what_makes_one(copy: Path) -> None:
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = {name: file for name, file in manifest["files"].items() if not name.startswith("generator/")}
    manifest["stages"] = {name: manifest["stages"][name] for name in ("text", "words", "probes")}
    path.write_text(json.dumps(manifest))
    shutil.rmtree(copy / "generator")
    with pytest.raises(BundleError, match=r"-o toy\.bundle --stages text,words,generation,probes") as error:
        train_latent(copy, settings=SMALL)
    assert "has no generator" in str(error.value)


@pytest.mark.slow
def test_a_run_that_makes_other_parts_keeps_or_drops_it_and_says_so(copy: Path, toy_settings: dict) -> None:
    events: list[Event] = []
    again = {"settings": toy_settings, "preset": "tiny", "seed": 7, "listener": events.append}
    stages = ["text", "words", "sentences", "generation"]
    embedpipe.run(["builtin:toy-en"], copy, **again, stages=stages, force=True)
    train_latent(copy, settings=SMALL)
    bundle = embedpipe.run(["builtin:toy-en"], copy, **again)
    assert {"latent", "probes"} <= bundle.manifest.stages.keys(), "the probes are none of its inputs"
    assert "embedpipe train latent" in (copy / "README.md").read_text().split("```")[1]
    assert not [check for check in verify_bundle(copy) if check.problem]

    other = {**toy_settings, "generation": {**toy_settings["generation"], "steps": 5}}
    bundle = embedpipe.run(["builtin:toy-en"], copy, **(again | {"settings": other}), force=True)
    assert "latent" not in bundle.manifest.stages
    assert not FILES & bundle.manifest.files.keys()
    assert any(isinstance(event, Warned) and "made from another text" in event.message for event in events)


@pytest.mark.slow
def test_an_encoder_that_is_trained_further_leaves_it(copy: Path) -> None:
    before = (copy / "vae" / "model.safetensors").read_bytes()
    bundle = train_sentences(copy, settings={"sentences": {"steps": 2}})
    assert bundle.manifest.stages["latent"].result["dim"] == 4
    assert (copy / "vae" / "model.safetensors").read_bytes() == before
    call = (copy / "README.md").read_text().split("```")[1]
    assert "embedpipe train sentences toy.bundle --set sentences.steps=2\nembedpipe train latent toy.bundle" in call


def test_inputs_that_are_unknown_do_not_fit(trained: Path) -> None:
    manifest = embedpipe.load(trained).manifest
    prints = {stage: record.fingerprint for stage, record in manifest.stages.items()}
    assert still_fits(manifest.stages["latent"], prints)
    assert not still_fits(manifest.stages["words"], prints)

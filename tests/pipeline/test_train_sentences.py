"""`embedpipe train sentences`: what is learnt, what stays as it was, what is said and recorded."""

import copy
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import embedpipe
from embedpipe.bundle.folder import sha256_of, verify_bundle, work_folder
from embedpipe.bundle.manifest import StageRecord, read_manifest
from embedpipe.bundle.recorded import recorded_config
from embedpipe.errors import BundleError, ConfigError, DeviceError, InputError, NotEnoughDataError, OutputError
from embedpipe.generation.from_vector import FromVector
from embedpipe.generation.language_model import LanguageModel
from embedpipe.pipeline.imported import import_vectors
from embedpipe.pipeline.train_sentences import train_sentences
from embedpipe.probes.findings import Findings
from embedpipe.runtime import Evaluated, Event, Step, Warned
from embedpipe.sentences.network import SentenceNetwork

SMALL = {"hidden": 8, "beside": 0.0, "steps": 60, "batch": 8, "learning_rate": 0.03, "words_learning_rate": 0.03}
N = 24


@pytest.fixture(scope="module")
def words_alone(tmp_path_factory) -> Path:
    """A bundle of imported words, ``a0 b0 a1 b1 ...``, whose vectors are random."""
    folder = tmp_path_factory.mktemp("imported")
    vectors = np.random.default_rng(1).normal(size=(2 * N, 16))
    names = [f"{letter}{i}" for i in range(N) for letter in "ab"]
    lines = [" ".join([name, *(f"{x:.5f}" for x in row)]) for name, row in zip(names, vectors, strict=True)]
    (folder / "words.txt").write_text("\n".join(lines) + "\n")
    import_vectors(folder / "words.txt", folder / "b")
    return folder / "b"


@pytest.fixture
def imported(words_alone: Path, tmp_path: Path) -> Path:
    """A copy of it that may be changed."""
    return shutil.copytree(words_alone, tmp_path / "b")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """``a i`` means what ``b i`` means."""
    path = tmp_path / "pairs.tsv"
    path.write_text("text_a\ttext_b\n" + "".join(f"a{i}\tb{i}\n" for i in range(N)))
    return path


def likeness(bundle: embedpipe.Bundle) -> float:
    """The mean cosine of what means the same, less that of what does not."""
    a, b = (bundle.encoder.encode([f"{letter}{i}" for i in range(N)]) for letter in "ab")
    cosines = a @ b.T
    return float(cosines.diagonal().mean() - cosines[~np.eye(N, dtype=bool)].mean())


def test_a_bundle_without_encoder_and_text_begins_with_its_average(imported: Path, pairs: Path) -> None:
    words = (imported / "words.safetensors").read_bytes()
    none = train_sentences(imported, pairs=[str(pairs)], output=imported.with_name("none"), settings=settings(steps=0))
    assert abs(likeness(none)) < 0.1
    average = none.bag_encoder.encode(["a1 b2", "a3"])
    np.testing.assert_allclose(none.encoder.encode(["a1 b2", "a3"]), average, atol=0.05)

    bundle = train_sentences(imported, pairs=[str(pairs)], settings=settings())
    assert likeness(bundle) > 0.4
    assert bundle.path == imported
    assert (imported / "words.safetensors").read_bytes() == words
    assert not [check for check in verify_bundle(imported) if check.problem]
    assert not work_folder(imported).exists(), "nothing is left that a later command needs"
    assert "there is no prepared text" in bundle.manifest.stages["sentences"].summary
    assert recorded_config(imported / "config.toml").sentences.pairs == (str(pairs),)


def settings(**changes: object) -> dict:
    return {"sentences": {**SMALL, **changes}}


def test_each_training_is_recorded_with_what_it_went_on_from(imported: Path, pairs: Path, tmp_path: Path) -> None:
    train_sentences(imported, pairs=[str(pairs)], settings=settings(steps=2))
    weights = sha256_of(imported / "encoder" / "model.safetensors")
    judged = tmp_path / "judged.tsv"
    judged.write_text("score\ttext_a\ttext_b\n" + "".join(f"{i % 3}\ta{i}\tb{i}\n" for i in range(N)))
    bundle = train_sentences(imported, scores=[str(judged)], settings={"sentences": {"steps": 3}})
    record = bundle.manifest.stages["sentences"]
    first, second = record.result["went_on"]
    assert first["from"] is None
    assert first["pairs"] == [str(pairs)]
    assert first["settings"] == SMALL | {"steps": 2}
    assert second["from"]["encoder/model.safetensors"] == weights
    assert (second["pairs"], second["scores"]) == ([], [str(judged)])
    assert second["sha256"] == {str(judged): sha256_of(judged)}
    assert second["settings"] == {"steps": 3}
    card = (imported / "README.md").read_text()
    assert "embedpipe train sentences b --pairs pairs.tsv --set sentences.hidden=8" in card
    assert "embedpipe train sentences b --scores judged.tsv --set sentences.steps=3" in card
    assert str(tmp_path) not in card.split("```")[1]


def test_files_may_stand_in_the_settings(imported: Path, pairs: Path, tmp_path: Path) -> None:
    judged = tmp_path / "judged.tsv"
    judged.write_text("score\ttext_a\ttext_b\n" + "".join(f"{i % 3}\ta{i}\tb{i}\n" for i in range(N)))
    named = settings(steps=1, pairs=[str(pairs)])
    bundle = train_sentences(imported, scores=[str(judged)], settings=named)
    (first,) = bundle.manifest.stages["sentences"].result["went_on"]
    assert (first["pairs"], first["scores"]) == ([str(pairs)], [str(judged)])
    more = train_sentences(imported, scores=[str(judged)], settings=settings(steps=1))
    assert more.manifest.stages["sentences"].result["went_on"][1]["pairs"] == [], "those of before are not meant"
    with pytest.raises(ConfigError, match="sentences"):
        train_sentences(imported, scores=[str(judged)], settings={"sentences": 5})


def test_an_interrupted_training_goes_on_to_the_same_bytes(imported: Path, pairs: Path, tmp_path: Path) -> None:
    whole = train_sentences(imported, pairs=[str(pairs)], output=tmp_path / "whole", settings=settings())

    def stop(event: Event) -> None:
        if isinstance(event, Evaluated) and event.step >= 20:
            raise KeyboardInterrupt

    before = {path.name: path.read_bytes() for path in imported.iterdir() if path.is_file()}
    with pytest.raises(KeyboardInterrupt):
        train_sentences(imported, pairs=[str(pairs)], settings=settings(), listener=stop)
    assert {path.name: path.read_bytes() for path in imported.iterdir()} == before
    assert (work_folder(imported) / "sentences.checkpoint").is_dir()
    steps: list[int] = []
    heard = train_sentences(
        imported,
        pairs=[str(pairs)],
        settings=settings(),
        listener=lambda event: steps.append(event.step) if isinstance(event, Evaluated) else None,
    )
    assert min(steps) > 10, "it did not begin anew"
    for name in ("encoder/model.safetensors", "encoder/config.json"):
        assert (heard.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert not work_folder(imported).exists()


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"words": {"dim": 8}}, ConfigError, "'words' cannot be set here"),
        ({"sentences": {"hidden": 9}}, ConfigError, r"sentences.hidden is 8 in .*, whose encoder is gone on with"),
        ({"sentences": {"beside": 0.1}}, ConfigError, r"sentences.beside is 0.0 in .*, and cannot become 0.1"),
        ({"sentences": {"moments": 0.1}}, ConfigError, r"sentences.moments is 0.0 in .*, and cannot become 0.1"),
        ({"sentences": {"stps": 9}}, ConfigError, "did you mean 'sentences.steps'"),
    ],
)
def test_settings_that_cannot_be(trained: Path, pairs: Path, asked: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        train_sentences(trained, pairs=[str(pairs)], settings=asked)


@pytest.fixture
def trained(imported: Path, pairs: Path) -> Path:
    """A bundle with an encoder of eight units."""
    train_sentences(imported, pairs=[str(pairs)], settings=settings(steps=1))
    return imported


def test_what_cannot_be_trained_is_left_as_it_was(trained: Path, pairs: Path, tmp_path: Path) -> None:
    manifest = (trained / "manifest.json").read_bytes()
    with pytest.raises(NotEnoughDataError, match=r"no prepared text, which sentences\.neighbours learns from"):
        train_sentences(trained)
    with pytest.raises(InputError, match=r"nowhere\.tsv"):
        train_sentences(trained, scores=["nowhere.tsv"])
    with pytest.raises(OutputError, match="a bundle stands there already; --force replaces it"):
        train_sentences(trained, pairs=[str(pairs)], output=shutil.copytree(trained, tmp_path / "other"))
    (trained / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds notes\.txt, not of the bundle"):
        train_sentences(trained, pairs=[str(pairs)])
    (trained / "notes.txt").unlink()
    table = trained / "words.safetensors"
    content = bytearray(table.read_bytes())
    content[-1] ^= 1
    table.write_bytes(content)
    with pytest.raises(BundleError, match=r"words\.safetensors: was changed after the bundle was made"):
        train_sentences(trained, pairs=[str(pairs)], settings=settings(steps=1))
    assert (trained / "manifest.json").read_bytes() == manifest


@pytest.fixture(scope="module")
def toy_trained(toy_bundle, toy_work, tmp_path_factory) -> Path:
    """The toy bundle, its text beside it, trained further on sentences of the same topic."""
    folder = tmp_path_factory.mktemp("further")
    target = shutil.copytree(toy_bundle.path, folder / "toy.bundle")
    shutil.copytree(toy_work, work_folder(target))
    path = folder / "royal.tsv"
    words = ["king", "queen", "father", "mother", "uncle", "aunt"]
    path.write_text(
        "text\ttext\ttext\n"
        + "".join(f"the {a} and the {b}\tthe {b}\tthe {a}\n" for a in words for b in words if a != b)
    )
    own = {"sentences": {"steps": 2, "words_learning_rate": 0.01, "neighbours": 0.0}}
    train_sentences(target, pairs=[str(path)], settings=own)
    return target


def rows_of(path: Path) -> list[dict[str, object]]:
    return json.loads((path / "probes.json").read_text())["rows"]


def test_with_the_text_the_probes_are_measured_again(toy_bundle, toy_trained: Path) -> None:
    bundle = embedpipe.load(toy_trained)
    assert not [check for check in verify_bundle(toy_trained) if check.problem]
    assert bundle.manifest.stages["sentences"].result["objectives"].keys() == {"pairs:royal"}
    kept = ("words.safetensors", "training.safetensors", "generator/model.safetensors", "vocabulary.json")
    for name in kept:
        assert (toy_trained / name).read_bytes() == (toy_bundle.path / name).read_bytes()
    before, now = (
        {(row["task"], row["metric"], row["baseline"]): row for row in rows_of(path)}
        for path in (toy_bundle.path, toy_trained)
    )
    assert now.keys() == before.keys()
    of_words = [key for key in now if key[0] in ("analogies", "wordsim353", "simlex999")]
    assert [now[key] | {"p_holm": 0} for key in of_words] == [before[key] | {"p_holm": 0} for key in of_words]
    one = ("lee", "spearman", "SIF average")
    assert now[one]["baseline_value"] == before[one]["baseline_value"]
    assert now[one]["value"] != before[one]["value"]
    assert bundle.manifest.scores["documents accuracy"] > 0
    assert "embedpipe train sentences toy.bundle --pairs royal.tsv" in (toy_trained / "report.html").read_text()


def test_a_run_afterwards_names_the_training_and_can_undo_it(toy_bundle, toy_settings, toy_trained: Path) -> None:
    def run(**options: object) -> embedpipe.Bundle:
        return embedpipe.run(["builtin:toy-en"], toy_trained, preset="tiny", settings=toy_settings, seed=7, **options)

    with pytest.raises(OutputError, match=re.escape("its encoder was trained further (embedpipe train sentences)")):
        run()
    assert run(force=True).manifest.stages["sentences"] == toy_bundle.manifest.stages["sentences"]
    for name in ("encoder/model.safetensors", "probes.json"):
        assert (toy_trained / name).read_bytes() == (toy_bundle.path / name).read_bytes()


def test_denoising_writes_with_the_generator_of_the_bundle_and_leaves_it(
    toy_bundle, toy_work: Path, tmp_path: Path, monkeypatch
) -> None:
    target = shutil.copytree(toy_bundle.path, tmp_path / "toy.bundle")
    shutil.copytree(toy_work, work_folder(target))
    begun: list[LanguageModel] = []
    make = FromVector.__init__

    def spied(self: FromVector, model: LanguageModel, *rest: object) -> None:
        begun.append(copy.deepcopy(model))
        make(self, model, *rest)

    monkeypatch.setattr(FromVector, "__init__", spied)
    monkeypatch.setattr("embedpipe.pipeline.train_sentences._probed", lambda *_: (Findings(), _probes_of(target)))
    own = {"sentences": {"steps": 3, "neighbours": 0.0, "denoising": 1.0, "batch": 8}}
    bundle = train_sentences(target, settings=own)
    weights = "generator/model.safetensors"
    assert (target / weights).read_bytes() == (toy_bundle.path / weights).read_bytes()
    (model,) = begun
    for name, tensor in toy_bundle.generator.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name
    result = bundle.manifest.stages["sentences"].result
    assert result["objectives"] == {"denoising": 1.0}
    assert result["went_on"][0]["decoder"][weights] == sha256_of(target / weights)
    assert result["chosen_by"] == ["neighbours reciprocal rank"]
    assert all(loss > 0 for _, loss in result["curve"]["training_loss"])


def _probes_of(bundle: Path) -> StageRecord:
    return read_manifest(bundle).stages["probes"]


def test_a_device_that_is_too_small_or_lost_is_named(imported: Path, pairs: Path, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr("embedpipe.sentences.train.train_encoder", fail)
    with pytest.raises(DeviceError, match=r"the GPU no longer answers .*b is as it was, and the last checkpoint is"):
        train_sentences(imported, pairs=[str(pairs)], settings=settings(steps=1))


def test_a_gpu_that_is_lost_amid_a_training_leaves_a_checkpoint_to_go_on_from(
    imported: Path, pairs: Path, tmp_path: Path, monkeypatch
) -> None:
    small = settings(steps=12)
    whole = train_sentences(imported, pairs=[str(pairs)], output=tmp_path / "whole", settings=small)
    before = sha256_of(imported / "manifest.json")
    forward, left = SentenceNetwork.forward, [20]

    def losing(self: SentenceNetwork, *batch: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            raise RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be ...")
        return forward(self, *batch)

    with monkeypatch.context() as patched:
        patched.setattr(SentenceNetwork, "forward", losing)
        with pytest.raises(DeviceError, match=r"no longer answers \(CUDA error: unspecified launch failure\)"):
            train_sentences(imported, pairs=[str(pairs)], settings=small)
    assert sha256_of(imported / "manifest.json") == before
    events: list[Event] = []
    train_sentences(imported, pairs=[str(pairs)], settings=small, listener=events.append)
    assert any(isinstance(event, Step) and event.note.startswith("goes on after step") for event in events)
    weights = "encoder/model.safetensors"
    assert sha256_of(imported / weights) == sha256_of(whole.path / weights)


def test_where_memory_runs_out_the_encoder_is_that_of_smaller_parts(
    imported: Path, pairs: Path, tmp_path: Path, monkeypatch
) -> None:
    small = settings(steps=6, dropout=0.0)
    parted = train_sentences(
        imported, pairs=[str(pairs)], output=tmp_path / "parted", settings=settings(steps=6, dropout=0.0, micro_batch=4)
    )
    forward = SentenceNetwork.forward

    def limited(self: SentenceNetwork, ids: torch.Tensor, *rest: object) -> object:
        if len(ids) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(self, ids, *rest)

    monkeypatch.setattr(SentenceNetwork, "forward", limited)
    events: list[Event] = []
    train_sentences(imported, pairs=[str(pairs)], settings=small, listener=events.append)
    (warned,) = (event for event in events if isinstance(event, Warned))
    assert "out of memory with 16 rows at once" in warned.message
    weights = "encoder/model.safetensors"
    assert sha256_of(imported / weights) == sha256_of(parted.path / weights)


def test_several_processes_are_refused(imported: Path, pairs: Path, monkeypatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="in one process, and a launcher started 2: call it without torchrun"):
        train_sentences(imported, pairs=[str(pairs)], settings=settings(steps=1))


@pytest.mark.extra
def test_losses_are_written_for_tensorboard(imported: Path, pairs: Path, tmp_path: Path, embedpipe_cli) -> None:
    pytest.importorskip("tensorboard")
    call = ["train", "sentences", imported, "--pairs", pairs, "--steps", 2, "--set", "sentences.hidden=8"]
    outcome = embedpipe_cli(*call, "--tensorboard", tmp_path / "logs")
    assert outcome.exit_code == 0, outcome.err
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["sentences"]


def test_without_the_text_what_needs_it_says_so(toy_bundle, tmp_path: Path, embedpipe_cli) -> None:
    target = shutil.copytree(toy_bundle.path, tmp_path / "toy.bundle")
    path = tmp_path / "pairs.tsv"
    path.write_text("text_a\ttext_b\n" + "the king\tthe queen\n" * 3)
    call = ["train", "sentences", target, "--pairs", path, "--steps", 1, "-o", tmp_path / "new"]
    outcome = embedpipe_cli(*call, "--set", "sentences.neighbours=0")
    assert outcome.exit_code == 0, outcome.err
    rows = [row for row in rows_of(tmp_path / "new") if row["task"] == "documents"]
    assert [(row["value"], row["note"]) for row in rows] == [(None, "skipped: the prepared text is not at hand")]
    assert f"ask it: embedpipe info {tmp_path / 'new'}" in outcome.err
    assert embedpipe_cli(*call).exit_code == 1
    assert embedpipe_cli("train", "sentences", target, "--set", "steps=3").exit_code == 2

"""The words of a bundle are the encoder's word table too, stored once, and the two are never of different makes."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import embedpipe
from embedpipe.bundle.folder import verify_bundle, work_folder
from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError
from embedpipe.pipeline.stages import RUNNERS
from embedpipe.pipeline.train_sentences import train_sentences
from embedpipe.runtime import Event, StageFinished

# A reader narrower than half the word vectors would have them turned, and so be given a table of its own.
SETTINGS = {
    "words": {"dim": 6, "epochs": 1},
    "sentences": {"hidden": 16, "batch": 8, "steps": 3, "words_learning_rate": 0.0},
}
TEXTS = ["the king sees a patient", "the old palace"]


def run(corpus: Path, target: Path) -> list[str]:
    made: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, StageFinished):
            made.append(event.stage)

    stages = ["text", "words", "sentences"]
    embedpipe.run([str(corpus)], target, preset="tiny", settings=SETTINGS, stages=stages, seed=1, listener=listen)
    return made


@pytest.fixture(scope="module")
def made(few_documents: Path, tmp_path_factory) -> Path:
    """A bundle with an encoder over word vectors that stood still, and its working folder."""
    target = tmp_path_factory.mktemp("frozen") / "b"
    run(few_documents, target)
    return target


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    """A copy of both."""
    shutil.copytree(work_folder(made), tmp_path / "b.work")
    return shutil.copytree(made, tmp_path / "b")


def other_words(path: Path) -> None:
    """Write words of the same size that say something else."""
    tensors = {name: np.array(tensor) for name, tensor in map_tensors(path).items()}
    tensors["sentence_vectors"][7] *= -1
    save_tensors(path, tensors)


def test_the_table_is_stored_once(bundle: Path) -> None:
    opened = embedpipe.load(bundle)
    assert "embedding.weight" not in map_tensors(bundle / "encoder" / "model.safetensors")
    np.testing.assert_array_equal(opened.encoder.network.embedding.weight.numpy(), opened.bag.vectors)
    assert not [check for check in verify_bundle(bundle) if check.problem]
    assert np.linalg.norm(opened.encoder.encode(TEXTS), axis=1) == pytest.approx(1, abs=1e-5)
    assert opened.untrained_encoder.encode(TEXTS).shape == (2, opened.encoder.dim)


def test_other_words_are_an_error_that_verify_names_too(bundle: Path) -> None:
    other_words(bundle / "words.safetensors")
    with pytest.raises(
        BundleError, match=r"made over other word vectors than the sentence_vectors in words\.safetensors"
    ):
        embedpipe.load(bundle).encoder  # noqa: B018 - it is opened when it is first used
    problems = {check.file: check.problem for check in verify_bundle(bundle) if check.problem}
    assert problems["encoder/config.json"] == "it was made over other word vectors than those in words.safetensors"
    assert "words.safetensors" in problems


@pytest.mark.slow
def test_training_on_takes_the_table_along(bundle: Path, tmp_path: Path) -> None:
    before = embedpipe.load(bundle).encoder.encode(TEXTS)
    still = train_sentences(bundle, output=tmp_path / "still", settings={"sentences": {"steps": 0}})
    np.testing.assert_array_equal(still.encoder.encode(TEXTS), before)
    assert (still.path / "encoder/model.safetensors").read_bytes() == (
        bundle / "encoder/model.safetensors"
    ).read_bytes()
    moved = train_sentences(bundle, output=tmp_path / "moved", settings={"sentences": {"words_learning_rate": 0.1}})
    table = map_tensors(moved.path / "encoder" / "model.safetensors")["embedding.weight"]
    assert (table != moved.bag.vectors).any()
    assert not [check for check in verify_bundle(moved.path) if check.problem]


@pytest.mark.slow
def test_words_made_anew_take_their_encoder_with_them(bundle: Path, few_documents: Path, monkeypatch) -> None:
    shutil.rmtree(bundle)
    shutil.rmtree(work_folder(bundle) / "words")
    assert run(few_documents, bundle) == ["words"], "on one thread they came out the same, to the bit"
    make = RUNNERS["words"]

    def with_other_words(job, out: Path):
        outcome = make(job, out)
        other_words(out / "words.safetensors")
        return outcome

    monkeypatch.setitem(RUNNERS, "words", with_other_words)
    shutil.rmtree(bundle)
    shutil.rmtree(work_folder(bundle) / "words")
    assert run(few_documents, bundle) == ["words", "sentences"]
    assert embedpipe.load(bundle).encoder.encode(TEXTS).any()

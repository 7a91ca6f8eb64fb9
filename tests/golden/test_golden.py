"""One small bundle of each format that was ever released: it opens, and answers as on the day it was made.

``format-1`` was made in this folder, with one thread, by::

    OMP_NUM_THREADS=1 embedpipe run corpus.txt -o format-1 --reproducible --seed 1 --stages sentences,generation \
      --set text.deduplicate=none --set text.min_count=1 --set words.dim=4 --set words.epochs=40 \
      --set sentences.hidden=3 --set sentences.steps=5 --set sentences.batch=4 --set generation.hidden=12 \
      --set generation.layers=1 --set generation.steps=400 --set generation.batch=4 --set generation.bptt=12 \
      --set generation.learning_rate=0.02 --set generation.input_p=0 --set generation.hidden_p=0 \
      --set generation.embed_p=0

``format-2`` by the same but for the settings of words, which were those of the preset of its day (they stand in its
``config.toml``) and::

      --preset tiny --runs 2 --set words.dim=4 --set words.epochs=20 --set words.window=5 \
      --set words.learning_rate=0.025 --set words.subwords=true --set words.buckets=60 \
      --set 'words.steps=["whiten:0.5"]'

``format-2-ngrams`` is of the same format and holds what later versions put into it: n-grams fitted to trained words,
and an encoder that names the word table of the bundle in place of a copy. By the same as ``format-1`` but for::

      --preset small --set words.epochs=20 --set words.beside_epochs=10 --set words.shortest_ngram=2 \
      --set generation.output_p=0 \
      --set 'words.steps=["join-contexts","whiten:0.35","unit","join","reduce:6","ngrams:0.6"]'

None is ever made again: a changed format gets a folder of its own beside them.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import embedpipe
from embedpipe.bundle.folder import verify_bundle
from embedpipe.bundle.recorded import recorded_config

FORMAT_1 = Path(__file__).with_name("format-1")
FORMAT_2 = Path(__file__).with_name("format-2")
WITH_NGRAMS = Path(__file__).with_name("format-2-ngrams")


@pytest.fixture(scope="module")
def bundle() -> embedpipe.Bundle:
    """The bundle of format 1."""
    return embedpipe.load(FORMAT_1)


@pytest.fixture(scope="module")
def second() -> embedpipe.Bundle:
    """The bundle of format 2."""
    return embedpipe.load(FORMAT_2)


@pytest.mark.parametrize(("folder", "n_files"), [(FORMAT_1, 10), (FORMAT_2, 12), (WITH_NGRAMS, 12)])
def test_every_file_is_what_it_was(folder: Path, n_files: int) -> None:
    checks = verify_bundle(folder)
    assert len(checks) == n_files
    assert {check.problem for check in checks} == {""}


def test_the_configuration_of_every_format_is_read() -> None:
    first, second = (recorded_config(folder / "config.toml") for folder in (FORMAT_1, FORMAT_2))
    assert (first.words.steps, first.words.epochs, first.text.min_count) == (("whiten:0.5",), 40, 1)
    assert (second.words.steps, second.words.runs, second.words.buckets) == (("whiten:0.5",), 2, 60)


def test_what_is_known_of_the_words(bundle: embedpipe.Bundle, second: embedpipe.Bundle) -> None:
    assert bundle.words.stability is None
    assert bundle.word_part.lookup.subwords is None
    facts, words = second.word_part.facts, second.words
    assert (facts.trainer, facts.steps, facts.ngrams, facts.runs) == ("fasttext", ("whiten:0.5",), (3, 6), 2)
    assert facts.losses[0][0] == pytest.approx(5.7991979368, abs=1e-9)
    assert facts.kept_epochs == (20, 20)
    assert words.stability is not None
    np.testing.assert_allclose(words.stability[4:7], [0.8, 0.8, 0.6], atol=1e-6)


def test_neighbours_and_unknown_words_of_format_2(second: embedpipe.Bundle) -> None:
    found = second.words.similar(["cat"], k=3)
    assert [(near.word, near.count) for near in found] == [("fish", 17), ("bird", 17), ("sings", 8)]
    assert [near.similarity for near in found] == pytest.approx([0.844402, 0.62386, 0.622296], abs=2e-6)
    cats = second.word_part.lookup.look_up("cats")
    assert cats.source == "subwords"
    np.testing.assert_allclose(cats.vector, [0.30775926, -0.60695255, 0.87005514, 0.03663687], atol=1e-6)
    text = second.encoder.encode(["the cat sees the sea ."])
    np.testing.assert_allclose(text, [[0.53361207, -0.55730647, 0.14566036, -0.61923391]], atol=1e-6)
    assert second.generator.generate("the cat", n=1, max_tokens=40, temperature=0) == ["the cat sleeps."]


def test_fitted_ngrams_and_a_word_table_that_is_named() -> None:
    bundle = embedpipe.load(WITH_NGRAMS)
    assert bundle.word_part.facts.steps[-1] == "ngrams:0.6"
    found = bundle.words.similar(["cat"], k=3)
    assert [(near.word, near.count) for near in found] == [("swims", 9), ("runs", 8), ("a", 15)]
    assert [near.similarity for near in found] == pytest.approx([0.716408, 0.603222, 0.476231], abs=2e-6)
    seats = bundle.word_part.lookup.look_up("seats")
    assert seats.source == "subwords"
    expected = [0.9447124, 0.11068162, 0.17530666, -0.14880878, -0.06543104, -0.19521844]
    np.testing.assert_allclose(seats.vector, expected, atol=1e-6)
    assert bundle.encoder.network.embedding.weight.shape == (22, 6), "of the words"
    average = [0.3586027, -0.28043863, 0.45976692, -0.04436908, -0.32907373, -0.6091917]
    read = [0.0898301, 0.05817009, -0.01178596, 0.11801184, -0.15860945, 0.22209036]
    np.testing.assert_allclose(bundle.encoder.encode(["the cat sees the sea ."]), [average + read], atol=1e-6)
    assert bundle.generator.generate("the cat", n=1, max_tokens=40, temperature=0) == ["the cat sleeps."]


def test_the_manifest(bundle: embedpipe.Bundle) -> None:
    manifest = bundle.manifest
    assert (manifest.seed, manifest.preset, manifest.sources) == (1, "tiny", ["corpus.txt"])
    assert manifest.reproducible is True
    assert list(manifest.stages) == ["text", "words", "sentences", "generation"]
    assert manifest.stages["words"].result == {"words": 18, "dim": 4}
    assert manifest.stages["words"].versions["gensim"] == "4.4.0"
    assert manifest.stages["generation"].threads == 1


def test_neighbours(bundle: embedpipe.Bundle) -> None:
    found = bundle.words.similar(["cat"], k=3)
    assert [(near.word, near.count) for near in found] == [("sings", 8), ("likes", 17), ("near", 8)]
    assert [near.similarity for near in found] == pytest.approx([0.889155, 0.780435, 0.708572], abs=2e-6)


def test_encodings(bundle: embedpipe.Bundle) -> None:
    texts = ["the cat sees the sea .", "zebra"]
    expected = [[0.61107945, -0.64562839, -0.26554695, -0.37313616], [0, 0, 0, 0]]
    np.testing.assert_allclose(bundle.encoder.encode(texts), expected, atol=1e-6)
    expected[0] = [0.6122663, -0.64815342, -0.26309025, -0.36852503]
    np.testing.assert_allclose(bundle.bag_encoder.encode(texts), expected, atol=1e-6)


def test_the_untrained_encoder_has_the_size_of_the_trained_one(bundle: embedpipe.Bundle) -> None:
    untrained, trained = bundle.untrained_encoder.network, bundle.encoder.network
    assert untrained.shape == dataclasses.replace(trained.shape, residual=False)
    vectors = bundle.untrained_encoder.encode(["the cat sees the sea .", "zebra"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0], atol=1e-6)
    assert np.abs(vectors[0] @ bundle.encoder.encode(["the cat sees the sea ."])[0]) < 0.99
    without = embedpipe.load(FORMAT_1)
    del without.manifest.files["encoder/model.safetensors"]
    assert without.untrained_encoder.network.shape.hidden == 3, "as its configuration says"


@pytest.mark.parametrize(
    ("prompt", "text"),
    [("the cat", "the cat sees the hill."), ("a dog", "a dog likes the hill."), ("", "the sea.")],
)
def test_greedy_text(bundle: embedpipe.Bundle, prompt: str, text: str) -> None:
    assert bundle.generator.generate(prompt, n=1, max_tokens=40, temperature=0) == [text]

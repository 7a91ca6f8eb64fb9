"""One small bundle of each format that was ever released: it opens, and answers as on the day it was made.

``format-1`` was made in this folder, with one thread, by::

    OMP_NUM_THREADS=1 embedpipe run corpus.txt -o format-1 --reproducible --seed 1 --stages sentences,generation \
      --set text.deduplicate=none --set text.min_count=1 --set words.dim=4 --set words.epochs=40 \
      --set sentences.hidden=3 --set sentences.steps=5 --set sentences.batch=4 --set generation.hidden=12 \
      --set generation.layers=1 --set generation.steps=400 --set generation.batch=4 --set generation.bptt=12 \
      --set generation.learning_rate=0.02 --set generation.input_p=0 --set generation.hidden_p=0 \
      --set generation.embed_p=0

It is never made again: a changed format gets a folder of its own beside it.
"""

from pathlib import Path

import numpy as np
import pytest

import embedpipe
from embedpipe.bundle.folder import verify_bundle

FORMAT_1 = Path(__file__).with_name("format-1")


@pytest.fixture(scope="module")
def bundle() -> embedpipe.Bundle:
    """The bundle of format 1."""
    return embedpipe.load(FORMAT_1)


def test_every_file_is_what_it_was() -> None:
    checks = verify_bundle(FORMAT_1)
    assert len(checks) == 10
    assert {check.problem for check in checks} == {""}


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


@pytest.mark.parametrize(
    ("prompt", "text"),
    [("the cat", "the cat sees the hill."), ("a dog", "a dog likes the hill."), ("", "the sea.")],
)
def test_greedy_text(bundle: embedpipe.Bundle, prompt: str, text: str) -> None:
    assert bundle.generator.generate(prompt, n=1, max_tokens=40, temperature=0) == [text]

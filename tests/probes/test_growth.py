"""Several subjects are compared on the questions that all of them can answer."""

import zlib
from dataclasses import dataclass

import numpy as np
import pytest

from embedpipe.probes.baselines import Subject
from embedpipe.probes.growth import ask_all
from embedpipe.probes.texts.classification import classification_rows, right_shares
from embedpipe.tasks.shapes import Analogies, Classification, Inference, SentenceSimilarity, WordSimilarity
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.table import WordVectors


def without(planted, word):
    """The same words but one, in other rows."""
    counts = {token: 1 + i for i, token in enumerate(planted.vocabulary.tokens[4:]) if token != word}
    vocabulary = Vocabulary.from_counts(counts)
    vectors = np.zeros((len(vocabulary), 8), dtype=np.float32)
    for token in counts:
        vectors[vocabulary.index[token]] = planted.vectors[planted.vocabulary.index[token]]
    return Subject(words=WordVectors(vocabulary, vectors), codec=planted.codec)


def test_pairs_that_one_does_not_know_are_asked_of_none(planted):
    near = [(f"sea{i}", f"sea{j}") for i in range(6) for j in range(i)]
    pairs = near + [(f"sea{i}", f"war{j}") for i in range(6) for j in range(5)]
    task = WordSimilarity("words", pairs, np.r_[np.arange(50.0, 65), np.arange(30.0)])
    found = ask_all([planted.subject(), without(planted, "sea3")], task, restrict=100, bootstrap=50, seed=1)
    assert found.n == 35
    assert found.coverage == (1.0, pytest.approx(35 / 45))
    assert found.replicates[0, 0] == found.replicates[1, 0] > 0.3
    assert np.array_equal(found.replicates[0], found.replicates[1])
    few = ask_all([planted.subject()], WordSimilarity("few", near, np.arange(15.0)), restrict=9, bootstrap=50, seed=1)
    assert (few.n, few.replicates.size) == (15, 0)


def test_analogies_and_sentences(planted):
    rng = np.random.default_rng(0)
    subjects = [planted.subject(), planted.subject()]
    questions = {"s": [(f"sea{j}", f"war{j}", f"sea{i}", f"war{i}") for i in range(10) for j in range(i)]}
    found = ask_all(subjects, Analogies("a", questions), restrict=100, bootstrap=20, seed=1)
    assert (found.metric, found.n, found.coverage) == ("accuracy", 45, (1.0, 1.0))
    assert ask_all(subjects, Analogies("a", {"s": [("x", "y", "z", "u")]}), restrict=100, bootstrap=20, seed=1).n == 0
    sea, war = ([planted.sentence(rng, topic) for _ in range(20)] for topic in ("sea", "war"))
    alike = SentenceSimilarity("s", sea + sea, sea[::-1] + war, np.repeat([1.0, 0.0], 20))
    assert ask_all(subjects, alike, restrict=100, bootstrap=20, seed=1).replicates[0, 0] > 0.7
    labels = Classification("c", ["a"] * 20 + ["b"] * 20, sea + war)
    of_labels = ask_all(subjects, labels, restrict=100, bootstrap=20, seed=1)
    assert of_labels.replicates[:, 0].tolist() == [1.0, 1.0]
    assert of_labels.replicates.shape == (2, 21)
    with pytest.raises(TypeError, match="a curve is drawn of word pairs"):
        ask_all(subjects, Inference("i", ["a", "b"], ["x", "y"], ["z", "u"]), restrict=100, bootstrap=20, seed=1)


@dataclass(frozen=True)
class Blurred:
    """An encoder with noise on each text, drawn by the text."""

    encoder: object
    seed: int

    def encode(self, texts):
        noise = [np.random.default_rng([self.seed, zlib.crc32(text.encode())]).normal(size=8) for text in texts]
        return (self.encoder.encode(texts) + 1.2 * np.array(noise)).astype(np.float32)


def test_accuracies_are_resampled_by_text(planted):
    """The chance of the texts that are tested is in the difference of two sizes, not only in each of them."""
    rng = np.random.default_rng(0)
    texts = [planted.sentence(rng, topic) + f" {i}" for i in range(20) for topic in ("sea", "war")]
    task = Classification("c", ["sea", "war"] * 20, texts, folds=np.arange(40) // 2 % 2)
    subjects = [planted.subject(encoder=Blurred(planted.subject().encoder, seed), baselines=False) for seed in (1, 2)]
    right = [right_shares(task, subject, seed=1) for subject in subjects]
    found = ask_all(subjects, task, restrict=100, bootstrap=400, seed=1)
    assert found.replicates[:, 0] == pytest.approx([one.mean() for one in right])
    assert right[0].mean() == pytest.approx(classification_rows(task, subjects[0], seed=1)[0].value)
    difference = right[0] - right[1]
    drawn = (found.replicates[0] - found.replicates[1])[1:].std()
    assert drawn == pytest.approx(difference.std() / np.sqrt(len(texts)), rel=0.15)
    assert drawn > 0.03

"""Several subjects are compared on the questions that all of them can answer."""

import numpy as np
import pytest

from embedpipe.probes.baselines import Subject
from embedpipe.probes.growth import ask_all
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
    assert found.values[0] == found.values[1] > 0.3
    assert np.array_equal(found.replicates[0], found.replicates[1])
    few = ask_all([planted.subject()], WordSimilarity("few", near, np.arange(15.0)), restrict=9, bootstrap=50, seed=1)
    assert (few.n, few.values) == (15, [])


def test_analogies_and_sentences(planted):
    rng = np.random.default_rng(0)
    subjects = [planted.subject(), planted.subject()]
    questions = {"s": [(f"sea{j}", f"war{j}", f"sea{i}", f"war{i}") for i in range(10) for j in range(i)]}
    found = ask_all(subjects, Analogies("a", questions), restrict=100, bootstrap=20, seed=1)
    assert (found.metric, found.n, found.coverage) == ("accuracy", 45, (1.0, 1.0))
    assert ask_all(subjects, Analogies("a", {"s": [("x", "y", "z", "u")]}), restrict=100, bootstrap=20, seed=1).n == 0
    sea, war = ([planted.sentence(rng, topic) for _ in range(20)] for topic in ("sea", "war"))
    alike = SentenceSimilarity("s", sea + sea, sea[::-1] + war, np.repeat([1.0, 0.0], 20))
    assert ask_all(subjects, alike, restrict=100, bootstrap=20, seed=1).values[0] > 0.7
    labels = Classification("c", ["a"] * 20 + ["b"] * 20, sea + war)
    of_labels = ask_all(subjects, labels, restrict=100, bootstrap=20, seed=1)
    assert of_labels.values == [1.0, 1.0]
    assert of_labels.replicates.shape == (2, 21)
    with pytest.raises(TypeError, match="a curve is drawn of word pairs"):
        ask_all(subjects, Inference("i", ["a", "b"], ["x", "y"], ["z", "u"]), restrict=100, bootstrap=20, seed=1)

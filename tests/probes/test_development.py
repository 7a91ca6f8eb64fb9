"""The figure that settings are chosen by: planted order wins, what cannot be measured is said, nothing is NaN."""

import numpy as np
import pytest

from embedpipe.errors import ConfigError, NotEnoughDataError
from embedpipe.probes.development import NEXT_SENTENCE, Development, development, find_word_tasks
from embedpipe.probes.next_sentence import NextSentences
from embedpipe.tasks.shapes import Analogies, WordSimilarity
from embedpipe.text.prepared import PreparedText
from embedpipe.text.vocabulary import Vocabulary

N = 40
WORDS = [f"w{i}" for i in range(N + 1)]


def of(tasks, pairs=None) -> Development:
    vocabulary = Vocabulary.from_counts({word: N - i + 1 for i, word in enumerate(WORDS)})
    return Development(vocabulary, tasks, pairs or NextSentences([], []), (), 1e-3, 1)


def angles(of_word) -> np.ndarray:
    rows = [[0, 0]] * 4 + [[np.cos(a), np.sin(a)] for a in map(of_word, range(N + 1))]
    return np.array(rows, dtype=np.float32)


def test_figures_lie_between_0_and_1() -> None:
    """Words turn away from the first one: people who say the same give 1, those who say the contrary 0."""
    pairs = [("w0", word) for word in WORDS[1:]]
    same = WordSimilarity("same", pairs, -np.arange(N, dtype=np.float64))
    contrary = WordSimilarity("contrary", pairs, np.arange(N, dtype=np.float64))
    figures = of([same, contrary]).figures(angles(lambda i: i / N))
    assert figures == {"same": pytest.approx(1.0), "contrary": 0.0}


def test_vectors_that_are_all_zero_are_worth_nothing() -> None:
    task = WordSimilarity("same", [("w0", word) for word in WORDS[1:]], -np.arange(N, dtype=np.float64))
    assert of([task]).figures(np.zeros((4 + N + 1, 2), dtype=np.float32)) == {"same": 0.0}


@pytest.fixture(scope="module")
def text(toy_work) -> PreparedText:
    return PreparedText(toy_work / "text")


def test_the_toy_corpus_answers_analogies_and_what_is_left_out_is_said(text) -> None:
    made_up = Analogies("made up", {"all": [("a", "b", "c", "zzzz")] * 50})
    measured = development(text, [*find_word_tasks(["analogies"]), made_up], restrict=30_000, sif_a=1e-3, seed=1)
    assert [task.name for task in measured.tasks] == ["analogies"]
    assert measured.left_out == ("made up: 0 of its questions are in the vocabulary, 30 are needed",)
    assert measured.described == f"the mean of analogies, {NEXT_SENTENCE} (reciprocal rank among 128, validation split)"
    random = np.random.default_rng(0).standard_normal((len(text.vocabulary), 8)).astype(np.float32)
    figures = measured.figures(random)
    assert list(figures) == ["analogies", NEXT_SENTENCE]
    assert figures["analogies"] < 0.1
    assert 0.03 < figures[NEXT_SENTENCE] < 0.2, "by chance it is about 0.04"


def test_without_anything_to_measure_it_is_refused(text, tmp_path) -> None:
    empty = PreparedText(text.path)
    np.save(tmp_path / "tokens.npy", np.array([3], dtype=np.uint32))
    np.save(tmp_path / "sentences.npy", np.array([0, 1], dtype=np.uint64))
    np.save(tmp_path / "documents.npy", np.array([0, 1], dtype=np.uint64))
    empty.validation = type(empty.validation)(tmp_path)
    with pytest.raises(NotEnoughDataError, match="nothing to choose settings by: next sentence: 0 pairs"):
        development(empty, [], restrict=30_000, sif_a=1e-3, seed=1)


def test_a_task_that_is_not_of_words_is_refused() -> None:
    with pytest.raises(ConfigError, match="'lee' is neither word pairs nor analogies"):
        find_word_tasks(["lee"])

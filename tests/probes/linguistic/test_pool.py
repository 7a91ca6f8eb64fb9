"""Which sentences are usable, and whether a document ever stands on both sides of a fold."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.probes.linguistic.make import corpus_task
from embedpipe.probes.linguistic.pool import folds_by_document, halves
from embedpipe.probes.rows import Row
from embedpipe.tasks.builtin import ADJACENCY, BIGRAM_SHIFT, CORPUS_TASKS, DOCUMENTS, LENGTH, ODD_WORD, ORDER
from embedpipe.tasks.shapes import Inference


def test_short_long_unknown_and_repeated_sentences_are_left_out(prepare_by_hand):
    train = [["one two three four five six ."] * 3]
    held_out = [
        ["one two three four", "one two three four five", "one two three four five", "five " * 61],
        ["nobody knows any of this .", "one two nobody three four six", "one two three four five ."],
    ]
    pool = prepare_by_hand(train, held_out).pool
    assert [pool.text(i) for i in range(len(pool))] == [
        "one two three four five",
        "one two nobody three four six",
        "one two three four five.",
    ]
    assert (pool.n_seen, pool.documents.tolist(), pool.places.tolist()) == (7, [0, 1, 1], [1, 1, 2])


def test_what_the_codec_would_read_otherwise_is_left_out(prepare_by_hand):
    class Joining:
        """Writes 'new york' as one word, which it then reads as one."""

        case, spaced = "lower", True

        def tokenize(self, text):
            return text.split()

        def detokenize(self, tokens):
            return " ".join(tokens).replace("new york", "newyork")

    sentence, other = "they live in new york now", "they live in the country now"
    pool = prepare_by_hand([[sentence, other]], [[sentence, other]], tokenizer=Joining()).pool
    assert pool.tokens == [other.split()]


def test_words_of_middle_frequency(prepare_by_hand):
    # 6 x 10 of 126 tokens are the first half and a little more; "rare" is seen four times, "." is no word.
    train = [["the of " * 5 + "ship ."] * 6 + ["the rare rare"] * 2 + ["sail sail sail sail sail"]]
    pool = prepare_by_hand(train, [["the ship of the sail"]]).pool
    vocabulary = pool.codec.vocabulary
    assert [vocabulary.tokens[i] for i in np.flatnonzero(pool.is_content)] == ["ship", "sail"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=80), st.integers(2, 5))
def test_a_document_is_whole_in_one_fold_and_folds_are_even(documents, n_folds):
    documents = np.array(documents)
    folds = folds_by_document(documents, n_folds)
    assert all(len(set(folds[documents == document])) == 1 for document in documents)
    n = len(set(documents.tolist()))
    assert set(folds.tolist()) == set(range(min(n, n_folds)))
    sizes, largest = np.bincount(folds), np.bincount(documents).max()
    assert sizes.max() - sizes.min() <= largest


def test_groups_are_dealt_out_by_themselves():
    documents = np.repeat(np.arange(8), [9, 1, 1, 1, 7, 2, 2, 2])
    folds = folds_by_document(documents, 5, groups=np.repeat([0, 1], [12, 13]))
    assert [len(set(folds[:12])), len(set(folds[12:]))] == [4, 4]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=60), st.integers(0, 9))
def test_halves_are_halves_of_each_fold(folds, seed):
    folds = np.array(folds, dtype=np.int64)
    chosen = halves(folds, np.random.default_rng(seed))
    for fold in set(folds.tolist()):
        assert chosen[folds == fold].sum() == (folds == fold).sum() // 2


def texts_of(task):
    return [*task.texts_a, *task.texts_b] if isinstance(task, Inference) else list(task.texts)


def document_of(text):
    """Return the document whose name is in a sentence: no task takes it away."""
    return re.search(r"doc2x\d+", text).group()


@pytest.mark.parametrize("name", CORPUS_TASKS)
def test_every_task_keeps_documents_apart_and_follows_the_seed(topics, name):
    task = corpus_task(name, topics.corpus)
    assert not isinstance(task, Row), task
    texts = texts_of(task)
    folds = np.tile(task.folds, len(texts) // len(task.folds))
    if name != DOCUMENTS:
        places = {(document_of(text), fold) for text, fold in zip(texts, folds.tolist(), strict=True)}
        assert len(places) == len({document for document, _ in places})
        assert task.note.endswith("of 18 held-out documents, folds by document")
    assert len(set(folds.tolist())) == 5
    again = corpus_task(name, topics.corpus)
    assert (texts_of(again), list(again.labels)) == (texts, list(task.labels))
    assert again.folds.tolist() == task.folds.tolist()
    other = replace(topics.corpus, seed=2)
    assert texts_of(corpus_task(name, other)) != texts


@pytest.mark.parametrize("name", [BIGRAM_SHIFT, ODD_WORD, ADJACENCY, ORDER])
def test_two_labels_are_as_frequent_in_every_fold(topics, name):
    task = corpus_task(name, topics.corpus)
    first = np.array(task.labels) == task.labels[0]
    for fold in range(5):
        inside = task.folds == fold
        assert abs(int(first[inside].sum()) - int((~first[inside]).sum())) <= 2


@pytest.mark.parametrize("name", [task for task in CORPUS_TASKS if task != DOCUMENTS])
def test_too_little_text_is_a_row_that_says_what_there_was(prepare_by_hand, name):
    few = prepare_by_hand([["the king loves the queen ."] * 9], [["the king loves the queen .", "the the the the the"]])
    row = corpus_task(name, few.corpus)
    assert isinstance(row, Row)
    assert row.note.startswith("skipped: ")
    assert f"'{name}' needs" in row.note


def test_one_document_is_not_enough(prepare_by_hand):
    one = [[f"word{i} word{i + 1} word{i + 2} of the house" for i in range(200)]]
    row = corpus_task(LENGTH, prepare_by_hand(one, one).corpus)
    assert "is one document" in row.note


def test_without_a_text_every_task_is_skipped():
    notes = [corpus_task(name, None).note for name in CORPUS_TASKS]
    assert set(notes) == {"skipped: the prepared text is not at hand"}

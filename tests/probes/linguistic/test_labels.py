"""Length, word content and topic: labels that can be counted by hand."""

from collections import Counter

import numpy as np
import pytest

from embedpipe.probes.baselines import Subject
from embedpipe.probes.linguistic.length import length_task
from embedpipe.probes.linguistic.topic import topic_task
from embedpipe.probes.linguistic.word_content import word_content_task
from embedpipe.probes.measure import MeasureSettings, measure


class Length:
    """Reads nothing but how many words there are."""

    def encode(self, texts):
        return np.array([[np.exp(-((len(text.split()) - k) ** 2) / 4) for k in range(5, 20)] for text in texts], "f4")


def test_lengths_are_in_six_bins_of_the_same_size(prepare_by_hand):
    held_out = [[" ".join(f"w{d}x{i}x{j}" for j in range(5 + i % 12)) for i in range(48)] for d in range(5)]
    prepared = prepare_by_hand(held_out, held_out)
    task = length_task(prepared.pool, n_sentences=120, seed=1)
    assert Counter(task.labels) == {f"{n}-{n + 1} tokens": 20 for n in range(5, 17, 2)}
    for label, text in zip(task.labels, task.texts, strict=True):
        low, high = map(int, label.removesuffix(" tokens").split("-"))
        assert low <= len(text.split()) <= high
    rows = measure(Subject(encoder=Length(), codec=prepared.corpus.codec), task, MeasureSettings(bootstrap=100))
    assert rows[0].value > 0.95


def test_each_sentence_holds_the_word_that_is_its_label_and_no_other(topics):
    task = word_content_task(topics.pool, n_sentences=200, seed=1)
    words = set(task.labels)
    sizes = Counter(task.labels)
    assert len(words) >= 5
    assert min(sizes.values()) >= 8
    assert max(sizes.values()) <= 200 // len(words)
    for label, text in zip(task.labels, task.texts, strict=True):
        assert words & set(text.split()) == {label}
    assert all(word[:3] in ("sea", "war", "law") or word == "end" for word in words)
    places = {(label, int(fold)) for label, fold in zip(task.labels, task.folds, strict=True)}
    assert all(sum(word == label for label, _ in places) >= 2 for word in words)


def test_planted_topics_are_found_and_named_by_their_words(topics):
    task = topic_task(topics.pool, topics.corpus.train, n_sentences=300, seed=1)
    kind_of = {label: {word[:3] for word in label.split(", ")} for label in set(task.labels)}
    assert all(len(kinds) == 1 for kinds in kind_of.values())
    assert set().union(*kind_of.values()) == {"sea", "war", "law"}
    for label, text in zip(task.labels, task.texts, strict=True):
        assert {word[:3] for word in text.split() if word[:3] in ("sea", "war", "law")} == kind_of[label]
    assert len(set(Counter(task.labels).values())) == 1
    for label in kind_of:
        assert len(set(task.folds[np.array(task.labels) == label].tolist())) >= 2


def test_topics_need_documents_that_share_them(prepare_by_hand):
    from embedpipe.errors import NotEnoughDataError

    few = [[f"the house of lord{d} is big {i}" for i in range(30)] for d in range(4)]
    prepared = prepare_by_hand(few, few)
    with pytest.raises(
        NotEnoughDataError, match="4 held-out and 4 training documents; the task 'topic' needs 6 and 20"
    ):
        topic_task(prepared.pool, prepared.corpus.train, n_sentences=100, seed=1)

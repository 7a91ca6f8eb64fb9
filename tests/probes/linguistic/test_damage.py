"""Swapped and exchanged words: what was done to a sentence, what a bag sees of it, and what the order tells."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from embedpipe.probes.baselines import Subject
from embedpipe.probes.linguistic.bigram_shift import bigram_shift_task
from embedpipe.probes.linguistic.bigrams import BigramCounts, BigramCues, count_bigrams
from embedpipe.probes.linguistic.odd_word import odd_word_task
from embedpipe.probes.measure import MeasureSettings, measure
from embedpipe.probes.statistics import accuracy_interval
from embedpipe.text.vocabulary import EOS
from embedpipe.words.bag import BagEncoder, plain_average


def lawful(n_documents, seed):
    """Sentences in which words of two kinds take turns, beginning with either."""
    rng = np.random.default_rng(seed)
    documents = []
    for d in range(n_documents):
        document = []
        for s in range(30):
            kinds = "ab" if rng.random() < 0.5 else "ba"
            document.append(" ".join(f"{kinds[i % 2]}{rng.integers(12)}" for i in range(8)) + f" n{d}x{s}.")
        documents.append(document)
    return documents


class Order:
    """Reads nothing but how often two words of one kind stand side by side."""

    def encode(self, texts):
        kinds = [[token[0] for token in text.split()[:8]] for text in texts]
        return np.array([[sum(x == y for x, y in pairwise(k))] for k in kinds], dtype=np.float32)


class Context:
    """Knows the law of the language: words of one sentence are of one kind."""

    def encode(self, texts):
        kinds = [{token[:3] for token in text.split() if token[:3] in ("sea", "war", "law")} for text in texts]
        return np.array([[len(k)] for k in kinds], dtype=np.float32)


@pytest.fixture(scope="session")
def alternating(prepare_by_hand):
    return prepare_by_hand(lawful(40, 1), lawful(20, 2))


def test_bigram_shift_swaps_two_neighbours_and_nothing_else(alternating):
    task = bigram_shift_task(alternating.pool, alternating.corpus.cues, n_sentences=200, seed=1)
    written = {alternating.pool.text(i) for i in range(len(alternating.pool))}
    by_bag = {tuple(sorted(tokens)): tokens for tokens in alternating.pool.tokens}
    assert len(task.labels) == 200
    assert abs(task.labels.count("swapped") - 100) <= 5  # of five folds, each of which may be odd
    for label, text in zip(task.labels, task.texts, strict=True):
        assert (text in written) == (label == "as written")
        if label == "swapped":
            tokens = alternating.tokens(text)
            (i, j) = differences(tokens, by_bag[tuple(sorted(tokens))])
            assert j == i + 1
            assert "." not in (tokens[i], tokens[j])


def differences(one, other):
    """Return the places in which two lists of tokens differ."""
    return [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]


def test_a_bag_can_only_guess_which_words_were_swapped_and_order_tells(alternating):
    codec = alternating.corpus.codec
    table = np.random.default_rng(0).standard_normal((len(codec.vocabulary), 16)).astype(np.float32)
    subject = Subject(encoder=Order(), sif=BagEncoder(codec, plain_average(table)), codec=codec)
    task = bigram_shift_task(alternating.pool, alternating.corpus.cues, n_sentences=200, seed=1)
    rows = {row.baseline: row for row in measure(subject, task, MeasureSettings(bootstrap=100))}
    # A swap inside the turns gives two like neighbours at least, one at the end of them may give one or none.
    assert rows["tf-idf"].value > 0.9
    for bag in ("tf-idf", "SIF average"):
        low, high = accuracy_interval(round(200 * rows[bag].baseline_value), 200)
        assert low < 0.5 < high
    assert rows["bigram counts"].baseline_value > 0.9


def original(prepared, tokens):
    """Return the tokens of the sentence that has the same name at its end."""
    return next(sentence for sentence in prepared.pool.tokens if sentence[-2] == tokens[-2])


def test_odd_words_are_those_that_were_taken_away(topics):
    task = odd_word_task(topics.pool, topics.corpus.cues, n_sentences=200, seed=1)
    written = {topics.pool.text(i) for i in range(len(topics.pool))}
    came, went = Counter(), Counter()
    vocabulary = topics.corpus.codec.vocabulary
    for label, text in zip(task.labels, task.texts, strict=True):
        assert (text in written) == (label == "as written")
        if label == "odd word":
            tokens = topics.tokens(text)
            before = original(topics, tokens)
            (place,) = differences(tokens, before)
            new, old = tokens[place], before[place]
            came[new] += 1
            went[old] += 1
            assert 0.5 <= vocabulary.counts[vocabulary.index[new]] / vocabulary.counts[vocabulary.index[old]] <= 2
    assert came == went
    assert came.total() == task.labels.count("odd word") > 80


def test_who_knows_what_goes_together_finds_the_odd_word_and_a_bag_does_not(topics):
    codec = topics.corpus.codec
    task = odd_word_task(topics.pool, topics.corpus.cues, n_sentences=300, seed=1)
    rows = measure(Subject(encoder=Context(), codec=codec), task, MeasureSettings(bootstrap=100))
    beside = {row.baseline: row.baseline_value for row in rows}
    odd = np.array(task.labels) == "odd word"
    other_kind = (Context().encode(task.texts)[:, 0] > 1) & odd
    assert rows[0].value == pytest.approx((other_kind.sum() + (~odd).sum()) / len(odd), abs=0.02)
    assert beside["tf-idf"] < 0.6 < rows[0].value


def test_exchanged_words_are_chosen_so_that_bigrams_are_as_frequent_as_before(alternating):
    cues = alternating.corpus.cues
    blind = BigramCues(cues.codec, BigramCounts(np.empty(0, np.uint64), np.empty(0, np.int64)))
    changes = []
    for counts in (cues, blind):
        task = odd_word_task(alternating.pool, counts, n_sentences=100, seed=1)
        odd = [text for label, text in zip(task.labels, task.texts, strict=True) if label == "odd word"]
        before = [cues.codec.tokenizer.detokenize(original(alternating, alternating.tokens(text))) for text in odd]
        changes.append(float(np.abs(cues.encode(odd) - cues.encode(before)).mean()))
    assert changes[0] < 0.5 * changes[1]


def test_counts_of_bigrams_by_hand(prepare_by_hand):
    corpus = prepare_by_hand([["a b a b .", "b a"]], [["a b"]]).corpus
    a, b, stop = (corpus.codec.vocabulary.index[token] for token in ("a", "b", "."))
    first = np.array([a, b, b, stop, EOS, a, a])
    second = np.array([b, a, stop, EOS, b, EOS, a])
    assert count_bigrams(corpus.train).of(first, second).tolist() == [2, 2, 1, 1, 1, 1, 0]
    # <eos> a is not in the counts (the first sentence follows nothing); a b is twice, b <eos> never.
    features = corpus.cues.encode(["a b", "", "b a"])
    assert features[0].tolist() == pytest.approx([np.log(3) / 3, 0, 2 / 3])
    assert features[1].tolist() == [0, 0, 0]
    assert features[2].tolist() == pytest.approx([(np.log(2) + np.log(3) + np.log(2)) / 3, np.log(2), 0])
    assert corpus.cues.encode([""]).tolist() == [[0, 0, 0]]

"""Sentence and document similarity on planted topics."""

import math

import numpy as np
import pytest

from embedpipe.probes.baselines import Subject, token_coverage
from embedpipe.probes.texts.similarity import document_similarity_rows, sentence_similarity_rows
from embedpipe.tasks.shapes import DocumentSimilarity, SentenceSimilarity


@pytest.fixture(scope="module")
def task(planted):
    rng = np.random.default_rng(1)
    topics = rng.choice(list(planted.words), size=(80, 2))
    # The two sides share few words, so that it takes the vectors to see that they share a topic.
    first, second = (
        [" ".join(rng.choice(planted.words[topic][words], 4)) for topic in side]
        for side, words in zip(topics.T, (slice(6), slice(5, 10)), strict=True)
    )
    return SentenceSimilarity("topics", first, second, (topics[:, 0] == topics[:, 1]).astype(float))


def test_planted_topics_are_found_where_shared_words_and_chance_do_not_find_them(planted, task):
    rows = sentence_similarity_rows(task, planted.subject(), bootstrap=200, seed=1)
    assert list(dict.fromkeys(row.metric for row in rows)) == [
        "spearman",
        "pearson",
        "spearman (trained)",
        "pearson (trained)",
    ]
    beside = {row.baseline: row for row in rows if row.metric == "spearman"}
    assert set(beside) == {"tf-idf", "random vectors"}
    assert rows[0].system == "encoder"
    assert rows[0].value > 0.75  # with scores of 0 and 1 a perfect order gives no more than about 0.8
    assert (rows[0].n, rows[0].coverage) == (80, 1.0)
    assert beside["random vectors"].baseline_value < rows[0].low
    assert beside["tf-idf"].p_value < 0.05


def test_tfidf_is_sklearn_s_cosine_by_hand(planted):
    task = SentenceSimilarity("t", ["a b", "c", "a"], ["a b", "d", "b"], np.array([3.0, 1.0, 2.0]))
    subject = Subject(encoder=planted.subject().encoder)  # without a codec: words between spaces
    rows = sentence_similarity_rows(task, subject, bootstrap=100, seed=1)
    # cosines are 1, 0, 0 against ranks 3, 1, 2: Spearman sqrt(3)/2
    assert {row.metric: row.baseline_value for row in rows if row.baseline == "tf-idf"} == {
        "spearman": pytest.approx(math.sqrt(3) / 2),
        "pearson": pytest.approx(math.sqrt(3) / 2),
    }


def test_texts_without_a_known_word_are_counted_not_nan(planted):
    rng = np.random.default_rng(2)
    texts = [planted.sentence(rng, "sea") for _ in range(5)]
    task = SentenceSimilarity("t", [*texts, "qqq"], [*texts, "sea0"], np.array([1.0, 2, 3, 4, 5, 0]))
    row = sentence_similarity_rows(task, planted.subject(), bootstrap=100, seed=1)[0]
    assert math.isfinite(row.value)
    assert "1 of 12 texts hold no known word" in row.note
    assert row.coverage == pytest.approx(41 / 42)


def test_every_system_that_there_is_stands_in_the_table(planted, task):
    encoder = planted.subject().encoder
    subject = planted.subject(sif=encoder, plain=encoder, random=lambda: encoder)
    rows = sentence_similarity_rows(task, subject, bootstrap=100, seed=1)
    beside = {row.baseline: row for row in rows if row.metric == "spearman"}
    assert list(beside) == ["SIF average", "plain average", "random encoder", "random vectors", "tf-idf"]
    assert beside["SIF average"].baseline_value == rows[0].value
    assert beside["SIF average"].p_value == 1.0
    without = sentence_similarity_rows(task, planted.subject(encoder=None, sif=encoder), bootstrap=100, seed=1)
    assert without[0].system == "SIF average"


def test_no_encoder_is_said(planted, task):
    (row,) = sentence_similarity_rows(task, Subject(codec=planted.codec), bootstrap=100, seed=1)
    assert row.note == "skipped: the bundle has neither a sentence encoder nor word vectors"
    assert row.as_dict()["value"] is None


def test_documents(planted):
    rng = np.random.default_rng(3)
    topics = rng.choice(list(planted.words), size=24)
    texts = [planted.sentence(rng, topic, 12) for topic in topics]
    scores = np.triu((topics[:, None] == topics[None, :]).astype(float))
    part = {"half": np.arange(24 * 23 // 2) % 2 == 0}
    task = DocumentSimilarity("d", texts, scores)
    rows = document_similarity_rows(task, planted.subject(), bootstrap=100, seed=1, parts=part)
    values = {row.metric: row for row in rows}
    assert set(values) == {"pearson", "pearson (half)", "spearman", "spearman (half)"}
    assert values["pearson (half)"].n == 138
    assert values["pearson"].value > 0.9
    assert values["pearson"].n == 24 * 23 // 2


def test_coverage_counts_tokens(planted):
    assert token_coverage(planted.codec, ["sea0 sea1", "x", ""]) == pytest.approx(2 / 3)
    assert math.isnan(token_coverage(planted.codec, [""]))
    assert math.isnan(token_coverage(None, ["sea0"]))

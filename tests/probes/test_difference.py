"""Two bundles over different words: what is shared, which is better, and how that is summed up."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from embedpipe.errors import InputError
from embedpipe.probes.baselines import Rival, Subject
from embedpipe.probes.difference import differences, overall, worse
from embedpipe.probes.measure import MeasureSettings
from embedpipe.probes.rivals import with_rivals
from embedpipe.probes.rows import skipped
from embedpipe.probes.words.questions import known_questions
from embedpipe.probes.words.rival_words import rival_word_rows
from embedpipe.probes.words.word_lookup import pair_cosines
from embedpipe.probes.words.word_similarity import word_similarity_rows
from embedpipe.tasks.builtin import find_task
from embedpipe.tasks.shapes import Analogies, Categories, Classification, WordSimilarity
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.bag import fit_bag
from embedpipe.words.lookup import Lookup
from embedpipe.words.table import WordVectors

SETTINGS = MeasureSettings(bootstrap=300)


@dataclass
class Halfway:
    """A bundle that has words and no encoder."""

    codec: object
    words: object
    bag: object
    parts: tuple = ("words.safetensors",)

    @property
    def lookup(self):
        return Lookup(self.words)


def bundle_of(planted, vocabulary, vectors):
    vectors = np.asarray(vectors, dtype=np.float32)
    codec = replace(planted.codec, vocabulary=vocabulary)
    return Halfway(codec, WordVectors(vocabulary, vectors), fit_bag(vectors, vocabulary.probabilities, 1e-3))


@pytest.fixture(scope="session")
def good(planted):
    return bundle_of(planted, planted.vocabulary, planted.vectors)


@pytest.fixture(scope="session")
def poor(planted):
    """Noise over the same words but ten, in another order, narrower."""
    words = [word for word in reversed(planted.vocabulary.tokens[4:]) if not word.startswith("law")]
    vocabulary = Vocabulary.from_counts(dict.fromkeys(words, 9))
    noise = np.random.default_rng(3).normal(size=(len(vocabulary), 5))
    noise[:4] = 0
    return bundle_of(planted, vocabulary, noise)


@pytest.fixture(scope="session")
def tasks(planted):
    rng = np.random.default_rng(0)
    topics = ["sea", "war", "law"]
    words = [(f"{a}{i}", f"{b}{j}") for a in topics for b in topics for i in range(4) for j in range(4, 8)]
    texts = [planted.sentence(rng, topic) for topic in ("sea", "war") for _ in range(40)]
    return [
        WordSimilarity("alike", words, np.array([float(a[:3] == b[:3]) for a, b in words])),
        Classification("topic", ["sea"] * 40 + ["war"] * 40, texts),
        skipped("documents", "accuracy", "no text"),
    ]


@pytest.fixture(scope="session")
def found(good, poor, tasks):
    return differences(good, poor, tasks, SETTINGS)


def test_the_better_one_is_named_on_what_both_know(good, poor, tasks):
    alike, topic, documents = differences(good, poor, tasks, SETTINGS)
    assert (alike.verdict, topic.verdict, documents.verdict) == ("A better", "A better", "not compared")
    assert (alike.n, alike.coverage_a, alike.coverage_b) == (4 * 16, 1.0, pytest.approx(4 / 9))
    assert "144 of 144 pairs are in the vocabulary, 64 in that of B, 64 in both" in alike.note
    assert alike.difference == pytest.approx(alike.a - alike.b)
    assert 0 < alike.low <= alike.difference <= alike.high
    assert alike.p_value <= alike.p_holm <= 0.05
    assert alike.effect > 1
    assert "A knows 100.0% of the tokens, B 100.0%" in topic.note
    assert documents.note == "skipped: no text"
    assert worse([alike, topic, documents]) == []
    json.dumps([one.as_dict() for one in (alike, documents)], allow_nan=False)


def test_the_other_way_round_it_is_worse(good, poor, tasks, found):
    back = differences(poor, good, tasks, SETTINGS)
    for one, other in zip(found[:2], back, strict=False):
        assert other.verdict == "B better"
        assert (other.a, other.b) == pytest.approx((one.b, one.a))
        assert other.difference == pytest.approx(-one.difference)
        assert other.effect == pytest.approx(-one.effect)
    assert [one.task for one in worse(back)] == ["alike", "topic"]


def test_a_bundle_beside_itself(good, tasks):
    found = differences(good, good, [tasks[0], tasks[2]], SETTINGS)
    assert [one.verdict for one in found] == ["no difference found", "not compared"]
    assert found[0].p_holm == 1.0
    assert overall(found) == (
        "A better on 0 of 1 tasks, B better on 0 of 1 tasks, no difference found on 1 (Holm, alpha 0.05); "
        "not compared on 1 (documents)"
    )


def test_analogies_are_asked_where_both_know_the_words(good, planted, poor):
    """In `good` the offset between topics is planted; `poor` knows the two of three topics, and cannot answer."""
    questions = [(f"sea{i}", f"war{i}", f"sea{j}", f"war{j}") for i in range(3) for j in range(3) if i != j]
    unknown = [("sea0", "law0", "sea1", "law1")]
    task = Analogies("offsets", {"gram1": questions, "family": unknown})
    found = differences(good, poor, [task], SETTINGS)
    assert [(one.metric, one.n) for one in found] == [("accuracy", 6)]
    assert (found[0].coverage_a, found[0].coverage_b) == (1.0, pytest.approx(6 / 7))
    subject = with_rivals(planted.subject(), {"poor": poor}, [task])
    row, of_all = rival_word_rows(task, subject, restrict=30_000, bootstrap=100, seed=1)
    assert (row.metric, row.n, row.baseline) == ("accuracy (shared with poor)", 6, "poor")
    assert (of_all.metric, of_all.n, of_all.baseline) == ("accuracy (all)", 7, "poor")


def test_analogies_that_a_rival_does_not_know_are_wrong(word_table):
    """y is x and a step that is the same for all: every question is answered by whoever knows its words."""
    eye = np.eye(4)
    rows = {f"x{i}": eye[i] for i in range(1, 4)} | {f"y{i}": eye[0] + eye[i] for i in range(1, 4)}
    questions = [(f"x{i}", f"y{i}", f"x{j}", f"y{j}") for i in range(1, 4) for j in range(1, 4) if i != j]
    few = Rival(words=word_table({word: row for word, row in rows.items() if word != "y3"}))
    subject = Subject(words=word_table(rows), against={"few": few})
    task = Analogies("steps", {"s": questions})
    shared, of_all = rival_word_rows(task, subject, restrict=100, bootstrap=50, seed=1)
    assert (shared.metric, shared.n, shared.value, shared.baseline_value) == ("accuracy (shared with few)", 2, 1.0, 1.0)
    assert (of_all.metric, of_all.n, of_all.value) == ("accuracy (all)", 6, 1.0)
    assert of_all.baseline_value == pytest.approx(2 / 6)


def test_pairs_that_a_rival_does_not_know_are_its_guesses(planted, poor):
    """`poor` knows no word of law: three of six pairs are the mean of its other cosines, which ranks them nowhere."""
    pairs = [("sea0", "sea1"), ("sea0", "war1"), ("war2", "war3"), ("law0", "law1"), ("law0", "sea1"), ("law2", "law3")]
    task = WordSimilarity("pairs", pairs, np.array([9.0, 1.0, 8.0, 9.0, 2.0, 8.0]))
    subject = with_rivals(planted.subject(), {"poor": poor}, [task])
    shared, of_all = rival_word_rows(task, subject, restrict=30_000, bootstrap=100, seed=1)
    assert (shared.metric, shared.n) == ("spearman (shared with poor)", 3)
    assert (of_all.metric, of_all.n, of_all.coverage) == ("spearman (all)", 6, 1.0)
    said = pair_cosines(poor.words.vectors, known_questions(task, poor.words, 9)[1][:3])
    guesses = np.r_[said, np.full(3, said.mean())]
    assert of_all.baseline_value == pytest.approx(spearmanr(guesses, task.scores).statistic)
    assert of_all.value == pytest.approx(word_similarity_rows(task, subject.words, bootstrap=9, seed=1)[0].value)


def test_words_without_a_vector_and_rare_ones_are_not_known(good):
    task = Analogies("t", {"s": [("sea0", "sea1", "sea2", "sea3"), ("sea0", "sea1", "sea2", "law9")]})
    assert known_questions(task, good.words, 30_000)[0].tolist() == [True, True]
    assert known_questions(task, good.words, 10)[0].tolist() == [True, False]
    vectors = good.words.vectors.copy()
    vectors[good.words.vocabulary.index["sea3"]] = 0
    known, ids = known_questions(task, WordVectors(good.words.vocabulary, vectors), 30_000)
    assert known.tolist() == [False, True]
    assert ids[0, 3] == -1


def test_a_bundle_without_words_is_not_compared_by_them(good, tasks):
    wordless = Halfway(good.codec, None, None, parts=())
    found = differences(good, wordless, tasks, SETTINGS)
    assert {one.verdict for one in found} == {"not compared"}
    assert found[0].note == "skipped: B has no word vectors"
    assert differences(wordless, good, tasks[:1], SETTINGS)[0].note == "skipped: the bundle has no word vectors"


def test_sets_of_words_are_tested_on_the_words_that_both_know(good, poor, planted):
    words = [word for topic in ("sea", "war", "law") for word in planted.words[topic]]
    categories = Categories("kinds", [*words, "reef"], [*np.repeat(["sea", "war", "law"], 10).tolist(), "sea"])
    far = Categories("far", ["law0", "law1", "reef"], ["a", "b", "a"])
    kinds, none = differences(good, poor, [categories, far], SETTINGS)
    assert (kinds.metric, kinds.verdict, kinds.n) == ("purity", "A better", 20)
    assert (kinds.coverage_a, kinds.coverage_b) == (pytest.approx(30 / 31), pytest.approx(20 / 31))
    assert (none.metric, none.verdict, none.coverage_b) == ("purity", "not compared", 0.0)
    assert "too few to ask" in none.note
    assert overall([kinds, none]).endswith("not compared on 1 (far)")


def test_bias_tests_are_refused(good, poor, tasks):
    with pytest.raises(InputError, match="'weat' is a bias test"):
        differences(good, poor, [*tasks, find_task("weat")], SETTINGS)


def test_six_tasks_and_more_are_summed_up(found):
    alike = found[0]
    many = [replace(alike, task=f"t{i}", effect=0.1 + 0.01 * i) for i in range(6)]
    assert "over 6 tasks A better in general (mean effect +0.125, signed-rank p 0.031)" in overall(many)
    assert "in general" not in overall(many[:5])
    mixed = [replace(one, effect=one.effect * (-1) ** i) for i, one in enumerate(many)]
    assert "neither better in general" in overall(mixed)
    lost = [replace(one, verdict="B better", effect=-one.effect) for one in many]
    assert "B better in general (mean effect -0.125" in overall(lost)


def test_many_tasks_do_not_hide_a_difference_behind_too_few_resamples(good, poor, tasks):
    """Of 300 resamples no p-value is below 2 / 301, which is above 0.05 after it was multiplied by 12."""
    many = [replace(tasks[0], name=f"t{i}") for i in range(12)]
    assert {one.verdict for one in differences(good, poor, many, SETTINGS)} == {"A better"}

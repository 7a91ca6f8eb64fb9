"""The Word Embedding Association Test against exact arithmetic, scipy and planted associations."""

import math
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedpipe.probes.baselines import Rival, Subject
from embedpipe.probes.findings import Association
from embedpipe.probes.measure import MeasureSettings, measure
from embedpipe.probes.spaces.association import (
    association_rows,
    associations,
    effect_interval,
    effect_size,
    found_in,
    permutation_p_value,
    vectors_of_words,
)
from embedpipe.tasks.associations import Associations, AssociationTest, WordSet
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.table import WordVectors

numbers = st.integers(-50, 50)
samples = st.integers(2, 5).flatmap(
    lambda n: st.tuples(st.lists(numbers, min_size=n, max_size=n), st.lists(numbers, min_size=n, max_size=n))
)


def question(name, *sets):
    one, two, three, four = (WordSet(label, tuple(words)) for label, words in zip("xyab", sets, strict=True))
    return AssociationTest(name, (one, two), (three, four))


def table(vectors):
    vocabulary = Vocabulary.from_counts({word: 100 - i for i, word in enumerate(vectors)})
    rows = np.zeros((len(vocabulary), len(next(iter(vectors.values())))), dtype=np.float32)
    for word, vector in vectors.items():
        rows[vocabulary.index[word]] = vector
    return WordVectors(vocabulary, rows)


def in_words(words, *tests):
    task = Associations("test", tests)
    return found_in(task, vectors_of_words(task, words), repeats=200, seed=1)


def test_an_example_worked_by_hand():
    words = table({"x1": [1, 0], "x2": [3, 4], "y1": [0, 2], "y2": [8, 6], "a": [5, 0], "b": [0, 1], "a2": [2, 0]})
    (one,) = in_words(words, question("hand", ["x1", "x2"], ["y1", "y2"], ["a", "a2"], ["b", "nowhere"]))
    # With only one attribute left of two the set is too small.
    assert one.note == "skipped: 1 of 2 b have a vector, 2 are needed"
    assert math.isnan(one.effect)
    words = table({**dict(zip(("x1", "x2", "y1", "y2"), ([1, 0], [3, 4], [0, 2], [8, 6]), strict=True)),
                   "a": [5, 0], "a2": [2, 0], "b": [0, 1], "b2": [0, 3]})  # fmt: skip
    (one,) = in_words(words, question("hand", ["x1", "X2"], ["y1", "y2"], ["a", "a2"], ["b", "b2"]))
    # s is 1, -0.2, -1, 0.2: means 0.4 and -0.4, variance (1 + 0.04 + 1 + 0.04) / 3. Of the sums of two, 0.8 is
    # reached by {1, -0.2} itself and {1, 0.2}, two of six.
    assert one.effect == pytest.approx(0.8 / math.sqrt(2.08 / 3), rel=1e-6)
    assert one.p_value == pytest.approx(2 / 6)
    assert one.p_holm == one.p_value
    assert (one.targets, one.attributes, one.n_words, one.left_out) == (("x", "y"), ("a", "b"), 8, ())
    assert math.isnan(one.low)  # four words bear no interval


@given(samples)
def test_p_values_agree_with_exact_arithmetic(sample):
    first, second = ([Fraction(value, 7) for value in of] for of in sample)
    both = first + second
    sums = [sum(both[i] for i in chosen) for chosen in combinations(range(len(both)), len(first))]
    exact = Fraction(sum(one >= sum(first) for one in sums), len(sums))
    assert permutation_p_value(np.array(first, float), np.array(second, float), seed=1) == pytest.approx(float(exact))


@given(samples)
def test_swapping_the_targets_negates_the_effect_which_stays_in_its_range(sample):
    first, second = (np.array(of, float) for of in sample)
    effect = float(effect_size(first, second))
    if np.ptp(np.concatenate([first, second])) == 0:
        assert math.isnan(effect)
        return
    assert -2 <= effect <= 2
    assert float(effect_size(second, first)) == pytest.approx(-effect)
    assert float(effect_size(first, first[::-1])) == 0 or np.ptp(first) == 0
    assert permutation_p_value(first, second, seed=1) + permutation_p_value(second, first, seed=1) >= 1


def test_scipy_gives_the_same_p_values():
    from scipy.stats import permutation_test

    def difference(one, two, axis):
        return one.mean(axis=axis) - two.mean(axis=axis)

    rng = np.random.default_rng(0)
    exact = rng.normal(0.5, 1, 5), rng.normal(0, 1, 4)
    theirs = permutation_test(exact, difference, alternative="greater", vectorized=True, n_resamples=np.inf).pvalue
    assert permutation_p_value(*exact, seed=1) == pytest.approx(theirs)
    drawn = rng.normal(0.4, 1, 25), rng.normal(0, 1, 25)
    theirs = permutation_test(
        drawn, difference, alternative="greater", vectorized=True, n_resamples=4_000, rng=np.random.default_rng(2)
    ).pvalue
    assert permutation_p_value(*drawn, seed=1) == pytest.approx(theirs, abs=4 * math.sqrt(theirs / 4_000))
    far = np.arange(25.0) + 100, np.arange(25.0)
    assert permutation_p_value(*far, seed=1) == 1 / 10_001


def test_without_an_association_five_in_a_hundred_are_called_one():
    rng = np.random.default_rng(0)
    called = [permutation_p_value(*rng.normal(size=(2, 5)), seed=1) <= 0.05 for _ in range(400)]
    # 0.05 is met by 12 of 252 divisions, 0.048; three standard deviations above it.
    assert np.mean(called) <= 0.048 + 3 * math.sqrt(0.048 * 0.952 / 400)
    assert np.mean(called) > 0.01


@pytest.mark.slow
def test_intervals_hold_the_effect_of_the_whole_population():
    rng = np.random.default_rng(0)
    truth = float(effect_size(rng.normal(0.8, 1, 200_000), rng.normal(0, 1, 200_000)))
    held = 0
    for i in range(200):
        low, high = effect_interval(rng.normal(0.8, 1, 8), rng.normal(0, 1, 8), repeats=500, seed=i)
        held += low <= truth <= high
    assert 0.89 <= held / 200 <= 0.99


def test_a_planted_association_is_found_and_none_where_there_is_none(planted):
    sea, war = planted.words["sea"], planted.words["war"]
    words = planted.subject().words
    linked = question("linked", sea[:5], war[:5], sea[5:], war[5:])
    against = question("against", war[:5], sea[:5], sea[5:], war[5:])
    none = question("none", sea[:5], sea[5:], planted.words["law"], war)
    one, two, three = in_words(words, linked, against, none)
    assert one.effect > 1.7
    assert one.p_value == 1 / 252
    assert one.p_holm == 3 / 252
    assert 1.5 < one.low <= one.effect <= one.high <= 2
    assert (two.effect, two.p_value) == (pytest.approx(-one.effect), 1.0)
    assert three.low < 0 < three.high
    assert three.p_value > 0.05


def test_words_without_a_vector_are_named_and_a_list_that_lost_most_gives_no_figure(planted):
    sea, war = planted.words["sea"], planted.words["war"]
    words = planted.subject().words
    some = question("some", [*sea[:5], "Meer"], war[:5], sea[5:], [*war[5:], "Krieg"])
    most = question("most", ["Meer", "See", "Bucht", sea[0]], war[:5], sea[5:], ["Krieg", "Heer"])
    one, two = in_words(words, some, most)
    assert one.left_out == ("Meer", "Krieg")
    assert one.n_words == 20
    assert one.p_holm == one.p_value  # the other one has no p-value
    assert math.isnan(two.effect)
    assert two.note == "skipped: 1 of 4 x have a vector, 2 are needed; 0 of 2 b have a vector, 2 are needed"


def test_targets_that_are_all_alike_have_no_effect():
    words = table({name: [1, 1] for name in ("x1", "x2", "y1", "y2")} | {"a": [1, 0], "a2": [1, 0.1], "b": [0, 1]})
    (one,) = in_words(words, question("flat", ["x1", "x2"], ["y1", "y2"], ["a", "a2"], ["b", "x1"]))
    assert math.isnan(one.effect)
    assert one.note == "not defined: all targets are equally near to the attributes"


def test_rows_for_a_table(planted):
    sea, war = planted.words["sea"], planted.words["war"]
    test = question("own", [*sea[:5], "Meer"], war[:5], sea[5:], war[5:])
    rows = measure(planted.subject(encoder=None), Associations("own", [test]), MeasureSettings(bootstrap=100))
    (row,) = rows
    assert (row.task, row.metric, row.baseline, row.baseline_value) == ("own", "effect (x, y / a, b)", "chance", 0.0)
    assert (row.n, row.coverage) == (20, 20 / 21)
    assert row.note.endswith("left out for want of a vector: Meer")
    lost = [question(name, ["u", "v"], war[:5], sea[5:], war[5:]) for name in ("one", "two")]
    (row,) = association_rows(in_words(planted.subject().words, *lost))
    assert row.task == "2 association tests"
    assert row.note.startswith("skipped: one, two: ")
    (row,) = association_rows(in_words(planted.subject().words, lost[0]))
    assert (row.task, row.note) == ("one", "skipped: 0 of 2 x have a vector, 2 are needed")
    (row,) = measure(Subject(codec=planted.codec), Associations("own", [test]), MeasureSettings())
    assert row.note == "skipped: the bundle has no word vectors"


def test_an_encoder_is_given_each_word_as_a_text(planted):
    sea, war = planted.words["sea"], planted.words["war"]
    test = question("own", [*sea[:5], "Meer"], war[:5], sea[5:], war[5:])
    of_words, of_encoder = associations(Associations("own", [test]), planted.subject(), repeats=200, seed=1)
    assert (of_words.name, of_words.system) == ("own", "words")
    assert (of_encoder.name, of_encoder.system, of_encoder.left_out) == ("own, encoder", "encoder", ("Meer",))
    # The encoder of this language averages words: one word is its own vector.
    assert of_encoder.effect == pytest.approx(of_words.effect, abs=1e-5)

    rival = Rival(words=planted.subject().words, encoder=planted.subject().encoder)
    beside = associations(
        Associations("own", [test]), planted.subject(encoder=None, against={"old": rival}), repeats=200, seed=1
    )
    assert [(one.name, one.system) for one in beside] == [("own", "words"), ("own, old", "old")]
    assert beside[1].effect == of_words.effect

    class Blind:
        def encode(self, texts):
            return np.random.default_rng(0).standard_normal((len(texts), 40), dtype=np.float32)

    _, blind = associations(Associations("own", [test]), planted.subject(encoder=Blind()), repeats=200, seed=1)
    assert blind.left_out == ()
    assert blind.low < 0 < blind.high
    assert [row.system for row in association_rows([of_words, of_encoder])] == ["words", "encoder"]


def test_a_long_list_of_missing_words_is_cut_in_the_note():
    one = Association("t", ("x", "y"), ("a", "b"), 0.5, 0.1, 0.9, 0.04, 30, tuple(f"w{i}" for i in range(25)))
    (row,) = association_rows([one])
    assert row.note.endswith("left out for want of a vector: w0, w1, w2, w3, w4, w5, w6, w7 and 17 more")
    (few,) = association_rows([replace(one, left_out=one.left_out[:8])])
    assert few.note.endswith("w6, w7")

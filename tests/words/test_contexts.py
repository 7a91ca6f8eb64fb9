"""Contexts and example lines, against counts worked by hand and a plain loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.errors import BundleError
from embedpipe.text.vocabulary import EOS, UNK, Vocabulary
from embedpipe.words.contexts import count_contexts, discounted, pmi
from embedpipe.words.lines import LineSample, spelled

N_WORDS = 9


def corpus(*sentences: list[int]) -> np.ndarray:
    return np.array([i for sentence in sentences for i in [*sentence, EOS]], dtype=np.uint32)


def by_loop(sentences: list[list[int]], word: int, window: int) -> list[int]:
    counts = [0] * N_WORDS
    for sentence in sentences:
        for place, token in enumerate(sentence):
            if token == word:
                for other in range(max(0, place - window), min(len(sentence), place + window + 1)):
                    if other != place and sentence[other] > EOS:
                        counts[sentence[other]] += 1
    return counts


def test_counts_by_hand() -> None:
    text = corpus([4, 5, 6, 7], [8, 4], [UNK, 4, UNK, 5])
    found = count_contexts([text], [4, 7], 2, N_WORDS)
    assert found.counts[0].tolist() == [0, 0, 0, 0, 0, 2, 1, 0, 1]
    assert found.counts[1].tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 0]
    assert found.occurrences.tolist() == [3, 1]
    assert found.ids.tolist() == [4, 7]
    assert found.lines == ([], [])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([1, *range(4, N_WORDS)]), min_size=1, max_size=7), min_size=1, max_size=6),
    st.integers(1, 5),
    st.integers(0, 6),
)
def test_counts_equal_a_loop_wherever_pieces_are_cut(sentences, window, cut) -> None:
    pieces = [corpus(*part) for part in (sentences[:cut], sentences[cut:]) if part]
    found = count_contexts(pieces, [4, 6], window, N_WORDS, n_lines=2, seed=3)
    assert found.counts.tolist() == [by_loop(sentences, 4, window), by_loop(sentences, 6, window)]
    assert found.occurrences.tolist() == [sum(s.count(word) for s in sentences) for word in (4, 6)]
    whole = count_contexts([corpus(*sentences)], [4, 6], window, N_WORDS, n_lines=2, seed=3)
    for kind in (0, 1):
        shown = [(line.ids.tolist(), line.place) for line in found.lines[kind]]
        assert shown == [(line.ids.tolist(), line.place) for line in whole.lines[kind]]
        assert len(shown) == min(2, found.occurrences[kind])
        assert all(ids in sentences and ids[place] == (4, 6)[kind] for ids, place in shown)
    beside = found.counts[0, 6] > 0
    assert bool(found.together) == beside
    for line in found.together:
        near = line.ids[max(0, line.place - window) : line.place + window + 1]
        assert line.ids[line.place] == 4
        assert 6 in near


def test_an_id_of_another_vocabulary_is_refused() -> None:
    with pytest.raises(BundleError, match="holds the id 9, but the vocabulary ends at 8"):
        count_contexts([corpus([9])], [4], 1, N_WORDS)


def test_pmi_and_its_discount_by_hand() -> None:
    counts = np.array([[0, 1, 3], [4, 0, 0]])
    information = pmi(counts, np.array([0.5, 0.5, 0.0]))
    # 1 of 4 contexts where a half is expected: -1 bit; what the training text does not have says nothing.
    assert information.tolist() == [[0, -1, 0], [1, 0, 0]]
    strength = discounted(information, counts, np.array([9, 1]), np.array([3, 3, 0], dtype=np.uint64))
    np.testing.assert_allclose(strength, [[0, 0, 0], [4 / 5 * 1 / 2, 0, 0]])


def test_a_sample_of_lines_is_even() -> None:
    text = corpus(*[[i, 4] for i in range(5, 9)])
    drawn = []
    for seed in range(400):
        sample = LineSample(1, np.random.default_rng(seed))
        sample.offer(text, np.flatnonzero(text == 4))
        drawn += [int(line.ids[0]) for line in sample.lines()]
    counts = np.bincount(drawn, minlength=9)[5:]
    assert counts.sum() == 400
    assert counts.min() > 70  # 100 each expected, standard deviation 8.7


def test_a_line_is_spelled_around_its_word() -> None:
    vocabulary = Vocabulary.from_counts({"a": 4, "▁cat": 3, "sat": 2})
    sample = LineSample(3, np.random.default_rng(1))
    sample.offer(corpus([4, UNK, 5, 6]), np.array([2]))
    (line,) = sample.lines()
    assert spelled(line, vocabulary, "_".join) == ("a_<unk>", "cat", "sat")


def test_a_long_sentence_is_cut_around_the_word() -> None:
    sample = LineSample(1, np.random.default_rng(1))
    sample.offer(corpus([5] * 100 + [4] + [6] * 100), np.array([100]))
    (line,) = sample.lines()
    assert (line.place, len(line.ids), line.ids[40]) == (40, 81, 4)

"""Copies are found whatever was done to them, and nothing else is."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedpipe.probes.leaks.copies import CopyFinder, overlap
from embedpipe.probes.leaks.word_rows import jaccard, word_rows

SENTENCE = (
    "When the old harbour froze in the winter of that year, the fishermen mended their nets by the fire, "
    "and nobody in town remembered a colder January."
)


def members(text: str) -> set[object]:
    words = text.split()
    return {*words, *pairwise(words)}


def exact_jaccard(first: set[object], second: set[object]) -> float:
    both = len(first & second)
    return both / max(1, len(first) + len(second) - both)


def pairs(matches) -> set[tuple[int, int, bool]]:
    return set(zip(matches.known.tolist(), matches.other.tolist(), matches.exact.tolist(), strict=True))


@pytest.mark.parametrize(
    ("copy", "exact"),
    [
        (SENTENCE.upper().replace(",", " ;").replace(".", " …"), True),
        ("He began: " + SENTENCE + " Then he stopped.", True),
        (SENTENCE.replace("winter", "summer"), False),
        (SENTENCE.replace("fishermen mended", "fishermen slowly mended"), False),
        (
            "And nobody in town remembered a colder January, when the old harbour froze in the winter of that year, "
            "the fishermen mended their nets by the fire.",
            False,
        ),
    ],
    ids=["case and punctuation", "within a longer text", "one word", "a word more", "order of clauses"],
)
def test_a_planted_copy_is_found(copy: str, exact: bool) -> None:
    others = ["The fire was by the harbour.", copy, "In the winter of that year nobody remembered the town."]
    assert pairs(overlap([SENTENCE, "Something else altogether."], others)) == {(0, 1, exact)}


def test_what_differs_in_more_words_is_no_copy() -> None:
    changed = SENTENCE.replace("winter", "summer").replace("nets", "boats").replace("town", "church")
    assert exact_jaccard(members(SENTENCE), members(changed)) < 0.8
    assert len(overlap([SENTENCE], [changed]).known) == 0
    assert pairs(overlap([SENTENCE], [changed], 0.5)) == {(0, 0, False)}


def test_short_texts_match_as_wholes_alone() -> None:
    known = ["What is leukemia ?", "most new movies have a bright sheen ."]
    others = ["what is leukemia", "What is anaemia?", "Most new movies have a bright sheen, do they not? I think so."]
    assert pairs(overlap(known, others)) == {(0, 0, True)}


def test_characters_are_words_where_nothing_separates_them() -> None:
    text = "房间很干净，早餐也不错，离地铁站很近，下次还会来住。"
    assert pairs(overlap([text], [text.replace("。", "！").replace("，", " ")])) == {(0, 0, True)}
    assert pairs(overlap([text], [text.replace("近", "远")])) == {(0, 0, False)}
    assert not pairs(overlap([text], ["房间不干净，早餐也不好，离地铁站很远，下次不会来住。"]))


def test_the_spelling_of_the_penn_treebank_is_the_same_text() -> None:
    plain = "It isn't (quite) the best film, but they're trying and I'd see it again."
    treebank = "It is n't -LRB- quite -RRB- the best film , but they 're trying and I 'd see it again ."
    assert pairs(overlap([plain], [treebank])) == {(0, 0, True)}


def test_each_copy_of_a_repeated_text_is_reported_once() -> None:
    found = overlap(["a b c", "", "A b c!", "..."], ["x", "a, b, c", "a b c", ""])
    assert sorted(pairs(found)) == [(0, 1, True), (0, 2, True), (2, 1, True), (2, 2, True)]
    assert len(found.known) == 4


def test_a_text_may_begin_in_one_row_and_end_in_another_of_the_same_whole() -> None:
    rows = ["the first words of it", "stand before a full stop and go on", "after it the rest"]
    finder = CopyFinder(word_rows(["words of it stand before a full stop", "and go on after it the rest of it"]))
    assert not pairs(finder.find(word_rows(rows)))
    assert pairs(finder.find(word_rows(rows), np.array([2, 1]))) == {(0, 0, True)}
    again = CopyFinder(word_rows(["stop and go on after it the rest"]))
    assert not pairs(again.find(word_rows(rows), np.array([2, 1])))
    assert pairs(again.find(word_rows(rows), np.array([3]))) == {(0, 1, True)}


@given(st.lists(st.tuples(st.text("abc ", max_size=12), st.text("abc ", max_size=12)), max_size=6))
def test_the_similarity_is_that_of_sets(texts: list[tuple[str, str]]) -> None:
    first, second = [a for a, _ in texts], [b for _, b in texts]
    expected = [exact_jaccard(members(a), members(b)) for a, b in texts]
    assert jaccard(word_rows(first), word_rows(second)).tolist() == pytest.approx(expected)


def varied(rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Return texts and texts made of them, from hardly to quite changed, in words drawn as Zipf says."""
    weights = 1 / np.arange(1, 3_001)
    weights /= weights.sum()

    def draw(n: int) -> np.ndarray:
        return rng.choice(3_000, n, p=weights)

    known = [draw(rng.integers(4, 40)) for _ in range(300)]
    others = []
    for words in known:
        copy = words.copy()
        places = rng.permutation(len(copy))[: rng.integers(0, max(2, len(copy) // 5))]
        copy[places] = draw(len(places))
        others.append(copy)
    return tuple([" ".join(f"w{word}" for word in words) for words in side] for side in (known, others))


def test_near_copies_are_those_that_comparing_each_with_each_finds() -> None:
    known, others = varied(np.random.default_rng(0))
    sides = [list(map(members, side)) for side in (known, others)]
    similar = np.array([[exact_jaccard(a, b) for b in sides[1]] for a in sides[0]])
    expected = set(zip(*(side.tolist() for side in np.nonzero(similar >= 0.8)), strict=True))
    within = {(i, j) for i, j, exact in pairs(overlap(known, others)) if exact and known[i] != others[j]}
    found = {(i, j) for i, j, _ in pairs(overlap(known, others))} - within
    assert len(expected) > 100
    assert found <= expected
    assert len(found) >= 0.99 * len(expected)


def test_nothing_is_found_among_unrelated_texts() -> None:
    weights = 1 / np.arange(1, 3_001)
    draws = np.random.default_rng(1).choice(3_000, (2, 1_500, 12), p=weights / weights.sum())
    known, others = ([" ".join(f"w{word}" for word in words) for words in side.tolist()] for side in draws)
    assert not pairs(overlap(known, others))  # of 2,250,000 pairs


@pytest.mark.parametrize("threshold", [0, -1, 1.01])
def test_a_similarity_that_is_none_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        overlap(["a"], ["a"], threshold)

"""The search by spelling, against the comparison with every word."""

from difflib import SequenceMatcher

from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.text.spellings import Spellings


def compared_with_each(words: list[str], word: str) -> list[tuple[float, str]]:
    bigrams = {word[i : i + 2] for i in range(len(word) - 1)}
    found = []
    for place, other in enumerate(dict.fromkeys(words)):
        ratio = SequenceMatcher(None, other, word, autojunk=False).ratio()
        alike = len(word) < 3 or any(bigram in other for bigram in bigrams)
        if ratio >= 0.6 and abs(len(other) - len(word)) <= 3 and alike:
            found.append((-ratio, place, other))
    return [(-ratio, other) for ratio, _, other in sorted(found)]


few_letters = st.text(alphabet="abcé𝔘", max_size=9)


@settings(max_examples=150, deadline=None)
@given(words=st.lists(few_letters.filter(bool), max_size=30), word=few_letters, n=st.integers(1, 5))
def test_finds_what_a_comparison_with_every_word_finds(words, word, n) -> None:
    assert Spellings(words).near(word, n) == compared_with_each(words, word)[:n]


def test_ratios_by_hand_and_the_earlier_of_equals_first() -> None:
    # 2 M / T: "cart" and "card" share three of four letters with "care" in order, "race" shares two in a row and one.
    assert Spellings(["cart", "card", "dog"]).near("care") == [(0.75, "cart"), (0.75, "card")]
    assert Spellings(["card", "cart"]).near("care", n=1) == [(0.75, "card")]
    assert Spellings([]).near("care") == []

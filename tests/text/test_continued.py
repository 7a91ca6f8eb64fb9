"""A vocabulary that goes on with more text."""

from embedpipe.text.continued import continue_vocabulary
from embedpipe.text.vocabulary import UNK, Vocabulary


def test_no_word_of_the_earlier_text_is_lost_for_want_of_room() -> None:
    base = Vocabulary.from_counts({"the": 50, "cat": 2, "emu": 1})
    counted = Vocabulary.from_counts({"dog": 40, "yak": 30, "the": 10, "cow": 20})
    grown = continue_vocabulary(base, counted, grow=True, min_count=1, max_size=4)
    assert grown.tokens[4:] == ["the", "dog", "cat", "emu"]
    assert grown.counts[4:].tolist() == [60, 40, 2, 1]
    assert grown.counts[UNK] == 50
    full = continue_vocabulary(base, counted, grow=True, min_count=1, max_size=2)
    assert full.tokens[4:] == ["the", "cat", "emu"]

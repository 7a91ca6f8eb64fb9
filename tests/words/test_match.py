import numpy as np

from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.foreign import ForeignVectors
from embedpipe.words.match import match_vectors


def foreign(*tokens: str) -> ForeignVectors:
    return ForeignVectors(list(tokens), np.arange(1, len(tokens) + 1, dtype=np.float32)[:, None], "glove")


def test_as_it_is_then_in_lower_case_then_another_in_lower_case() -> None:
    vocabulary = Vocabulary([*SPECIALS, "US", "The", "paris", "unknown", "▁cat"], [0, 20, 0, 0, 40, 20, 10, 5, 5])
    vectors, known, coverage = match_vectors(foreign("PARIS", "Paris", "THE", "the", "us", "US", "cat"), vocabulary)
    assert vectors[:, 0].tolist() == [0, 0, 0, 0, 6, 4, 1, 0, 7]
    assert known.tolist() == [False] * 4 + [True, True, True, False, True]
    assert coverage == {
        "format": "glove",
        "rows": 7,
        "dim": 1,
        "words": 5,
        "known": 4,
        "by_other_case": 2,
        "share_of_types": 0.8,
        "share_of_tokens": 0.75,
    }


def test_specials_take_no_row() -> None:
    _, known, coverage = match_vectors(foreign("<unk>", "<pad>"), Vocabulary.from_counts({"x": 1}))
    assert not known.any()
    assert (coverage["share_of_types"], coverage["share_of_tokens"]) == (0, 0)

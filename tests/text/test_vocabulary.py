from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedpipe.errors import BundleError, ConfigError, UnknownWordError
from embedpipe.text.vocabulary import SPECIALS, UNK, Vocabulary

counts = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 20), max_size=12)


def test_most_frequent_first_ties_by_token_and_limits() -> None:
    vocabulary = Vocabulary.from_counts({"b": 3, "a": 3, "z": 9, "rare": 1, "c": 2}, min_count=2, max_size=3)
    assert vocabulary.tokens == [*SPECIALS, "z", "a", "b"]
    assert vocabulary.counts.tolist() == [0, 3, 0, 0, 9, 3, 3]


@given(counts)
def test_counts_add_up_whatever_is_kept(content: dict[str, int]) -> None:
    vocabulary = Vocabulary.from_counts(content, min_count=3)
    assert int(vocabulary.counts.sum()) == sum(content.values())
    assert vocabulary.probabilities.sum() == pytest.approx(1.0 if len(vocabulary) > 4 else 0.0)
    assert vocabulary.probabilities[:4].tolist() == [0, 0, 0, 0]


def test_a_token_that_spells_a_special_is_unknown() -> None:
    vocabulary = Vocabulary.from_counts({"<eos>": 7, "a": 1})
    assert vocabulary.tokens[4:] == ["a"]
    assert vocabulary.counts[UNK] == 7
    assert "<eos>" not in vocabulary


def test_policies_for_unknown_words() -> None:
    vocabulary = Vocabulary.from_counts({"king": 3, "queen": 2})
    assert vocabulary.ids(["queen", "x", "king"]).tolist() == [5, 1, 4]
    assert vocabulary.ids(["queen", "x", "king"], oov="skip").tolist() == [5, 4]
    assert vocabulary.ids(["queen"]).dtype == np.uint32
    with pytest.raises(UnknownWordError, match=r"'quen'.*queen"):
        vocabulary.ids(["quen"], oov="error")
    with pytest.raises(ConfigError, match="error, skip or unk"):
        vocabulary.ids([], oov="other")  # type: ignore[arg-type]


@given(counts)
def test_saved_and_read_back(tmp_path_factory: pytest.TempPathFactory, content: dict[str, int]) -> None:
    path = tmp_path_factory.mktemp("v") / "vocabulary.json"
    vocabulary = Vocabulary.from_counts(content)
    vocabulary.save(path)
    again = Vocabulary.load(path)
    assert again.tokens == vocabulary.tokens
    assert again.counts.tolist() == vocabulary.counts.tolist()
    assert "index" not in vars(again), "opening does not wait for the index"
    assert again.index == vocabulary.index


@pytest.mark.parametrize("content", ["{", "[]", '{"tokens": ["a"], "counts": [1]}', '{"tokens": []}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_text(content)
    with pytest.raises(BundleError, match=r"vocabulary\.json"):
        Vocabulary.load(path)


@pytest.mark.parametrize(
    ("tokens", "numbers"), [(["a"], [1]), ([*SPECIALS, "a"], [0] * 4), ([*SPECIALS, "a", "a"], [0] * 6)]
)
def test_broken_tables_are_refused(tokens: list[str], numbers: list[int]) -> None:
    with pytest.raises(ValueError):
        Vocabulary(tokens, numbers)

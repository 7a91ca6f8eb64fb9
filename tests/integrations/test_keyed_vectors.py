"""gensim's KeyedVectors, there and back."""

import numpy as np
import pytest
from gensim.models import KeyedVectors

from embedpipe.bundle.recorded import recorded_config
from embedpipe.errors import InputError
from embedpipe.integrations.gensim import from_keyed_vectors, to_keyed_vectors
from embedpipe.pipeline.imported import save_foreign
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.adopt import adopt
from embedpipe.words.foreign import ForeignVectors
from embedpipe.words.read_vectors import find_format
from embedpipe.words.table import WordVectors

WORDS = WordVectors(
    Vocabulary.from_counts({"naïve": 60, "the": 70, "cat": 5}),
    np.vstack([np.zeros((4, 2)), [[1, 2], [3, 4], [5, 6]]]).astype(np.float32),
)


class Opened:
    words = WORDS


@pytest.mark.parametrize("source", [WORDS, Opened()])
def test_keyed_vectors_carry_counts(source) -> None:
    keyed = to_keyed_vectors(source)
    assert keyed.get_vecattr("naïve", "count") == 60
    assert keyed.index_to_key == ["the", "naïve", "cat"]
    assert not np.shares_memory(keyed.vectors, WORDS.vectors)


def test_there_and_back_with_counts(tmp_path) -> None:
    foreign = from_keyed_vectors(to_keyed_vectors(WORDS))
    imported = save_foreign(foreign, tmp_path / "k.bundle", source="KeyedVectors")
    words = imported.bundle.words
    assert words.vocabulary.tokens == WORDS.vocabulary.tokens
    assert words.vocabulary.counts.tolist() == [0, 0, 0, 0, 70, 60, 5]
    assert np.array_equal(words.vectors, WORDS.vectors)
    assert recorded_config(imported.bundle.path / "config.toml").words.unseen == "spelling"  # as none are fitted
    assert not any("unknown" in note for note in imported.notes)


def test_words_come_by_falling_count_and_without_counts_in_their_order() -> None:
    vectors = np.array([[1], [2], [3]], dtype=np.float32)
    counts = np.array([5, 9, 5], dtype=np.uint64)
    adopted = adopt(ForeignVectors(["a", "b", "c"], vectors, "fasttext-bin", counts), "m")
    assert adopted.vocabulary.tokens[4:] == ["b", "a", "c"]
    assert adopted.vectors[4:, 0].tolist() == [2, 1, 3]
    np.testing.assert_allclose(adopted.probabilities[4:], [9 / 19, 5 / 19, 5 / 19])
    adopted = adopt(ForeignVectors(["a", "b", "c"], vectors, "glove"), "m")
    assert adopted.vocabulary.tokens[4:] == ["a", "b", "c"]
    np.testing.assert_allclose(adopted.probabilities[4:], [6 / 11, 3 / 11, 2 / 11])


def test_bad_entries_are_named() -> None:
    keyed = KeyedVectors(2)
    keyed.add_vectors(["a", "b"], [[1, 2], [3, np.nan]])
    with pytest.raises(InputError, match="KeyedVectors: entry 2: token 'b': a number is not finite"):
        from_keyed_vectors(keyed)
    keyed = KeyedVectors(2)
    keyed.add_vectors(["a", 7], [[1, 2], [3, 4]])
    with pytest.raises(InputError, match="entry 2: the key 7 is int"):
        from_keyed_vectors(keyed)


def test_gensims_own_files_are_refused_with_the_way_out(tmp_path) -> None:
    to_keyed_vectors(WORDS).save(str(tmp_path / "words.kv"))
    with pytest.raises(InputError, match=r"is a pickle.*save_word2vec_format"):
        find_format(tmp_path / "words.kv")

"""SIF sentence vectors: weights and averages by hand, independence of the batch, agreement with plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.bag import Bag, BagEncoder, fit_bag, plain_average, sif_weights
from embedpipe.words.postprocess import zipfian_whitening


def ids(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.uint32)


@pytest.fixture(scope="module")
def bag() -> Bag:
    rng = np.random.default_rng(2)
    vectors, weights = rng.normal(size=(40, 7)).astype(np.float32), rng.uniform(0.1, 1, 40).astype(np.float32)
    vectors[:4], weights[:4] = 0, 0
    return Bag(vectors, weights)


class SpaceCodec:
    """Splits at spaces: all that a bag needs of a codec."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def encode_flat(self, texts):
        ids = [self.vocabulary.ids(text.split()) for text in texts]
        return np.concatenate(ids), np.array(list(map(len, ids)))


def test_weights_by_hand() -> None:
    vocabulary = Vocabulary.from_counts({"the": 90, "cat": 9, "purrs": 1})
    weights = sif_weights(vocabulary.probabilities, 0.01)
    np.testing.assert_allclose(weights, [0, 0, 0, 0, 0.01 / 0.91, 0.01 / 0.10, 0.01 / 0.02], rtol=1e-6)
    assert weights.dtype == np.float32


def test_average_by_hand() -> None:
    vectors = np.array([[0, 0]] * 4 + [[1, 0], [0, 1]], dtype=np.float32)
    encoded = Bag(vectors, np.array([0, 0, 0, 0, 0.75, 0.5], dtype=np.float32)).encode_ids([ids(4, 5, 5, 1, 4)])
    # 2 x 0.75 along x, 2 x 0.5 along y; the unknown word counts for nothing.
    np.testing.assert_allclose(encoded, [[1.5 / np.hypot(1.5, 1), 1 / np.hypot(1.5, 1)]], rtol=1e-6)


def test_empty_and_unknown_give_zero_rows_wherever_they_stand(bag) -> None:
    rows = [ids(), ids(5), ids(), ids(1, 2), ids(6, 7), ids()]
    encoded = bag.encode_ids(rows)
    assert encoded.shape == (6, 7)
    assert encoded.dtype == np.float32
    assert encoded.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(encoded, axis=1), [0, 1, 0, 0, 1, 0], atol=1e-6)
    assert bag.encode_ids([]).shape == (0, 7)
    assert bag.encode_ids([ids(), ids()]).tolist() == [[0] * 7] * 2


def by_loop(bag: Bag, row) -> np.ndarray:
    total = np.zeros(bag.dim)
    for i in row:
        total += bag.vectors[i].astype(np.float64) * bag.weights[i]
    length = np.linalg.norm(total)
    return total / length if length else total


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 39), max_size=12), max_size=12), st.integers(1, 40))
def test_any_batch_equals_a_loop_over_its_words(batch, tokens_at_once) -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(40, 7)).astype(np.float32)
    vectors[:4] = 0
    small = Bag(vectors, sif_weights(np.full(40, 1 / 36), 0.01))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("embedpipe.words.bag._NUMBERS", tokens_at_once * 7)
        encoded = small.encode_ids([ids(*row) for row in batch])
    assert encoded.shape == (len(batch), 7)
    for found, row in zip(encoded, batch, strict=True):
        np.testing.assert_allclose(found, by_loop(small, row), atol=1e-5)


def test_a_row_does_not_depend_on_its_batch(bag) -> None:
    rng = np.random.default_rng(8)
    rows = [rng.integers(0, 40, size=rng.integers(0, 300)).astype(np.uint32) for _ in range(50)]
    together = bag.encode_ids(rows)
    alone = np.concatenate([bag.encode_ids([row]) for row in rows])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)


def test_fitted_bag_is_whitened_in_full_then_unit_rows_then_weighted() -> None:
    rng = np.random.default_rng(4)
    vocabulary = Vocabulary.from_counts({f"w{i}": 1000 // i for i in range(1, 60)})
    raw = rng.normal(size=(len(vocabulary), 5)).astype(np.float32)
    raw[:4] = 0
    fitted = fit_bag(raw, vocabulary.probabilities, 0.001)
    whitened = zipfian_whitening(raw, vocabulary.probabilities, exponent=1)
    np.testing.assert_allclose(np.linalg.norm(fitted.vectors[4:], axis=1), 1, atol=1e-6)
    cosines = (whitened[4:] * fitted.vectors[4:]).sum(axis=1) / np.linalg.norm(whitened[4:], axis=1)
    np.testing.assert_allclose(cosines, 1, atol=1e-6)
    assert np.array_equal(fitted.weights, sif_weights(vocabulary.probabilities, 0.001))
    assert not fitted.vectors[:4].any()


def test_plain_average_weighs_all_words_alike(bag) -> None:
    plain = plain_average(bag.vectors)
    mean = bag.vectors[[5, 9]].mean(axis=0)
    np.testing.assert_allclose(plain.encode_ids([ids(5, 9, 1)])[0], mean / np.linalg.norm(mean), atol=1e-6)


def test_a_read_only_table_is_left_as_it_is(bag) -> None:
    frozen = bag.vectors.copy()
    frozen.flags.writeable = False
    assert np.array_equal(Bag(frozen, bag.weights).encode_ids([ids(4, 5)]), bag.encode_ids([ids(4, 5)]))


def test_shapes_must_agree(bag) -> None:
    with pytest.raises(ValueError, match="do not go with"):
        Bag(bag.vectors, bag.weights[:-1])


def test_encoder_takes_texts(bag) -> None:
    vocabulary = Vocabulary.from_counts({f"w{i}": 99 - i for i in range(36)})
    encoder = BagEncoder(SpaceCodec(vocabulary), bag)
    encoded = encoder.encode(["w1 w2", "nothing known", ""])
    assert encoder.dim == 7
    np.testing.assert_allclose(encoded[0], by_loop(bag, [5, 6]), atol=1e-6)
    assert not encoded[1:].any()
    assert encoder.encode([]).shape == (0, 7)
    for wrong in ("w1 w2", b"w1"):
        with pytest.raises(TypeError, match="wrap it in a list"):
            encoder.encode(wrong)

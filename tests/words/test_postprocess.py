"""Centring and Zipfian whitening: moments under the unigram distribution, by hand and for random tables."""

import numpy as np
import pytest

from embedpipe.words.postprocess import zipfian_whitening


def zipf_table(n: int = 300, dim: int = 6, seed: int = 1):
    rng = np.random.default_rng(seed)
    vectors = (rng.normal(size=(n, dim)) @ rng.normal(size=(dim, dim)) + rng.normal(size=dim)).astype(np.float32)
    probabilities = 1 / np.arange(1, n + 1)
    probabilities[:4] = 0
    return vectors, probabilities / probabilities.sum()


def moments(vectors, probabilities):
    mean = probabilities @ vectors.astype(np.float64)
    centred = vectors - mean
    return mean, (centred * probabilities[:, None]).T @ centred


def test_centring_uses_the_unigram_distribution_not_the_types() -> None:
    vectors = np.array([[9, 9], [1, 0], [5, 4]], dtype=np.float32)
    result = zipfian_whitening(vectors, np.array([0, 0.75, 0.25]), exponent=0)
    assert result.tolist() == [[0, 0], [-1, -1], [3, 3]]  # mean (2, 1); a row of probability 0 is a zero row
    assert result.dtype == np.float32
    assert vectors[0].tolist() == [9, 9]


def test_full_whitening_gives_mean_zero_and_covariance_identity() -> None:
    vectors, probabilities = zipf_table()
    mean, covariance = moments(zipfian_whitening(vectors, probabilities), probabilities)
    np.testing.assert_allclose(mean, 0, atol=1e-5)
    np.testing.assert_allclose(covariance, np.eye(6), atol=1e-5)


@pytest.mark.parametrize("exponent", [0.0, 0.25, 0.5, 1.0])
def test_the_exponent_scales_the_spectrum(exponent) -> None:
    vectors, probabilities = zipf_table()
    before = np.linalg.eigvalsh(moments(vectors, probabilities)[1])
    after = np.linalg.eigvalsh(moments(zipfian_whitening(vectors, probabilities, exponent=exponent), probabilities)[1])
    np.testing.assert_allclose(after, before ** (1 - exponent), rtol=1e-4)


def test_exponent_zero_is_centring() -> None:
    vectors, probabilities = zipf_table()
    expected = vectors - probabilities @ vectors.astype(np.float64)
    np.testing.assert_allclose(zipfian_whitening(vectors, probabilities, exponent=0)[4:], expected[4:], atol=1e-6)


def test_whitening_in_part_and_then_in_full_is_whitening_in_full() -> None:
    vectors, probabilities = zipf_table()
    half = zipfian_whitening(vectors, probabilities, exponent=0.5)
    whole = zipfian_whitening(vectors, probabilities)
    np.testing.assert_allclose(zipfian_whitening(half, probabilities), whole, atol=1e-4)


def test_a_known_transform() -> None:
    # Points (+-2, 0) and (0, +-1), equally likely: variances 2 and 1/2, so rows become (+-sqrt 2, 0), (0, +-sqrt 2).
    vectors = np.array([[2, 0], [-2, 0], [0, 1], [0, -1]], dtype=np.float32)
    result = zipfian_whitening(vectors, np.full(4, 0.25))
    np.testing.assert_allclose(result, np.sqrt(2) * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]), atol=1e-6)


def test_it_turns_with_the_axes() -> None:
    vectors, probabilities = zipf_table()
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(6, 6)))
    turned = zipfian_whitening((vectors @ turn).astype(np.float32), probabilities, exponent=0.5)
    expected = zipfian_whitening(vectors, probabilities, exponent=0.5) @ turn
    np.testing.assert_allclose(turned, expected, atol=2e-4)


def test_fewer_words_than_dimensions_stays_finite() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(8, 50)).astype(np.float32)
    probabilities = np.array([0, 0, 0, 0, 0.4, 0.3, 0.2, 0.1])
    result = zipfian_whitening(vectors, probabilities)
    assert np.isfinite(result).all()
    eigenvalues = np.linalg.eigvalsh(moments(result, probabilities)[1])
    np.testing.assert_allclose(eigenvalues[-3:], 1, atol=1e-4)  # four points span three directions
    np.testing.assert_allclose(eigenvalues[:-3], 0, atol=1e-4)
    assert np.abs(result).max() < 10


def test_identical_words_give_zero_rows() -> None:
    vectors = np.tile(np.array([[0.1, 0.7]], dtype=np.float32), (4, 1))
    assert np.abs(zipfian_whitening(vectors, np.full(4, 0.25))).max() < 1e-6


def test_many_blocks_equal_one(monkeypatch) -> None:
    vectors, probabilities = zipf_table(1000)
    whole = zipfian_whitening(vectors, probabilities)
    monkeypatch.setattr("embedpipe.words.postprocess._ROWS", 64)
    np.testing.assert_allclose(zipfian_whitening(vectors, probabilities), whole, atol=1e-5)


def test_wrong_arguments() -> None:
    vectors, probabilities = zipf_table()
    with pytest.raises(ValueError, match="do not go with"):
        zipfian_whitening(vectors, probabilities[:-1])
    with pytest.raises(ValueError, match="between 0 and 1"):
        zipfian_whitening(vectors, probabilities, exponent=1.5)
    with pytest.raises(ValueError, match="zero"):
        zipfian_whitening(vectors, np.zeros(len(vectors)))

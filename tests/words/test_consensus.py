"""Trainings that are aligned, averaged and compared."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from embedpipe.words.consensus import alignment, consensus_rotations, neighbour_overlap
from embedpipe.words.postprocess import unit_rows


def rotation(dim: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]


def test_a_planted_rotation_is_found_and_scipy_agrees() -> None:
    rng = np.random.default_rng(0)
    onto = rng.standard_normal((300, 8)).astype(np.float32)
    planted = rotation(8, 1)
    turned = (onto @ planted.T + 0.01 * rng.standard_normal((300, 8))).astype(np.float32)
    found = alignment(turned, onto, np.ones(300))
    np.testing.assert_allclose(found, planted, atol=0.01)
    np.testing.assert_allclose(found, orthogonal_procrustes(turned.astype(float), onto.astype(float))[0], atol=1e-6)


def test_weights_say_which_words_the_alignment_follows() -> None:
    onto = np.vstack([np.eye(2), -np.eye(2)]).astype(np.float32)
    turned = np.vstack([np.eye(2), np.eye(2)]).astype(np.float32)
    np.testing.assert_allclose(alignment(turned, onto, np.array([1.0, 1, 0, 0])), np.eye(2), atol=1e-7)
    np.testing.assert_allclose(alignment(turned, onto, np.array([0.0, 0, 1, 1])), -np.eye(2), atol=1e-7)


def test_the_mean_of_aligned_noisy_runs_is_nearer_to_the_truth_than_each() -> None:
    rng = np.random.default_rng(2)
    truth = rng.standard_normal((400, 10))
    runs = [
        ((truth + 0.5 * rng.standard_normal(truth.shape)) @ rotation(10, seed)).astype(np.float32) for seed in range(4)
    ]
    rotations = consensus_rotations(runs, np.ones(400))
    mean = sum(run @ r for run, r in zip(runs, rotations, strict=True)) / 4
    errors = [
        np.linalg.norm(x @ alignment(x.astype(np.float32), truth.astype(np.float32), np.ones(400)) - truth)
        for x in (mean, *runs)
    ]
    assert errors[0] < 0.6 * min(errors[1:])
    for r in rotations:
        np.testing.assert_allclose(r @ r.T, np.eye(10), atol=1e-8)


def test_overlap_does_not_depend_on_rotation_and_falls_with_noise() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((200, 12)).astype(np.float32)
    turned = (vectors @ rotation(12, 4)).astype(np.float32)
    assert neighbour_overlap([vectors, turned]).min() >= 0.9
    noise = rng.standard_normal(vectors.shape).astype(np.float32)
    half, much = (neighbour_overlap([vectors, vectors + s * noise]).mean() for s in (0.3, 3.0))
    assert 0.9 > half > 0.4 > 0.2 > much


def test_overlap_agrees_with_a_plain_count_over_all_pairs_of_runs() -> None:
    rng = np.random.default_rng(5)
    runs = [rng.standard_normal((60, 4)).astype(np.float32) for _ in range(3)]
    k, first, candidates = 5, 4, 40

    def near(run: np.ndarray, word: int) -> set[int]:
        unit = unit_rows(run)
        order = np.argsort(-(unit @ unit[word]))
        return set([i for i in order if first <= i < first + candidates and i != word][:k])

    found = neighbour_overlap(runs, k, first=first, candidates=candidates)
    for word in range(first, 60):
        sets = [near(run, word) for run in runs]
        shares = [len(sets[a] & sets[b]) / k for a, b in ((0, 1), (0, 2), (1, 2))]
        assert found[word] == pytest.approx(np.mean(shares))
    assert not found[:first].any()


def test_one_run_has_no_stability() -> None:
    with pytest.raises(ValueError, match="two or more"):
        neighbour_overlap([np.ones((5, 2), dtype=np.float32)])

"""Confidence learnt by leaving words out, against scikit-learn and planted truth."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.calibration import Calibration, calibrate, fit_logistic, spelling_features
from embedpipe.words.subword import Subwords, mean_rows, ngram_rows
from embedpipe.words.table import WordVectors


def test_the_fit_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(300, 2)) * [3, 0.1] + [5, -1]
    hits = rng.random(300) < 1 / (1 + np.exp(-(features[:, 0] - 5)))
    n = int(hits.sum())
    target = np.where(hits, (n + 1) / (n + 2), 1 / (300 - n + 2))
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    other = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000)
    other.fit(np.tile(scaled, (2, 1)), np.repeat([1, 0], 300), np.concatenate([target, 1 - target]))
    intercept, *slopes = fit_logistic(features, hits)
    np.testing.assert_allclose(slopes * features.std(axis=0), other.coef_[0], rtol=1e-4)
    np.testing.assert_allclose(intercept + features @ slopes, other.decision_function(scaled), atol=1e-3)


def test_features_that_part_hits_from_misses_have_a_fit_too() -> None:
    """A whole step of Newton's method ends, from here, where the curvature is zero."""
    features = np.concatenate([np.linspace(0, 1, 3), np.linspace(50, 51, 800)])[:, None]
    hits = features[:, 0] > 10
    intercept, slope = fit_logistic(features, hits, ridge=1e-3)
    p = 1 / (1 + np.exp(-(features[:, 0] * slope + intercept)))
    target = np.where(hits, 801 / 802, 1 / 5)
    assert p[hits].min() > 0.99
    assert p[~hits].max() < 0.3
    assert (p - target).sum() == pytest.approx(0, abs=1e-6)  # where the gradient by the intercept is zero


@pytest.mark.parametrize("hit", [True, False])
def test_hits_alone_are_not_certainty(hit) -> None:
    intercept, *slopes = fit_logistic(np.arange(98.0).reshape(49, 2), np.full(49, hit))
    p = Calibration({"spelling": (intercept, *slopes)}).confidence("spelling", [[40.0, 41.0]])
    assert p == pytest.approx(50 / 51 if hit else 1 / 51)


def stems(n_stems: int, endings: tuple[str, ...]) -> list[str]:
    """Words of random letters, each in several endings."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    drawn = np.random.default_rng(0).choice(letters, (n_stems, 8))
    return ["".join(stem) + ending for stem in drawn for ending in endings]


def planted(words: list[str], vectors: np.ndarray) -> WordVectors:
    vocabulary = Vocabulary([*SPECIALS, *words], [0] * 4 + [3] * len(words))
    return WordVectors(vocabulary, np.vstack([np.zeros((4, vectors.shape[1])), vectors]).astype(np.float32))


def test_spellings_that_mean_the_same_are_trusted_and_others_are_not() -> None:
    words, rng = stems(120, ("", "s")), np.random.default_rng(1)
    alike = np.repeat(rng.normal(size=(120, 16)), 2, axis=0)
    good, bad = calibrate(planted(words, alike)), calibrate(planted(words, rng.normal(size=(240, 16))))
    features = spelling_features([16 / 17], [8])
    assert set(good.weights) == {"spelling"}
    assert good.confidence("spelling", features) > 0.95
    assert bad.confidence("spelling", features) < 0.15
    assert calibrate(planted(words, alike), sample=100, seed=4) == calibrate(planted(words, alike), sample=100, seed=4)


def test_words_made_of_shared_ngrams_are_trusted_and_their_own_ngrams_play_no_part() -> None:
    # Half of the words share a stem and an ending, each with another word; of the others, which stand alone, nothing is
    # left without their own n-grams.
    rng = np.random.default_rng(3)
    words = [*stems(100, ("iness", "able")), *(word[::-1] for word in stems(200, ("oqo",)))]
    table = rng.normal(size=(200_000, 16)).astype(np.float32)
    vectors = mean_rows(table, ngram_rows(words, 3, 6, len(table)))
    calibration = calibrate(planted(words, vectors), Subwords(table, 3, 6))
    assert set(calibration.weights) == {"subwords"}
    assert calibration.confidence("subwords", [[0.8, np.log(35)]]) > 0.9
    assert calibration.confidence("subwords", [[0.05, np.log(2)]]) < 0.5


def test_words_that_share_all_but_their_last_letter_are_as_near_to_what_is_left_of_both() -> None:
    rng = np.random.default_rng(3)
    words = [*stems(100, ("a", "e")), *(word[::-1] for word in stems(200, ("oqo",)))]
    table = rng.normal(size=(200_000, 16)).astype(np.float32)
    vectors = mean_rows(table, ngram_rows(words, 3, 6, len(table)))
    calibration = calibrate(planted(words, vectors), Subwords(table, 3, 6))
    assert 0.35 < calibration.confidence("subwords", [[0.6, np.log(20)]]) < 0.65


def test_too_few_words_give_no_confidence() -> None:
    assert calibrate(planted(["ab", "cd"], np.eye(2))) == Calibration({})
    assert calibrate(planted([], np.zeros((0, 2)))) == Calibration({})


def test_json_there_and_back() -> None:
    calibration = Calibration({"subwords": (0.1, -2.0, 3.5)})
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


@pytest.mark.parametrize(
    "content",
    [[], {"context": [1, 2, 3]}, {"subwords": [1, 2]}, {"spelling": [1, 2, "x"]}, {"spelling": [1, 2, float("nan")]}],
)
def test_other_json_is_refused(content) -> None:
    with pytest.raises(ValueError, match="expected"):
        Calibration.from_json(content)

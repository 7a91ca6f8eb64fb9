"""How far the vector made for an unknown word can be trusted, learnt from words that are known.

The confidence is the estimated probability that, had training met the word, it would be among the ten nearest words of
the vector that was made for it. To estimate it, words of the vocabulary, rare ones above all, are left out one
at a time: a vector is made for each as if it were unknown, and its own published vector is looked for. No second
training is needed, but n-grams were trained on the word left out too: to be the very nearest word of their mean is
about as hard for it as to be one of ten for a word that training never met, and that is what is counted
(``docs/experiments/oov.md`` compares with a second training). Where n-grams were fitted to trained vectors, the words
left out are left out of the fit as well, and counted as they will be met: among the ten nearest. The vectors are those
of training, to which no step has added what n-grams say, for of these n-grams would be found by themselves. A logistic
model on two features of the word (regression targets after Platt, 1999, "Probabilistic Outputs for Support Vector
Machines") gives the probability.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.subword import HASHES, NgramRows, Subwords, mean_rows, ngram_rows
from embedpipe.words.table import WordVectors

__all__ = [
    "LEAST_KNOWN",
    "NEAR_ENOUGH",
    "Calibration",
    "Guess",
    "calibrate",
    "calibrate_fitted",
    "fit_logistic",
    "rare_words",
    "spelling_features",
    "subword_features",
]

Guess = Literal["subwords", "spelling"]
"""Where the vector of a word that is not in the vocabulary comes from."""
NEAR_ENOUGH = 0.75
"""Spelling ratio below which another word's vector is no answer: with Word2Vec, it found none of 83 removed words."""
LEAST_KNOWN = 0.25
"""Share of a string's n-grams below which fitted ones say nothing of it (docs/words.md)."""
_PLACES, _TRAINED_PLACES = 10, 1
"""Among how many nearest words a word that was left out counts as found; the same, by n-grams that it trained too."""
_LEAST_WORDS = 20
"""Fewer words left out say nothing."""
_SMALL = 1e-10
"""A step of the fit that changes nothing."""


@dataclass(frozen=True)
class Calibration:
    """The logistic models of a bundle: intercept and one weight per feature, for each way to make a vector.

    Examples
    --------
    >>> calibration = Calibration({"spelling": (-9.0, 10.0, 0.0)})
    >>> calibration.confidence("spelling", spelling_features([0.9], [6])), calibration.confidence("subwords", [[1, 2]])
    (0.5, None)
    """

    weights: Mapping[Guess, tuple[float, ...]]

    def confidence(self, guess: Guess, features: NDArray[np.float64] | list[list[float]]) -> float | None:
        """Return the confidence in [0, 1] for `features` of shape (1, 2); None where `guess` was not calibrated."""
        if guess not in self.weights:
            return None
        intercept, *slopes = self.weights[guess]
        return float(_logistic(np.asarray(features) @ np.array(slopes) + intercept)[0])

    def to_json(self) -> dict[str, list[float]]:
        """Return the weights as JSON: a list of numbers for each way that was calibrated."""
        return {guess: list(weights) for guess, weights in self.weights.items()}

    @classmethod
    def from_json(cls, content: Any) -> "Calibration":
        """Return what `to_json` gave; raise ValueError for anything else."""
        if not isinstance(content, dict):
            raise ValueError(f"expected an object with lists of numbers, not {content!r}")
        for guess, weights in content.items():
            numbers = isinstance(weights, list) and all(
                isinstance(w, int | float) and np.isfinite(w) and not isinstance(w, bool) for w in weights
            )
            if guess not in ("subwords", "spelling") or not numbers or len(weights) != 3:
                raise ValueError(f"expected 3 finite numbers for 'subwords' or 'spelling', not {guess!r}: {weights!r}")
        return cls({guess: tuple(map(float, weights)) for guess, weights in content.items()})


def subword_features(ngrams: NgramRows, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share and the logarithm of the number of n-grams that are `kept`, float64 of shape (n_words, 2)."""
    known = np.diff(ngrams.keep(kept).offsets)
    return np.column_stack([known / np.maximum(np.diff(ngrams.offsets), 1), np.log1p(known)])


def spelling_features(ratios: list[float], lengths: list[int]) -> NDArray[np.float64]:
    """Return the spelling ratio and the logarithm of the word's length, float64 of shape (n_words, 2)."""
    return np.column_stack([ratios, np.log(lengths)])


def calibrate(words: WordVectors, subwords: Subwords | None = None, *, sample: int = 500, seed: int = 0) -> Calibration:
    """Return the calibration of a bundle: of its n-grams where they were trained, else of the nearest spelling.

    Parameters
    ----------
    words : the vectors, without what a step may have added of n-grams.
    subwords : the published n-gram table, if one was trained with the words.
    sample : words left out, drawn with a probability that falls with their count: unknown words are rare ones.
    seed : of that draw.

    Returns
    -------
    Calibration
        Empty where fewer than twenty words of the sample could be made a vector, and of spellings where tokens are
        pieces of words.
    """
    left_out = rare_words(words, sample, seed)
    if subwords is None:
        return Calibration(_of_spelling(words, left_out))
    made, features = _by_subwords(words, subwords, left_out)
    return Calibration(_model("subwords", words, left_out, made, features, _TRAINED_PLACES))


def calibrate_fitted(words: WordVectors, subwords: Subwords, left_out: NDArray[np.int64]) -> Calibration:
    """Return the calibration of n-grams that were fitted to `words` without some of them, and of spellings.

    Parameters
    ----------
    words : the vectors, without what a step may have added of n-grams.
    subwords : fitted to them.
    left_out : ids of the words that the fit did not meet. Those whose n-grams would not answer are not counted.

    Returns
    -------
    Calibration
        Without n-grams, or spellings, where they give a vector to fewer than twenty of the words.
    """
    ngrams = subwords.ngrams([words.vocabulary.tokens[i] for i in left_out])
    known = subwords.known(ngrams)
    made, features = subwords.mean(ngrams.keep(known)), subword_features(ngrams, known)
    answered = made.any(axis=1) & (features[:, 0] >= LEAST_KNOWN)
    of_ngrams = _model("subwords", words, left_out[answered], made[answered], features[answered], _PLACES)
    return Calibration({**of_ngrams, **_of_spelling(words, left_out)})


def _of_spelling(words: WordVectors, left_out: NDArray[np.int64]) -> dict[Guess, tuple[float, ...]]:
    if words.vocabulary.holds_pieces:
        return {}
    ids, made, features = _by_spelling(words, left_out)
    return _model("spelling", words, ids, made, features, _PLACES)


def _model(
    guess: Guess,
    words: WordVectors,
    ids: NDArray[np.int64],
    made: NDArray[np.float32],
    features: NDArray[np.float64],
    places: int,
) -> dict[Guess, tuple[float, ...]]:
    """Return the logistic model of whether the words `ids` are among the nearest of the vectors made for them."""
    if len(ids) < _LEAST_WORDS:
        return {}
    nearest, _ = words.most_similar_ids(made, places)
    return {guess: fit_logistic(features, (nearest == ids[:, None]).any(axis=1))}


def fit_logistic(features: NDArray[np.float64], hits: NDArray[np.bool_], ridge: float = 1.0) -> tuple[float, ...]:
    """Return the intercept and weights of a logistic regression, by Newton's method with halved steps.

    Parameters
    ----------
    features : float64 array of shape (n, n_features); standardised inside, the result is for them as they are.
    hits : bool array of shape (n,). Platt's targets stand for true and false, so that hits alone do not mean certainty.
    ridge : penalty on the squares of the standardised weights, none on the intercept.

    Examples
    --------
    >>> intercept, weight = fit_logistic(np.array([[1.0], [1.0], [3.0], [3.0]]), np.array([False, True, True, False]))
    >>> abs(intercept) < 1e-9, abs(weight) < 1e-9
    (True, True)
    """
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale[scale == 0] = 1.0
    design = np.column_stack([np.ones(len(features)), (features - mean) / scale])
    n_hits = int(hits.sum())
    target = np.where(hits, (n_hits + 1) / (n_hits + 2), 1 / (len(hits) - n_hits + 2))
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 0.0
    weights = np.zeros(design.shape[1])
    weights[0] = np.log(target.mean() / (1 - target.mean()))
    cost = _cost(design, target, penalty, weights)
    for _ in range(50):
        p = _logistic(design @ weights)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(hessian, design.T @ (target - p) - penalty * weights)
        # Where the features part hits from misses, a whole step leaps to where the curvature is zero.
        while (after := _cost(design, target, penalty, weights + step)) > cost and np.abs(step).max() > _SMALL:
            step /= 2
        weights, cost = weights + step, after
        if np.abs(step).max() <= _SMALL:
            break
    slopes = weights[1:] / scale
    return (float(weights[0] - slopes @ mean), *slopes.tolist())


def rare_words(words: WordVectors, sample: int, seed: int) -> NDArray[np.int64]:
    """Return ids of up to `sample` words that have a vector, drawn with probability in proportion to 1 / count.

    Returns
    -------
    int64 array, rising.
    """
    ids = np.flatnonzero(words.inverse_norms > 0)
    ids = ids[ids >= len(SPECIALS)]
    if len(ids) <= sample:
        return ids
    weights = 1.0 / np.maximum(words.vocabulary.counts[ids].astype(np.float64), 1.0)
    return np.sort(np.random.default_rng(seed).choice(ids, sample, replace=False, p=weights / weights.sum()))


def _by_subwords(
    words: WordVectors, subwords: Subwords, left_out: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return vectors and features of words made of those of their n-grams that another word would have trained too."""
    tokens, lengths = words.vocabulary.tokens, (subwords.shortest, subwords.longest)
    asked = [tokens[i] for i in left_out]
    ngrams = subwords.ngrams(asked)
    # By their whole hashes, as two n-grams in one row are not the same one.
    distinct, place = np.unique(ngram_rows(asked, *lengths, HASHES).rows, return_inverse=True)
    everywhere = ngram_rows(tokens[len(SPECIALS) :], *lengths, HASHES)
    everywhere = everywhere.keep(np.isin(everywhere.rows, distinct))
    n = max(len(distinct), 1)
    pairs = np.sort(everywhere.words * n + np.searchsorted(distinct, everywhere.rows))
    once = pairs[np.diff(pairs, prepend=-1) > 0]
    shared = np.bincount(once % n, minlength=n)[place] > 1
    return mean_rows(subwords.vectors, ngrams.keep(shared)), subword_features(ngrams, shared)


def _by_spelling(
    words: WordVectors, left_out: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64]]:
    """Return the ids that have another spelling near enough, its vectors, and the features of the pairs."""
    found = []
    for i in left_out.tolist():
        word = words.vocabulary.word(i)
        others = [pair for pair in words.vocabulary.spellings.near(word, 2, NEAR_ENOUGH) if pair[1] != word][:1]
        found += [(i, ratio, len(word), words.id(other)) for ratio, other in others]
    if not found:
        return np.zeros(0, dtype=np.int64), np.zeros((0, words.dim), dtype=np.float32), np.zeros((0, 2))
    ids, ratios, lengths, others_ids = map(list, zip(*found, strict=True))
    return np.array(ids), words.vectors[others_ids], spelling_features(ratios, lengths)


def _cost(
    design: NDArray[np.float64], target: NDArray[np.float64], penalty: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:
    scores = design @ weights
    return float((np.logaddexp(0.0, scores) - target * scores).sum() + 0.5 * penalty @ weights**2)


def _logistic(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0.0, -scores))

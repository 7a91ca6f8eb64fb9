"""What word vectors take to belong together: the Word Embedding Association Test (WEAT; Caliskan et al., 2017).

The association s(w) of a target word is its mean cosine with the first attributes less that with the second. The effect
is the mean of s over the first targets less that over the second, in standard deviations of s over both (divisor n - 1,
as May et al., 2019, take it). The p-value is the share of all ways to divide the targets into two sets of these sizes
that give a difference at least as large: one-sided, exact where the ways can be counted.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Encoder, Subject, Words
from embedpipe.probes.findings import Association
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.statistics import holm
from embedpipe.probes.words.word_lookup import find_words, unit_length
from embedpipe.tasks.associations import Associations, AssociationTest

__all__ = [
    "association_rows",
    "associations",
    "effect_interval",
    "effect_size",
    "found_in",
    "permutation_p_value",
    "vectors_of_texts",
    "vectors_of_words",
]

_MOST_DIVISIONS = 20_000
"""Ways to divide the targets that are all counted: two sets of 8 words have 12,870."""
_DRAWN = 10_000
_SHOWN = 8
"""Of the words without a vector, so many stand in the note of a row."""
_MIN_WORDS = 2
_MIN_SHARE = 0.5
_MIN_FOR_INTERVAL = 10
_TIE = 1e-9
Array = NDArray[np.float64]


def associations(task: Associations, subject: Subject, *, repeats: int, seed: int) -> list[Association]:
    """Return what is found on each test: for the word vectors, the encoder, and the word vectors of rivals.

    The encoder is given each word as a text of its own (as May et al., 2019, give it sentences that say nothing else,
    but in any language); the names of its tests end in ``, encoder``, those of a rival in its name.

    Parameters
    ----------
    task : the tests.
    subject : what is probed; a word is looked up as it is written, then in lower case.
    repeats : bootstrap resamples of the targets for the interval.
    seed : of resampling.
    """
    found = []
    if subject.words is not None:
        found += found_in(task, vectors_of_words(task, subject.words), repeats=repeats, seed=seed)
    if subject.encoder is not None:
        of_encoder = found_in(task, vectors_of_texts(task, subject.encoder), repeats=repeats, seed=seed)
        found += [replace(one, name=f"{one.name}, encoder", system="encoder") for one in of_encoder]
    for rival, words in subject.rival_words().items():
        of_rival = found_in(task, vectors_of_words(task, words), repeats=repeats, seed=seed)
        found += [replace(one, name=f"{one.name}, {rival}", system=rival) for one in of_rival]
    return found


def found_in(
    task: Associations, vectors: Mapping[str, NDArray[np.float32]], *, repeats: int, seed: int
) -> list[Association]:
    """Return what is found on each test, p-values corrected for the number of tests that have one (Holm, 1979).

    A test has a figure where each of its four sets keeps half of its words, and two at least: lists of English say
    nothing about vectors of another language, and a list that lost most of its words is another list.

    Parameters
    ----------
    task : the tests.
    vectors : float32 of shape (dim,), not zero, by word; words that are missing are left out and named.
    repeats : bootstrap resamples of the targets for the interval.
    seed : of resampling.
    """
    found = [_association(test, vectors, repeats, seed) for test in task.tests]
    corrected = holm([one.p_value for one in found])
    return [replace(one, p_holm=p_holm) for one, p_holm in zip(found, corrected, strict=True)]


def vectors_of_words(task: Associations, words: Words) -> dict[str, NDArray[np.float32]]:
    """Return the vectors of the words of all tests that have one, float32 of shape (dim,) by word."""
    asked = _words(task)
    rows = find_words(words, asked).tolist()
    return {word: np.asarray(words.vectors[i]) for word, i in zip(asked, rows, strict=True) if i >= 0}


def vectors_of_texts(task: Associations, encoder: Encoder) -> dict[str, NDArray[np.float32]]:
    """Return the vectors of the words of all tests as texts, float32 of shape (dim,) by word, zero rows left out."""
    words = _words(task)
    vectors = encoder.encode(words)
    return {word: vector for word, vector in zip(words, vectors, strict=True) if vector.any()}


def association_rows(found: Sequence[Association]) -> list[Row]:
    """Return associations as rows of a table: the effect beside none, which is what chance gives.

    Parameters
    ----------
    found : as `associations` gives them. `Row.n` is the number of words with a vector, `Row.coverage` their share.
        Several without a figure are one row.
    """
    measured = [one for one in found if math.isfinite(one.effect)]
    missing = [one for one in found if not math.isfinite(one.effect)]
    rows = [_row(one) for one in measured]
    if len(missing) > 1:
        names = ", ".join(one.name for one in missing)
        reason = f"{names}: of one of their sets fewer than half of the words have a vector"
        rows.append(skipped(f"{len(missing)} association tests", "effect", reason))
    elif missing:
        rows.append(skipped(missing[0].name, "effect", missing[0].note.removeprefix("skipped: ")))
    return rows


def _row(one: Association) -> Row:
    note = (
        f"an effect above 0 would mean: {one.targets[0]} go with {one.attributes[0]}, {one.targets[1]} with "
        f"{one.attributes[1]}; one-sided p {one.p_value:.4f}, {one.p_holm:.4f} corrected for the tests beside it"
    )
    if one.left_out:
        more = len(one.left_out) - _SHOWN
        shown = ", ".join(one.left_out[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        note += f"; left out for want of a vector: {shown}"
    return Row(
        one.name,
        f"effect ({', '.join(one.targets)} / {', '.join(one.attributes)})",
        one.effect,
        one.low,
        one.high,
        one.n_words,
        one.n_words / (one.n_words + len(one.left_out)),
        "chance",
        0.0,
        one.p_value,
        one.system,
        note,
        test="permutation of the targets, one-sided",
        p_holm=one.p_holm,
    )


def effect_size(first: Array, second: Array) -> Array:
    """Return the difference of the means of two samples in standard deviations of both together.

    Parameters
    ----------
    first, second : float64 of shape (..., n) and (..., m): the association of each target word.

    Returns
    -------
    float64 of shape (...), between -2 and 2 for sets of equal size; NaN where nothing varies.

    Examples
    --------
    >>> effect_size(np.array([3.0, 1.0]), np.array([0.0, 0.0])).round(3).tolist()  # 2 / sqrt(2)
    1.414
    """
    both = np.concatenate([first, second], axis=-1)
    deviation = both.std(axis=-1, ddof=1)
    varies = deviation > _TIE * np.maximum(np.abs(both).max(axis=-1), _TIE)
    difference = first.mean(axis=-1) - second.mean(axis=-1)
    effect: Array = np.divide(difference, deviation, out=np.full_like(deviation, np.nan), where=varies)
    return effect


def permutation_p_value(first: Array, second: Array, *, seed: int) -> float:
    """Return the one-sided p-value that the first sample has no larger mean than the second.

    Up to 20,000 ways to divide the words are all counted; of more, 10,000 are drawn, and the observed one is counted
    with them (Phipson and Smyth, 2010), so that no p-value is 0.

    Parameters
    ----------
    first, second : float64 of shape (n,) and (m,).
    seed : of the draws.

    Examples
    --------
    >>> permutation_p_value(np.array([3.0, 1.0]), np.array([0.0, 0.0]), seed=1)  # one of six ways
    0.16666666666666666
    """
    both = np.concatenate([first, second])
    n_ways = math.comb(len(both), len(first))
    observed = first.sum()
    least = observed - _TIE * np.abs(both).sum()
    if n_ways <= _MOST_DIVISIONS:
        ways = chain.from_iterable(combinations(range(len(both)), len(first)))
        chosen = np.fromiter(ways, dtype=np.int64, count=n_ways * len(first)).reshape(n_ways, len(first))
        return float((both[chosen].sum(axis=1) >= least).mean())
    order = np.random.default_rng(seed).random((_DRAWN, len(both))).argpartition(len(first) - 1, axis=1)
    reached = int((both[order[:, : len(first)]].sum(axis=1) >= least).sum())
    return (reached + 1) / (_DRAWN + 1)


def effect_interval(first: Array, second: Array, *, repeats: int, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of `effect_size`: a bootstrap over the words of each set, BCa (Efron, 1987).

    Percentiles alone hold the effect of two sets of 8 words in 89 cases of 100, with this correction in 94. Fewer than
    ten words in all, or words that hardly differ, give no interval.

    Parameters
    ----------
    first, second : float64 of shape (n,) and (m,).
    repeats : resamples.
    seed : of the resamples.
    """
    from scipy.stats import DegenerateDataWarning, bootstrap

    if min(len(first), len(second)) < _MIN_WORDS or len(first) + len(second) < _MIN_FOR_INTERVAL:
        return math.nan, math.nan

    def statistic(one: Array, two: Array, axis: int) -> Array:
        return effect_size(np.moveaxis(one, axis, -1), np.moveaxis(two, axis, -1))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        found = bootstrap(
            (first, second),
            statistic,
            vectorized=True,
            n_resamples=repeats,
            method="BCa",
            random_state=np.random.default_rng(seed),
        ).confidence_interval
    return float(found.low), float(found.high)


def _association(
    test: AssociationTest, vectors: Mapping[str, NDArray[np.float32]], repeats: int, seed: int
) -> Association:
    sets = (*test.targets, *test.attributes)
    known = [[word for word in one.words if word in vectors] for one in sets]
    left_out = tuple(word for one in sets for word in one.words if word not in vectors)
    empty = Association(
        test.name,
        (sets[0].name, sets[1].name),
        (sets[2].name, sets[3].name),
        math.nan,
        math.nan,
        math.nan,
        math.nan,
        sum(map(len, known)),
        left_out,
    )
    needed = [max(_MIN_WORDS, math.ceil(_MIN_SHARE * len(one.words))) for one in sets]
    short = [
        f"{len(of)} of {len(one.words)} {one.name} have a vector, {least} are needed"
        for one, of, least in zip(sets, known, needed, strict=True)
        if len(of) < least
    ]
    if short:
        return replace(empty, note="skipped: " + "; ".join(short))
    first, second, toward, away = (unit_length(np.stack([vectors[word] for word in of])) for of in known)
    axis = toward.mean(axis=0) - away.mean(axis=0)
    one, two = first @ axis, second @ axis
    effect = float(effect_size(one, two))
    if not math.isfinite(effect):
        return replace(empty, note="not defined: all targets are equally near to the attributes")
    low, high = effect_interval(one, two, repeats=repeats, seed=seed)
    return replace(empty, effect=effect, low=low, high=high, p_value=permutation_p_value(one, two, seed=seed))


def _words(task: Associations) -> list[str]:
    return list(
        dict.fromkeys(word for test in task.tests for of in (*test.targets, *test.attributes) for word in of.words)
    )

"""Word vectors by themselves: do they find similar what people find similar, and do they answer analogies?"""

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Words
from embedpipe.probes.comparison import accuracy_rows, correlation_rows
from embedpipe.probes.rows import Row, skipped
from embedpipe.tasks.shapes import Analogies, WordSimilarity
from embedpipe.text.vocabulary import SPECIALS, Vocabulary

__all__ = ["analogy_rows", "answer_analogies", "spelling_similarity", "word_similarity_rows"]

_QUESTIONS = 512


def word_similarity_rows(task: WordSimilarity, words: Words, *, bootstrap: int, seed: int) -> list[Row]:
    """Return the Spearman correlation of cosines with human scores over the pairs in the vocabulary.

    Baselines: ``spelling`` (Dice coefficient of character bigrams) and ``random vectors`` of the same shape. A word
    is looked up as it is written, then in lower case; a pair with an unknown word is left out.
    """
    ids = np.array([[_find(words.vocabulary, word) for word in pair] for pair in task.pairs]).reshape(-1, 2)
    covered = ids.min(axis=1) >= 0
    n, scores = int(covered.sum()), task.scores[covered]
    if n < 3:
        return [skipped(task.name, "spearman", f"{n} of {len(ids)} pairs are in the vocabulary, 3 are needed")]
    unique, places = np.unique(ids[covered], return_inverse=True)
    pairs = places.reshape(-1, 2)
    vectors = np.asarray(words.vectors[unique])
    noise = np.random.default_rng(seed).standard_normal(vectors.shape)
    kept = [pair for pair, inside in zip(task.pairs, covered, strict=True) if inside]
    systems = {
        "words": _cosines(vectors, pairs),
        "spelling": np.array([spelling_similarity(a.lower(), b.lower()) for a, b in kept]),
        "random vectors": _cosines(noise, pairs),
    }
    left_out = len(ids) - n
    note = f"left out for an unknown word: {left_out} of {len(ids)} pairs" if left_out else ""
    return correlation_rows(
        task.name, systems, scores, coverage=n / len(ids), note=note, bootstrap=bootstrap, seed=seed
    )


def analogy_rows(task: Analogies, words: Words, *, restrict: int, seed: int) -> list[Row]:
    """Return the accuracy of 3CosAdd (Mikolov et al., 2013) over the `restrict` most frequent words.

    A question with a word outside them is left out; *a*, *b* and *c* are no answers. Baselines: the word nearest to
    *c* alone and to *b* alone (Linzen, 2016: how much of the score is neighbourhood, not analogy), and a random
    word. Sections named ``gram…`` are syntactic; where a task has both kinds, each has rows of its own.
    """
    names = [section for section, questions in task.sections.items() for _ in questions]
    questions = [question for section in task.sections.values() for question in section]
    ids = np.array([[_find(words.vocabulary, word) for word in question] for question in questions])
    limit = min(restrict + len(SPECIALS), len(words.vocabulary))
    covered = ((ids >= 0) & (ids < limit)).all(axis=1)
    n_words = limit - len(SPECIALS)
    if not covered.any():
        reason = f"no question has all four words among the {n_words:,} most frequent"
        return [skipped(task.name, "accuracy", reason)]
    asked = ids[covered]
    answers = answer_analogies(np.asarray(words.vectors[:limit]), asked, seed=seed)
    correct = {name: answer == asked[:, 3] for name, answer in answers.items()}
    syntactic = np.array([name.startswith("gram") for name in names])
    parts = {"accuracy": np.ones(len(ids), dtype=bool)}
    if syntactic.any() and not syntactic.all():
        parts |= {"accuracy (semantic)": ~syntactic, "accuracy (syntactic)": syntactic}
    rows = []
    for metric, part in parts.items():
        inside = part[covered]
        if not inside.any():
            rows.append(skipped(task.name, metric, "none of its questions is in the vocabulary"))
            continue
        n, n_seen = int(part.sum()), int(inside.sum())
        note = f"3CosAdd over the {n_words:,} most frequent words"
        if n_seen < n:
            as_wrong = correct["3CosAdd"][inside].sum() / n
            note += f"; {n_seen:,} of {n:,} questions seen, the others left out (counted as wrong: {as_wrong:.3f})"
        rows += accuracy_rows(
            task.name,
            {name: right[inside] for name, right in correct.items()},
            metric=metric,
            coverage=n_seen / n,
            system="words",
            note=note,
        )
    return rows


def answer_analogies(
    vectors: NDArray[np.float32], questions: NDArray[np.int64], *, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Return the answer to each question *a* : *b* = *c* : ? by four methods.

    Parameters
    ----------
    vectors : float32, shape (n_words, dim); the first four rows (specials) are no answers.
    questions : int, shape (n, 3 or more): rows *a*, *b*, *c*.
    seed : of the random words.

    Returns
    -------
    ``3CosAdd``, ``nearest to c``, ``nearest to b`` and ``random word``, each int64 of shape (n,).
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    a, b, c = questions[:, 0], questions[:, 1], questions[:, 2]
    excluded = questions[:, :3]
    answers = np.concatenate(
        [
            _nearest(unit, unit[b[s]] - unit[a[s]] + unit[c[s]], excluded[s])
            for s in (slice(i, i + _QUESTIONS) for i in range(0, len(questions), _QUESTIONS))
        ]
    )
    rng = np.random.default_rng(seed)
    return {
        "3CosAdd": answers,
        "nearest to c": _nearest_to_word(unit, c, excluded),
        "nearest to b": _nearest_to_word(unit, b, excluded),
        "random word": rng.integers(len(SPECIALS), len(vectors), size=len(questions)),
    }


def _nearest(unit: NDArray[np.float32], queries: NDArray[np.float32], excluded: NDArray[np.int64]) -> NDArray[np.int64]:
    scores = queries @ unit.T
    scores[:, : len(SPECIALS)] = -np.inf
    scores[np.arange(len(queries))[:, None], excluded] = -np.inf
    best: NDArray[np.int64] = scores.argmax(axis=1)
    return best


def _nearest_to_word(
    unit: NDArray[np.float32], word: NDArray[np.int64], excluded: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Rank each different word once: its four nearest hold one that is none of three excluded."""
    unique, places = np.unique(word, return_inverse=True)
    nearest = np.empty((len(unique), 4), dtype=np.int64)
    for start in range(0, len(unique), _QUESTIONS):
        scores = unit[unique[start : start + _QUESTIONS]] @ unit.T
        scores[:, : len(SPECIALS)] = -np.inf
        top = np.argpartition(-scores, 3, axis=1)[:, :4]
        order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
        nearest[start : start + _QUESTIONS] = np.take_along_axis(top, order, axis=1)
    candidates = nearest[places]  # (n, 4)
    allowed = (candidates[:, :, None] != excluded[:, None, :]).all(axis=2)
    chosen: NDArray[np.int64] = candidates[np.arange(len(word)), allowed.argmax(axis=1)]
    return chosen


def spelling_similarity(a: str, b: str) -> float:
    """Return the Dice coefficient (Dice, 1945) of the sets of character bigrams, word ends included.

    >>> spelling_similarity("night", "nacht")  # ^n, ht and t$ of six bigrams each
    0.5
    """
    one, two = ({f"^{word}$"[i : i + 2] for i in range(len(word) + 1)} for word in (a, b))
    return 2 * len(one & two) / (len(one) + len(two))


def _find(vocabulary: Vocabulary, word: str) -> int:
    found = vocabulary.find(word)
    return -1 if found is None else found


def _cosines(vectors: NDArray[np.floating], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    unit = vectors.astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    cosines: NDArray[np.float64] = np.einsum("ij,ij->i", unit[pairs[:, 0]], unit[pairs[:, 1]])
    return cosines

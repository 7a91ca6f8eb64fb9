"""Do word vectors find similar what people find similar?"""

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Lookup, Words
from embedpipe.probes.comparison import Parts, correlation_rows
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.words.word_lookup import find_words, guessed, pair_cosines, random_like, spelling_similarities
from embedpipe.tasks.shapes import WordSimilarity

__all__ = ["word_similarity_rows"]

Array = NDArray[np.float64]


def word_similarity_rows(
    task: WordSimilarity,
    words: Words,
    *,
    bootstrap: int,
    seed: int,
    parts: Parts | None = None,
    lookup: Lookup | None = None,
) -> list[Row]:
    """Return the Spearman correlation of cosines with human scores over the pairs in the vocabulary.

    Where pairs hold unknown words, ``spearman (all)`` is over all pairs: a system that does not know a word guesses
    the mean of what it says of the others, which ranks the pair nowhere. ``spearman (subwords)`` is over all pairs too,
    and unknown words have the vector of their n-grams.

    Parameters
    ----------
    task : the pairs.
    words : the vectors. A word is looked up as it is written, then in lower case.
    bootstrap, seed : of the intervals; the seed is that of the random vectors too.
    parts : pairs of the task that get rows of their own, bool of shape (n_pairs,) by name.
    lookup : gives a vector to unknown words, where n-grams were trained.

    Returns
    -------
    Rows beside two baselines: ``spelling`` (Dice coefficient of character bigrams) and ``random vectors`` of the same
    shape.
    """
    ids = find_words(words, (word for pair in task.pairs for word in pair)).reshape(-1, 2)
    covered = ids.min(axis=1) >= 0
    n_all, n = len(ids), int(covered.sum())
    if n < 3:
        return [skipped(task.name, "spearman", f"{n} of {n_all} pairs are in the vocabulary, 3 are needed")]
    known, places = np.unique(ids[covered], return_inverse=True)
    pairs = places.reshape(-1, 2)
    vectors = np.asarray(words.vectors[known])
    spelling = spelling_similarities(task.pairs)
    systems = {
        "words": pair_cosines(vectors, pairs),
        "spelling": spelling[covered],
        "random vectors": pair_cosines(random_like(vectors, seed), pairs),
    }
    left_out = n_all - n
    note = f"left out for an unknown word: {left_out} of {n_all} pairs" if left_out else ""
    rows = correlation_rows(
        task.name,
        systems,
        task.scores[covered],
        coverage=n / n_all,
        note=note,
        bootstrap=bootstrap,
        seed=seed,
        parts={part: inside[covered] for part, inside in (parts or {}).items()},
    )
    if not left_out:
        return rows
    everywhere = {name: guessed(values, covered) for name, values in systems.items()} | {"spelling": spelling}
    variants = {"all": (everywhere, f"a guess, the mean of the other cosines, for {left_out} of {n_all} pairs")}
    if lookup is not None:
        composed, n_composed = _composed(task, lookup, covered, everywhere["words"])
        variants["subwords"] = (
            {"words": composed, "guesses": everywhere["words"], **_without(everywhere, "words")},
            f"{n_composed} of {left_out} pairs with an unknown word have vectors of n-grams, the others a guess",
        )
    for variant, (of_all, how) in variants.items():
        rows += correlation_rows(
            task.name,
            of_all,
            task.scores,
            coverage=n / n_all,
            note=how,
            bootstrap=bootstrap,
            seed=seed,
            metric=f"spearman ({variant})",
        )
    return rows


def _composed(task: WordSimilarity, lookup: Lookup, covered: NDArray[np.bool_], otherwise: Array) -> tuple[Array, int]:
    """Return a cosine for every pair and how many are of n-grams; a guess stays where no n-gram is known."""
    asked = [word for pair in task.pairs for word in pair]
    vectors = lookup.vectors(asked, oov="zero")
    unknown = np.flatnonzero(~vectors.any(axis=1))
    vectors[unknown] = lookup.composed([asked[place] for place in unknown])
    made = vectors.any(axis=1).reshape(-1, 2).all(axis=1) & ~covered
    values = otherwise.copy()
    values[made] = pair_cosines(vectors, np.arange(len(asked)).reshape(-1, 2)[made])
    return values, int(made.sum())


def _without(systems: dict[str, Array], name: str) -> dict[str, Array]:
    return {other: values for other, values in systems.items() if other != name}

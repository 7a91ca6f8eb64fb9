"""The steps between trained vectors and published ones: each has a name, and they are done in the order they are named.

``add-contexts``        adds the context vectors: w + c (Levy et al., 2015, "Improving Distributional Similarity")
``join-contexts``       takes the context vectors as a table of their own
``centre``              takes away the mean under the unigram distribution
``all-but-the-top:N``   centres, then removes the N directions of largest variance (Mu and Viswanath, 2018)
``whiten:EXPONENT``     centres and whitens under the unigram distribution, in part (Yokoi et al., 2024)
``unit``                scales every row to length 1
``join``                puts the tables side by side (Yin and Schütze, 2016, "Learning Word Meta-Embeddings")
``reduce:N``            keeps the N directions that hold most under the unigram distribution
``ngrams:W``            adds W times the unit vector that a word's character n-grams say to its own (`ngram_fit`)

A step is done to each table: one per training, and one more for each with ``join-contexts``. What one table goes
through is affine but for the scaling, so that the vector of an unseen word can be put through it as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.words.ngram_fit import SharedNgrams
from embedpipe.words.postprocess import principal_directions, unit_rows, weighted_moments, whitening_matrix

__all__ = ["PostProcessed", "Table", "Transform", "asks_for_ngrams", "post_process", "published_dim", "without_ngrams"]

_ROWS = 16_384
Vectors = NDArray[np.float32]
Table = tuple[Vectors, Vectors | None]
"""Word vectors and context vectors (or None) of one training, each of shape (n, dim)."""


@dataclass(frozen=True)
class Transform:
    """What was done to a trained vector x to publish it: x @ matrix - shift, then length 1 if `unit`.

    Parameters
    ----------
    matrix : float64 array of shape (dim, published_dim).
    shift : float64 array of shape (published_dim,).
    unit : whether rows were scaled to length 1.
    """

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]
    unit: bool = False

    def affine(self, vectors: Vectors) -> Vectors:
        """Return `vectors` of shape (n, dim) multiplied and shifted, not scaled; float32 (n, published_dim).

        A mean of rows that went through this is the mean that went through it: the rows of an n-gram table may be
        published like words.
        """
        result = np.empty((len(vectors), len(self.shift)), dtype=np.float32)
        for start in range(0, len(vectors), _ROWS):
            block = slice(start, start + _ROWS)
            result[block] = vectors[block].astype(np.float64) @ self.matrix - self.shift
        return result

    def apply(self, vectors: Vectors) -> Vectors:
        """Return `vectors` of shape (n, dim) as they would be published, float32 of shape (n, published_dim)."""
        result = self.affine(vectors)
        return unit_rows(result) if self.unit else result

    def then(self, after: "Transform") -> "Transform":
        """Return the transform that does this one, which scales nothing, and then `after`."""
        return Transform(self.matrix @ after.matrix, self.shift @ after.matrix + after.shift, after.unit)


@dataclass(frozen=True)
class PostProcessed:
    """Published vectors, float32 of shape (n, published_dim), and what makes one of a trained vector.

    `transform` is None where contexts, n-grams or several tables took part, or an affine step followed ``unit``.
    """

    vectors: Vectors
    transform: Transform | None


def post_process(
    tables: Sequence[Table],
    probabilities: NDArray[np.float64],
    steps: Sequence[str],
    *,
    ngrams: SharedNgrams | None = None,
) -> PostProcessed:
    """Return trained vectors after `steps`, named as in this module's first lines.

    Parameters
    ----------
    tables : word and context vectors of each training, as trained.
    probabilities : float64 array of shape (n,) that sums to 1; rows of probability 0 (specials) become zero rows.
    steps : none leaves the vectors as they are. Tables that no ``join`` put together are put together at the end.
    ngrams : of the same words; needed for the step ``ngrams:W``.

    Raises
    ------
    ValueError
        For a step that is not known, contexts where there are none or not as the first step, or missing n-grams.

    Examples
    --------
    >>> rows = np.array([[1, 0], [5, 4]], dtype=np.float32)
    >>> post_process([(rows, None)], np.array([0.75, 0.25]), ["centre", "unit"]).vectors.round(2).tolist()
    [[-0.7099999785423279, -0.7099999785423279], [0.7099999785423279, 0.7099999785423279]]
    """
    dim = tables[0][0].shape[1]
    transform = Transform(np.eye(dim), np.zeros(dim)) if len(tables) == 1 else None
    current = [vectors for vectors, _ in tables]
    for place, step in enumerate(steps):
        name, _, value = step.partition(":")
        if name in ("add-contexts", "join-contexts"):
            if place:
                raise ValueError(f"the step '{name}' is the first one")
            current = _with_contexts(tables, join=name == "join-contexts")
            transform = None
        elif name == "join":
            transform = transform if len(current) == 1 else None
            current = [np.hstack(current)]
        elif name == "ngrams":
            if ngrams is None:
                raise ValueError(f"the step '{step}' asks for the n-grams of the words")
            current = [_with_ngrams(table, ngrams, float(value)) for table in current]
            transform = None
        elif name == "unit":
            current = [unit_rows(table) for table in current]
            transform = transform and Transform(transform.matrix, transform.shift, unit=True)
        else:
            done = [_fitted(name, value, table, probabilities) for table in current]
            current = [one.affine(table) for one, table in zip(done, current, strict=True)]
            transform = None if transform is None or transform.unit else transform.then(done[0])
    published = current[0].copy() if len(current) == 1 else np.hstack(current)
    published[probabilities <= 0] = 0.0
    return PostProcessed(published, transform)


def asks_for_ngrams(steps: Sequence[str]) -> bool:
    """Return whether one of `steps` needs the n-grams of the words.

    >>> asks_for_ngrams(["unit", "ngrams:0.7"])
    True
    """
    return any(step.startswith("ngrams:") for step in steps)


def without_ngrams(steps: Sequence[str]) -> tuple[str, ...]:
    """Return `steps` but for those that need the n-grams of the words.

    >>> without_ngrams(["unit", "ngrams:0.7"])
    ('unit',)
    """
    return tuple(step for step in steps if not asks_for_ngrams([step]))


def published_dim(dim: int, n_trainings: int, steps: Sequence[str]) -> int:
    """Return the width of the vectors that `steps` publish of trainings of `dim` dimensions each.

    >>> published_dim(100, 2, ["join-contexts", "unit", "join", "reduce:200"])
    200
    """
    n_tables = n_trainings
    for step in steps:
        name, _, value = step.partition(":")
        if name == "join-contexts":
            n_tables *= 2
        elif name == "join":
            dim, n_tables = dim * n_tables, 1
        elif name == "reduce":
            dim = min(dim, int(value))
    return dim * n_tables


def _with_contexts(tables: Sequence[Table], *, join: bool) -> list[Vectors]:
    current: list[Vectors] = []
    for vectors, contexts in tables:
        if contexts is None:
            raise ValueError("context vectors were not trained: leave the step out")
        current += [vectors, contexts] if join else [vectors + contexts]
    return current


def _with_ngrams(vectors: Vectors, ngrams: SharedNgrams, weight: float) -> Vectors:
    units = unit_rows(vectors)
    said = unit_rows(ngrams.mixtures @ ngrams.fit(units))
    said *= np.float32(weight)
    units += said
    return units


def _fitted(name: str, value: str, vectors: Vectors, probabilities: NDArray[np.float64]) -> Transform:
    mean, covariance = weighted_moments(vectors, probabilities)
    dim = len(mean)
    if name == "centre":
        matrix = np.eye(dim)
    elif name == "all-but-the-top":
        top = principal_directions(covariance, int(value))  # (N, dim)
        matrix = np.eye(dim) - top.T @ top
    elif name == "whiten":
        matrix = whitening_matrix(covariance, float(value))
    elif name == "reduce":
        about_zero = covariance + np.outer(mean, mean)
        return Transform(principal_directions(about_zero, int(value)).T, np.zeros(min(int(value), dim)))
    else:
        raise ValueError(
            f"unknown step '{name}': use add-contexts, join-contexts, centre, all-but-the-top:N, whiten:EXPONENT, "
            "unit, join, reduce:N or ngrams:W"
        )
    return Transform(matrix, mean @ matrix)

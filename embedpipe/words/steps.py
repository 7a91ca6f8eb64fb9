"""The steps between trained vectors and published ones: each has a name, and they are done in the order they are named.

``contexts``            adds the context vectors (Levy et al., 2015, "Improving Distributional Similarity"): w + c
``centre``              takes away the mean under the unigram distribution
``all-but-the-top:N``   centres, then removes the N directions of largest variance (Mu and Viswanath, 2018)
``whiten:EXPONENT``     centres and whitens under the unigram distribution, in part (Yokoi et al., 2024)
``unit``                scales every row to length 1

All but the first and the last are affine, so that what they do together is one shift and one matrix, which the vector
of an unseen word can be put through as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.words.postprocess import principal_directions, unit_rows, weighted_moments, whitening_matrix

__all__ = ["PostProcessed", "Transform", "post_process"]

_ROWS = 16_384


@dataclass(frozen=True)
class Transform:
    """What was done to a trained vector x to publish it: x @ matrix - shift, then length 1 if `unit`.

    Parameters
    ----------
    matrix : float64 array of shape (dim, dim).
    shift : float64 array of shape (dim,).
    unit : whether rows were scaled to length 1.
    """

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]
    unit: bool = False

    def affine(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `vectors` of shape (n, dim) multiplied and shifted, not scaled; float32 of the same shape.

        A mean of rows that went through this is the mean that went through it: the rows of an n-gram table may be
        published like words.
        """
        result = np.empty_like(vectors)
        for start in range(0, len(vectors), _ROWS):
            block = slice(start, start + _ROWS)
            result[block] = vectors[block].astype(np.float64) @ self.matrix - self.shift
        return result

    def apply(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `vectors` of shape (n, dim) as they would be published, float32 of the same shape."""
        result = self.affine(vectors)
        return unit_rows(result) if self.unit else result


@dataclass(frozen=True)
class PostProcessed:
    """Published vectors, float32 of shape (n, dim), and what made them of the trained ones (and their contexts)."""

    vectors: NDArray[np.float32]
    transform: Transform


def post_process(
    vectors: NDArray[np.float32],
    contexts: NDArray[np.float32] | None,
    probabilities: NDArray[np.float64],
    steps: Sequence[str],
) -> PostProcessed:
    """Return `vectors` after `steps`, named as in this module's first lines.

    Parameters
    ----------
    vectors : float32 array of shape (n, dim), as trained.
    contexts : the context vectors of the same words, of the same shape, or None where there are none.
    probabilities : float64 array of shape (n,) that sums to 1; rows of probability 0 (specials) become zero rows.
    steps : none leaves the vectors as they are.

    Raises
    ------
    ValueError
        For a step that is not known, or ``contexts`` where there are none or not as the first step.

    Examples
    --------
    >>> rows = np.array([[1, 0], [5, 4]], dtype=np.float32)
    >>> post_process(rows, None, np.array([0.75, 0.25]), ["centre", "unit"]).vectors.round(2).tolist()
    [[-0.7099999785423279, -0.7099999785423279], [0.7099999785423279, 0.7099999785423279]]
    """
    dim = vectors.shape[1]
    current, transform = vectors, Transform(np.eye(dim), np.zeros(dim))
    for place, step in enumerate(steps):
        name, _, value = step.partition(":")
        if transform.unit:
            raise ValueError(f"the step 'unit' is the last one, but '{step}' follows it")
        if name == "contexts":
            if contexts is None or place:
                raise ValueError("the step 'contexts' is the first one and needs trained context vectors")
            current = vectors + contexts
            continue
        if name == "unit":
            transform = Transform(transform.matrix, transform.shift, unit=True)
            continue
        mean, covariance = weighted_moments(transform.affine(current), probabilities)
        if name == "centre":
            matrix = np.eye(dim)
        elif name == "all-but-the-top":
            top = principal_directions(covariance, int(value))  # (N, dim)
            matrix = np.eye(dim) - top.T @ top
        elif name == "whiten":
            matrix = whitening_matrix(covariance, float(value))
        else:
            raise ValueError(f"unknown step '{step}': use contexts, centre, all-but-the-top:N, whiten:EXPONENT or unit")
        transform = Transform(transform.matrix @ matrix, (transform.shift + mean) @ matrix)
    published = transform.apply(current)
    published[probabilities <= 0] = 0.0
    return PostProcessed(published, transform)

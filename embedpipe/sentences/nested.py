"""Vectors whose first components are vectors of their own (Matryoshka; Kusupati et al., 2022)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import ConfigError
from embedpipe.words.postprocess import unit_rows

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["check_nested", "truncate"]


def check_nested(widths: Sequence[int], dim: int) -> None:
    """Raise `ConfigError` where a nested width is not below `dim`, that of the vectors."""
    if any(width >= dim for width in widths):
        raise ConfigError(
            f"sentences.nested_dims {list(widths)} are to lie below the width of the vectors, which is {dim}; leave "
            "out the wider ones, or set a larger sentences.dim"
        )


@overload
def truncate(vectors: "Tensor", dim: int) -> "Tensor": ...
@overload
def truncate(vectors: NDArray[np.float32], dim: int) -> NDArray[np.float32]: ...
def truncate(vectors: "Tensor | NDArray[np.float32]", dim: int) -> "Tensor | NDArray[np.float32]":
    """Return the first `dim` components of every vector, scaled to length 1 again.

    Parameters
    ----------
    vectors : a tensor or a float32 array, shape (n, width).
    dim : how many components are kept, from 1 to the width.

    Returns
    -------
    The same kind, shape (n, dim); a row without anything in those components is a zero row.

    Raises
    ------
    ValueError
        If the vectors have not that many components.

    Examples
    --------
    >>> truncate(np.array([[3, 4, 12], [0, 0, 1]], dtype=np.float32), 2).round(2).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    width = vectors.shape[1]
    if not 1 <= dim <= width:
        raise ValueError(f"vectors of width {width} can be cut to 1 to {width} components, not to {dim}")
    if isinstance(vectors, np.ndarray):
        return unit_rows(np.ascontiguousarray(vectors[:, :dim]))
    from torch.nn import functional as F

    return F.normalize(vectors[:, :dim], dim=1)

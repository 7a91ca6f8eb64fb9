"""How a training went, in few numbers: what is kept of it in the record of its stage."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from embedpipe.nn.fit import FitResult

__all__ = ["training_curve"]

_STRETCHES = 40


def training_curve(run: "FitResult", metric: str) -> dict[str, Any]:
    """Return what was measured while a model was trained, and its training loss as the mean of up to 40 stretches.

    Parameters
    ----------
    run : what `fit` gave.
    metric : what its `evaluate` measures.

    Returns
    -------
    dict
        ``metric``; ``held_out``, pairs of a step and the value measured after it; ``training_loss``, pairs of the last
        step of a stretch and the mean loss in it. Values that are not finite are left out.

    Examples
    --------
    >>> from embedpipe.nn.fit import FitResult
    >>> run = FitResult(2, np.array([3.0, 1.0]), 0.5, 2, history=((0, float("nan")), (2, 0.5)))
    >>> training_curve(run, "perplexity")
    {'metric': 'perplexity', 'held_out': [[2, 0.5]], 'training_loss': [[1, 3.0], [2, 1.0]]}
    """
    stretches = np.array_split(run.losses, min(_STRETCHES, len(run.losses))) if len(run.losses) else []
    last = np.cumsum([len(stretch) for stretch in stretches]).tolist()
    means = [float(stretch.mean()) for stretch in stretches]
    return {
        "metric": metric,
        "held_out": [[step, float(value)] for step, value in run.history if np.isfinite(value)],
        "training_loss": [[step, loss] for step, loss in zip(last, means, strict=True) if np.isfinite(loss)],
    }

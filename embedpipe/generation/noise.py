"""Words of the training text replaced by others: augmentation of a language model."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.text.vocabulary import SPECIALS

__all__ = ["UnigramNoise"]


class UnigramNoise:
    """Replaces tokens by draws from the unigrams (Xie et al., 2017, "Data Noising as Smoothing").

    Specials stay and are never drawn. What is to be predicted is none of its business: only what is read is replaced.

    Parameters
    ----------
    counts : how often each token stands in the training text.
    p : share of the tokens that are drawn anew, in [0, 1).
    device : of the ids.

    Notes
    -----
    Draws come from torch's global generator.

    Examples
    --------
    >>> noise = UnigramNoise(np.array([9.0, 9, 9, 9, 0, 5]), 0.99, torch.device("cpu"))
    >>> noise(torch.full((200,), 4)).unique().tolist()[-1], noise(torch.tensor([0, 1, 2, 3])).tolist()
    (5, [0, 1, 2, 3])
    """

    def __init__(self, counts: NDArray[np.float64], p: float, device: torch.device) -> None:
        self.p = p
        cumulative = np.cumsum(counts[len(SPECIALS) :])
        total = cumulative[-1] if len(cumulative) else 0.0
        self.cumulative = torch.from_numpy(cumulative / total if total else cumulative).to(device)
        # Kept here, for to look into a tensor on a GPU is to wait for it.
        self._replaces = bool(p and total)

    def __call__(self, ids: Tensor) -> Tensor:
        """Return `ids`, int64 of any shape, with some of them replaced."""
        if not self._replaces:
            return ids
        chosen = (torch.rand(ids.shape, device=ids.device) < self.p) & (ids >= len(SPECIALS))
        point = torch.rand(ids.shape, device=ids.device, dtype=self.cumulative.dtype)
        drawn = torch.searchsorted(self.cumulative, point, right=True).clamp_(max=len(self.cumulative) - 1)
        return torch.where(chosen, drawn + len(SPECIALS), ids)

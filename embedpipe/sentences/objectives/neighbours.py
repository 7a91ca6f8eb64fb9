"""Neighbouring sentences: each is to find the one that follows or precedes it (Logeswaran and Lee, 2018)."""

from embedpipe.nn.batches import TokenSource
from embedpipe.nn.spans import neighbours
from embedpipe.sentences.objectives.contrast import Contrast
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.text.token_store import TokenStore

__all__ = ["neighbour_objective"]


def neighbour_objective(store: TokenStore, source: TokenSource, weight: float, setup: Setup) -> Contrast:
    """Return the objective over pairs of neighbouring sentences of `store`, whose tokens are in `source`.

    A store without neighbours raises `NotEnoughDataError` when the first batch is drawn.
    """
    return Contrast("neighbours", weight, neighbours(store, setup.max_tokens), source, setup)

"""Twins: a sentence is to find itself, read a second time under another dropout (SimCSE; Gao et al., 2021)."""

from embedpipe.nn.batches import Batch, Padded, TokenSource
from embedpipe.nn.spans import sentences
from embedpipe.sentences.objectives.contrast import Contrast
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.text.token_store import TokenStore

__all__ = ["twin_objective"]


def twin_objective(store: TokenStore, source: TokenSource, weight: float, setup: Setup) -> Contrast:
    """Return the objective over single sentences of `store`, each in the batch twice.

    The two differ by the dropout of the network and by the damage of `setup`, both drawn anew for each; without
    either, only the distance to the other sentences is learnt.
    """
    return Contrast("twins", weight, sentences(store, setup.max_tokens), source, setup, change=_twice)


def _twice(batch: Batch) -> Batch:
    return Batch(Padded(batch.rows.ids.repeat(2, 1), batch.rows.lengths.repeat(2)), batch.tags)

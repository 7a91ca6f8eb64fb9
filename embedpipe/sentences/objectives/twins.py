"""Twins: a sentence is to find itself, read a second time under another dropout (SimCSE; Gao et al., 2021)."""

from dataclasses import replace

from embedpipe.nn.batches import Batch, Padded, TokenSource
from embedpipe.nn.spans import sentences
from embedpipe.sentences.objectives.contrast import Contrast
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.text.token_store import TokenStore

__all__ = ["twin_objective"]


def twin_objective(
    store: TokenStore, source: TokenSource, weight: float, setup: Setup, delete_p: float = 0.0
) -> Contrast:
    """Return the objective over single sentences of `store`, each in the batch twice.

    The two differ by the dropout of the network, by the damage of `setup` and by the share `delete_p` of their words,
    left out where that damage leaves out fewer; all are drawn anew for each. Without them, only the distance to the
    other sentences is learnt.
    """
    damage = replace(setup.damage, delete_p=max(setup.damage.delete_p, delete_p))
    setup = replace(setup, damage=damage)
    return Contrast("twins", weight, sentences(store, setup.max_tokens), source, setup, change=_twice)


def _twice(batch: Batch) -> Batch:
    return Batch(Padded(batch.rows.ids.repeat(2, 1), batch.rows.lengths.repeat(2)), batch.tags)

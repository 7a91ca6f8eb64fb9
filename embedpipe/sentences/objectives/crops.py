"""Crops: a span of a paragraph is to find another one, beside or over it (DeCLUTR; Giorgi et al., 2021)."""

from embedpipe.nn.batches import Batch, TokenSource, compact
from embedpipe.nn.spans import crops
from embedpipe.sentences.objectives.contrast import Contrast
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS

__all__ = ["crop_objective"]


def crop_objective(store: TokenStore, source: TokenSource, weight: float, setup: Setup) -> Contrast:
    """Return the objective over two spans of one paragraph of `store`; spans of one paragraph are no wrong answers.

    Raises
    ------
    NotEnoughDataError
        If no document is long enough.
    """
    draw = crops(store, setup.max_tokens)
    return Contrast("crops", weight, draw, source, setup, grouped=True, change=_without_ends)


def _without_ends(batch: Batch) -> Batch:
    """Return the batch as text is encoded: without the marks between the sentences."""
    return Batch(compact(batch.rows, batch.rows.ids != EOS), batch.tags)

"""Paraphrases: a text is to find another that means the same (in-batch negatives; Henderson et al., 2017)."""

from embedpipe.sentences.labelled import Labelled
from embedpipe.sentences.objectives.contrast import Contrast
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.sentences.objectives.rows import LabelledRows

__all__ = ["pair_objective"]


def pair_objective(data: Labelled, weight: float, setup: Setup) -> Contrast:
    """Return the objective over the groups of `data`; texts of one group are no wrong answers to each other.

    A negative in the file is one more wrong answer to every text of the batch but those it is the same as.
    """
    name = f"pairs:{data.name}"
    rows = LabelledRows(name, data, setup)
    return Contrast(name, weight, rows.draw, rows.source, rows.setup, grouped=True, pool=rows.pool)

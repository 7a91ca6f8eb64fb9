"""Paraphrases: a text is to find another that means the same (in-batch negatives; Henderson et al., 2017)."""

from embedpipe.errors import NotEnoughDataError
from embedpipe.sentences.labelled import Labelled
from embedpipe.sentences.objectives.contrast import Contrast
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.sentences.objectives.rows import LabelledRows

__all__ = ["pair_objective"]


def pair_objective(data: Labelled, weight: float, setup: Setup) -> Contrast:
    """Return the objective over the groups of `data`; texts of one group are no wrong answers to each other.

    A negative in the file is one more wrong answer to every text of the batch but those it is the same as.

    Raises
    ------
    NotEnoughDataError
        If there is one row without a negative: nothing would be a wrong answer.
    """
    if len(data) == 1 and data.negatives is None:
        raise NotEnoughDataError(
            f"{data.name}: one row of paraphrases has no wrong answer, so nothing can be learnt from it; give two rows "
            "or more, or a third column 'negative'"
        )
    name = f"pairs:{data.name}"
    rows = LabelledRows(name, data, setup)
    return Contrast(name, weight, rows.draw, rows.source, rows.setup, grouped=True, pool=rows.pool)

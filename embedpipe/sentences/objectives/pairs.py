"""Paraphrases: a text is to find another that means the same (in-batch negatives; Henderson et al., 2017)."""

from dataclasses import replace

from embedpipe.nn.batches import TokenSource
from embedpipe.sentences.labelled import Labelled
from embedpipe.sentences.objectives.contrast import Contrast
from embedpipe.sentences.objectives.objective import Setup
from embedpipe.sentences.objectives.rows import draw_pairs, fitting

__all__ = ["pair_objective"]


def pair_objective(data: Labelled, weight: float, setup: Setup) -> Contrast:
    """Return the objective over the groups of `data`; texts of one group are no wrong answers to each other.

    A negative in the file is one more wrong answer to every text of the batch but those it is the same as.
    """
    name = f"pairs:{data.name}"
    batch, pool = fitting(len(data), setup.batch)
    setup = replace(setup, batch=batch)
    draw = draw_pairs(data, setup.max_tokens, setup.seed_of(name))
    source = TokenSource(data.texts.tokens, setup.device)
    return Contrast(name, weight, draw, source, setup, grouped=True, pool=pool)

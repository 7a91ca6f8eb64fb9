"""Rows of labelled data in epochs: all of them once in a random order, then all again in another."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embedpipe.nn.batches import Batch, TokenSource
from embedpipe.nn.spans import POOL, Draw, Spans, batches_of
from embedpipe.sentences.labelled import Labelled
from embedpipe.sentences.objectives.objective import Setup

__all__ = ["LabelledRows", "draw_pairs", "fitting", "in_epochs"]


class LabelledRows:
    """The rows of labelled data as an objective has them: batches without end, each a part of an epoch.

    Parameters
    ----------
    name : of the objective, from which its seed follows.
    data : the rows.
    setup : batch and so on.

    Attributes
    ----------
    setup : with a batch of no more rows than there are.
    source, draw, pool : as `batches_of` takes them.
    """

    def __init__(self, name: str, data: Labelled, setup: Setup) -> None:
        batch, self.pool = fitting(len(data), setup.batch)
        self.setup, self.seed = replace(setup, batch=batch), setup.seed_of(name)
        self.source = TokenSource(data.texts.tokens, setup.device)
        self.draw = draw_pairs(data, setup.max_tokens, self.seed)

    def batches(self, start: int) -> Iterator[Batch]:
        """Yield batch number `start` and all that follow."""
        return batches_of(self.draw, self.source, self.setup.batch, seed=self.seed, start=start, pool=self.pool)


def in_epochs(n_rows: int, seed: int) -> Callable[[int, int], NDArray[np.int64]]:
    """Return a function from a first number and a count to the rows at these places of an endless row of epochs.

    >>> take = in_epochs(3, seed=1)
    >>> sorted(take(0, 3).tolist()), bool((take(1, 4) == take(0, 5)[1:]).all())
    ([0, 1, 2], True)
    """

    def take(first: int, n: int) -> NDArray[np.int64]:
        epochs = range(first // n_rows, (first + n - 1) // n_rows + 1)
        orders = [np.random.default_rng([seed, epoch]).permutation(n_rows) for epoch in epochs]
        offset = first - epochs.start * n_rows
        return np.concatenate(orders)[offset : offset + n]

    return take


def fitting(n_rows: int, batch: int) -> tuple[int, int]:
    """Return how many rows make a batch and how many batches a pool, so that neither is more than an epoch.

    >>> fitting(1_000, 256), fitting(100, 256), fitting(10**6, 256)
    ((256, 3), (100, 1), (256, 16))
    """
    batch = min(batch, n_rows)
    return batch, min(POOL, n_rows // batch)


def draw_pairs(data: Labelled, max_tokens: int, seed: int) -> Draw:
    """Return how to draw two texts of each row, and its negative where it has one; the tag is the row's number.

    Of a group of several paraphrases two different ones are drawn each time. Where the order says something (a
    negative, a label) it is kept. A text is cut after `max_tokens` tokens.
    """
    take = in_epochs(len(data), seed)
    sizes = (data.members >= 0).sum(axis=1)
    ordered = data.kind != "pairs" or data.negatives is not None

    def draw(number: int, n: int, rng: np.random.Generator) -> Spans:
        rows = take(number * n, n)
        first = np.zeros(n, dtype=np.int64) if ordered else rng.integers(0, sizes[rows])
        step = np.ones(n, dtype=np.int64) if ordered else rng.integers(1, sizes[rows])
        texts = [data.members[rows, first], data.members[rows, (first + step) % sizes[rows]]]
        if data.negatives is not None:
            texts.append(data.negatives[rows])
        chosen = np.stack(texts)
        return Spans(data.texts.starts[chosen], np.minimum(data.texts.lengths[chosen], max_tokens), rows)

    return draw

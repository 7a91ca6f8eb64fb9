"""The end of a training: a whitening in place of the head that was trained, and of the averages beside it."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from embedpipe.nn.batches import Padded, TokenSource
from embedpipe.nn.free_memory import FreeMemory
from embedpipe.nn.precision import without_rounding
from embedpipe.nn.spans import batches_of, sentences
from embedpipe.words.postprocess import weighted_moments, whitening_matrix

if TYPE_CHECKING:
    from embedpipe.config import SentencesConfig
    from embedpipe.sentences.network import SentenceNetwork
    from embedpipe.sentences.objectives.objective import Setup
    from embedpipe.text.token_store import TokenStore

__all__ = ["drop_head", "finish", "whiten_average"]

_BATCH, _BATCHES = 256, 64
"""16,384 sentences: thirty-two for each of 512 components."""
_EXPONENT = 0.25
_SMALLEST = 1e-4
"""Share of the largest variance that is added to all: what hardly varies is not to be made of rounding."""


def finish(network: "SentenceNetwork", store: "TokenStore", config: "SentencesConfig", setup: "Setup") -> list[str]:
    """Drop the head and whiten the average, in place; return what was asked for and could not be had.

    Where memory runs out, fewer rows are read at once. Parameters are those of `drop_head`, and the settings.

    Raises
    ------
    DeviceError
        If memory runs out with one row at a time too.
    NotEnoughDataError
        If `store` has no sentence.
    """
    notes = []
    if not _within_memory(setup, lambda: drop_head(network, store, setup)) and config.beside:
        notes.append(
            "what is read has other components than the reader gives, so its projection stays as it was trained"
        )
    if config.moments and not network.shape.moments_dim:
        notes.append("sentences.moments is of no effect, because the vectors have no components for them")
    if config.whiten and not _within_memory(setup, lambda: whiten_average(network, store, config.whiten, setup)):
        notes.append("sentences.whiten is of no effect, because the average has no components of its own")
    return notes


@torch.no_grad()
def drop_head(network: "SentenceNetwork", store: "TokenStore", setup: "Setup") -> bool:
    """Replace the projection of what was read by a whitening of it, in place.

    A projection is trained to make alike what the objectives want alike, and loses what they do not ask for; what it
    reads still has that (Chen et al., 2020, "SimCLR": a projection head is thrown away after training). What was read
    and pooled has its mean subtracted and is multiplied by C^(-1/8), C being its covariance over sentences of `store`,
    without which two or three directions would be all of its cosines (Su et al., 2021, "Whitening sentence
    representations").

    Parameters
    ----------
    network : in evaluation mode.
    store : sentences, of which 16,384 are drawn.
    setup : its seed and device, and how many rows are read at once.

    Returns
    -------
    bool
        Whether it could be: what is read needs as many components of its own as the reader gives.

    Raises
    ------
    NotEnoughDataError
        If `store` has no sentence.
    """
    if network.reader is None or network.shape.own_dim != network.projection.in_features:
        return False
    drawn = _drawn(store, setup)
    with without_rounding(setup.device):
        pooled = torch.cat([network.pool(network.reading(rows.ids, rows.lengths)).cpu() for rows in drawn]).numpy()
    mean, covariance = weighted_moments(pooled, np.ones(len(pooled)))
    floor = _SMALLEST * np.linalg.norm(covariance, 2)
    matrix = whitening_matrix(covariance + floor * np.eye(len(covariance)), _EXPONENT)
    projection = network.projection
    projection.weight.copy_(torch.from_numpy(matrix))
    projection.bias.copy_(torch.from_numpy(-matrix @ mean))
    return True


@torch.no_grad()
def whiten_average(network: "SentenceNetwork", store: "TokenStore", exponent: float, setup: "Setup") -> bool:
    """Multiply the map of the average by M^(-exponent / 2), in place, M being the second moment of averages of `store`.

    Word vectors are white in text, their averages are not: what a text is about stands in all of its sentences, and
    makes the cosine of any two larger (Su et al., 2021). The mean is a direction of M and grows smaller with the rest.

    Parameters
    ----------
    network : in evaluation mode.
    store : sentences, of which 16,384 are drawn.
    exponent : from 0, which leaves the map as it is, to 1, which makes all directions equally large.
    setup : its seed and device, and how many rows are read at once.

    Returns
    -------
    bool
        Whether it could be: the average needs components of its own.

    Raises
    ------
    NotEnoughDataError
        If `store` has no sentence.
    """
    if not network.shape.own_dim or not isinstance(network.resize, nn.Linear):
        return False
    dim = network.shape.average_dim
    moment = np.zeros((dim, dim))
    for rows in _drawn(store, setup):
        averages = F.normalize(network(rows.ids, rows.lengths)[:, :dim], dim=1).double().cpu().numpy()
        moment += averages.T @ averages
    if moment.any():
        matrix = torch.from_numpy(whitening_matrix(moment * dim / np.trace(moment), exponent))
        weight = network.resize.weight
        weight.copy_(matrix.to(weight.device, weight.dtype) @ weight)
    return True


def _within_memory(setup: "Setup", attempt: Callable[[], bool]) -> bool:
    return attempt() if setup.parts is None else setup.parts.within_memory(attempt, lambda: None)


def _drawn(store: "TokenStore", setup: "Setup") -> Iterator[Padded]:
    """Yield the rows, gathered beside the device: it may have no room for the text once more."""
    source, free_memory = TokenSource(store.tokens, torch.device("cpu")), FreeMemory()
    drawn = batches_of(sentences(store, setup.max_tokens), source, _BATCH, seed=setup.seed_of("finish"))
    for batch in islice(drawn, _BATCHES):
        free_memory.give_back()
        parts = (torch.split(each, setup.at_once or _BATCH) for each in (batch.rows.ids, batch.rows.lengths))
        for ids, lengths in zip(*parts, strict=True):
            yield Padded(ids.to(setup.device), lengths.to(setup.device))

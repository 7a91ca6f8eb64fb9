"""The end of a training: a whitening in place of the head that was trained, and of the averages beside it."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from embedpipe.nn.batches import Padded, TokenSource
from embedpipe.nn.spans import batches_of, sentences
from embedpipe.words.postprocess import weighted_moments, whitening_matrix

if TYPE_CHECKING:
    from embedpipe.sentences.network import SentenceNetwork
    from embedpipe.sentences.objectives.objective import Setup
    from embedpipe.text.token_store import TokenStore

__all__ = ["drop_head", "whiten_average"]

_BATCH, _BATCHES = 256, 64
"""16,384 sentences: thirty-two for each of 512 components."""
_EXPONENT = 0.5


@torch.no_grad()
def drop_head(network: "SentenceNetwork", store: "TokenStore", setup: "Setup") -> None:
    """Replace the projection of what was read by a whitening of it, in place.

    A projection is trained to make alike what the objectives want alike, and loses what they do not ask for; what it
    reads still has that (Chen et al., 2020, "SimCLR": a projection head is thrown away after training). What was read
    and pooled has its mean subtracted and is multiplied by C^(-1/4), C being its covariance over sentences of `store`,
    without which two or three directions would be all of its cosines (Su et al., 2021, "Whitening sentence
    representations"). Where the reading has no components of its own, or others in number than it gives, there is
    nothing that could be left out, and the projection stays.

    Parameters
    ----------
    network : in evaluation mode.
    store : sentences, of which 16,384 are drawn.
    setup : its seed and device.

    Raises
    ------
    NotEnoughDataError
        If `store` has no sentence.
    """
    if network.reader is None or network.shape.own_dim != network.projection.in_features:
        return
    drawn = _drawn(store, setup)
    pooled = torch.cat([network.pool(network.reading(rows.ids, rows.lengths)).cpu() for rows in drawn]).numpy()
    mean, covariance = weighted_moments(pooled, np.ones(len(pooled)))
    matrix = whitening_matrix(covariance, _EXPONENT)
    projection = network.projection
    projection.weight.copy_(torch.from_numpy(matrix))
    projection.bias.copy_(torch.from_numpy(-matrix @ mean))


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
    setup : its seed and device.

    Returns
    -------
    bool
        Whether there is a map: an average that stands alone, or has something added to it, has none at the width of
        the word vectors.

    Raises
    ------
    NotEnoughDataError
        If `store` has no sentence.
    """
    if not isinstance(network.resize, nn.Linear):
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


def _drawn(store: "TokenStore", setup: "Setup") -> Iterator[Padded]:
    source = TokenSource(store.tokens, setup.device)
    drawn = batches_of(sentences(store, setup.max_tokens), source, _BATCH, seed=setup.seed_of("finish"))
    return (batch.rows for batch in islice(drawn, _BATCHES))

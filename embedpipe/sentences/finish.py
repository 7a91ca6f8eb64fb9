"""The end of a training: what was read stands in the vectors itself, whitened by half, in place of its head."""

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from embedpipe.nn.batches import TokenSource
from embedpipe.nn.spans import batches_of, sentences
from embedpipe.words.postprocess import weighted_moments, whitening_matrix

if TYPE_CHECKING:
    from embedpipe.sentences.network import SentenceNetwork
    from embedpipe.sentences.objectives.objective import Setup
    from embedpipe.text.token_store import TokenStore

__all__ = ["drop_head"]

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
    source = TokenSource(store.tokens, setup.device)
    drawn = batches_of(sentences(store, setup.max_tokens), source, _BATCH, seed=setup.seed_of("finish"))
    batches = (batch.rows for batch in islice(drawn, _BATCHES))
    pooled = torch.cat([network.pool(network.reading(rows.ids, rows.lengths)).cpu() for rows in batches]).numpy()
    mean, covariance = weighted_moments(pooled, np.ones(len(pooled)))
    matrix = whitening_matrix(covariance, _EXPONENT)
    projection = network.projection
    projection.weight.copy_(torch.from_numpy(matrix))
    projection.bias.copy_(torch.from_numpy(-matrix @ mean))

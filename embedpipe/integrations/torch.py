"""Word vectors as a torch layer."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from embedpipe.loading import Bundle
from embedpipe.text.vocabulary import PAD

if TYPE_CHECKING:
    from embedpipe.words.table import WordVectors

__all__ = ["to_embedding_layer"]


def to_embedding_layer(source: "Bundle | WordVectors", *, freeze: bool = True, sparse: bool = False) -> nn.Embedding:
    """Return the word vectors as an embedding layer: row *i* is the token with id *i*, as in the bundle's codec.

    Parameters
    ----------
    source : an opened bundle or its word vectors.
    freeze : whether training leaves the vectors as they are.
    sparse : whether gradients are sparse, to be used with ``torch.optim.SparseAdam``.

    Returns
    -------
    nn.Embedding
        Of shape (n_tokens, dim), float32, a copy; the padding id is 0 and ids 0 to 3 have zero rows.
    """
    words = source.words if isinstance(source, Bundle) else source
    weight = torch.from_numpy(np.array(words.vectors, dtype=np.float32))
    layer = nn.Embedding(weight.shape[0], weight.shape[1], padding_idx=PAD, sparse=sparse, _weight=weight)
    layer.weight.requires_grad_(not freeze)
    return layer

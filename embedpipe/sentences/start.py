"""Networks before training: the one that starts as the SIF average, and the random one that it is compared with."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from embedpipe.sentences.network import EncoderShape, SentenceNetwork

if TYPE_CHECKING:
    from embedpipe.config import SentencesConfig
    from embedpipe.words.bag import Bag

__all__ = ["random_network", "start_network"]

_PROJECTION_SCALE = 0.01


def start_network(bag: "Bag", config: "SentencesConfig", *, seed: int) -> SentenceNetwork:
    """Return the network that training starts from: the bag's vectors and weights below a random LSTM.

    Parameters
    ----------
    bag : vectors and weights of the sentence space, row *i* for token id *i*.
    """
    n_tokens, dim = bag.vectors.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SentenceNetwork(EncoderShape(n_tokens, dim, config.hidden, config.pooling), config.dropout)
    weights = torch.from_numpy(np.array(bag.weights, dtype=np.float32))
    known = weights > 0
    with torch.no_grad():
        network.embedding.weight.copy_(torch.from_numpy(np.array(bag.vectors, dtype=np.float32)))
        network.log_weight.weight.copy_(torch.where(known, weights, 1.0).log()[:, None])
        network.known.copy_(known)
        network.projection.weight.mul_(_PROJECTION_SCALE)
        network.projection.bias.zero_()
    return network.eval()


def random_network(bag: "Bag", config: "SentencesConfig", *, seed: int) -> SentenceNetwork:
    """Return a network of the same shape in which nothing is learnt but the word vectors: the baseline of trained ones.

    A random LSTM over the bag's vectors and a random projection, without the average under it (Wieting & Kiela, 2019,
    "No Training Required").
    """
    network = start_network(bag, config, seed=seed)
    with torch.no_grad():
        network.log_weight.weight.fill_(-torch.inf)
        network.projection.weight.div_(_PROJECTION_SCALE)
    return network

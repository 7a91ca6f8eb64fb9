"""Networks before training: the one that starts as the SIF average, and the random one that it is compared with."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from embedpipe.nn.readers import reader_width
from embedpipe.sentences.nested import check_nested
from embedpipe.sentences.network import EncoderShape, SentenceNetwork
from embedpipe.words.postprocess import principal_directions, weighted_moments

if TYPE_CHECKING:
    from embedpipe.config import SentencesConfig
    from embedpipe.words.bag import Bag

__all__ = ["principal_axes", "random_network", "same_size", "start_network"]

_PROJECTION_SCALE = 0.01


def start_network(bag: "Bag", config: "SentencesConfig", *, seed: int) -> SentenceNetwork:
    """Return the network that training starts from: the bag's vectors and weights below a random reader.

    A residual network, whose projection is near zero, is the SIF average at the start. Where `config` asks for a
    smaller width than that of the word vectors, the average's principal components are kept; where it asks for a
    larger one, zeros stand behind it; with nested widths it is turned so that its principal components come first.
    Where the reader has components of its own, the average has the first half of them.

    Parameters
    ----------
    bag : vectors and weights of the sentence space, row *i* for token id *i*.
    config : architecture, widths and dropout.
    seed : of the reader and the projection; other random numbers are left as they were.

    Returns
    -------
    SentenceNetwork
        On the CPU, in evaluation mode.

    Raises
    ------
    ConfigError
        If a nested width is not below the width of the vectors.

    Examples
    --------
    >>> from embedpipe.config import SentencesConfig
    >>> from embedpipe.words.bag import Bag
    >>> bag = Bag(np.eye(6, 3, -3, dtype=np.float32), np.array([0, 0, 0, 0.5, 0.5, 0.1], dtype=np.float32))
    >>> network = start_network(bag, SentencesConfig(architecture="bag", dim=4), seed=1)
    >>> network(torch.tensor([[3, 4]]), torch.tensor([2])).detach().round(decimals=2).tolist()
    [[0.7099999785423279, 0.7099999785423279, 0.0, 0.0]]
    """
    n_tokens, word_dim = bag.vectors.shape
    dim = config.dim or word_dim
    if not config.dim and config.beside and config.architecture != "bag":
        dim += reader_width(config.architecture, config.hidden) + (word_dim if config.moments else 0)
    check_nested(config.nested_dims, dim)
    shape = EncoderShape(
        n_tokens=n_tokens,
        word_dim=word_dim,
        dim=dim,
        architecture=config.architecture,
        hidden=config.hidden,
        layers=config.layers,
        heads=config.heads,
        pooling=config.pooling,
        residual=config.residual,
        beside=config.beside,
        moments=config.moments,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SentenceNetwork(shape, config.dropout, input_p=config.input_p, embed_p=config.embed_p)
    vectors = np.array(bag.vectors, dtype=np.float32)
    if shape.average_dim < word_dim or config.nested_dims:
        vectors = vectors @ principal_axes(bag).T
    weights = torch.from_numpy(np.array(bag.weights, dtype=np.float32))
    known = weights > 0
    with torch.no_grad():
        network.embedding.weight.copy_(torch.from_numpy(vectors))
        network.log_weight.weight.copy_(torch.where(known, weights, 1.0).log()[:, None])
        network.known.copy_(known)
        if isinstance(network.resize, nn.Linear):
            network.resize.weight.copy_(torch.eye(shape.average_dim, word_dim))
        if network.reader is not None:
            network.projection.bias.zero_()
            if shape.residual and not shape.own_dim:
                network.projection.weight.mul_(_PROJECTION_SCALE)
    return network.eval()


def random_network(bag: "Bag", config: "SentencesConfig", *, seed: int) -> SentenceNetwork:
    """Return a network of the same size in which nothing is learnt but the word vectors: the baseline of trained ones.

    A random reader over the bag's vectors and a random projection, without the average beside it (Wieting & Kiela,
    2019, "No Training Required"). Of a `bag`, which has no reader, nothing is left but the average.
    """
    return start_network(bag, config.model_copy(update={"residual": False}), seed=seed)


def same_size(shape: EncoderShape) -> "SentencesConfig":
    """Return the settings that give a network of this shape over the same bag."""
    from embedpipe.config import SentencesConfig

    return SentencesConfig(
        architecture=shape.architecture,
        hidden=shape.hidden,
        layers=shape.layers,
        heads=shape.heads,
        pooling=shape.pooling,
        dim=shape.dim,
        residual=shape.residual,
        beside=shape.beside,
        moments=shape.moments,
    )


def principal_axes(bag: "Bag") -> NDArray[np.float32]:
    """Return the directions along which the averages of a bag are largest in text, largest first.

    A word of probability p and weight w adds p w² v v' to the second moment of the averages; the weights of SIF,
    w = a / (a + p), say p but for the factor a: p w² is w (1 - w). Where no weight lies between 0 and 1, all words
    with one count alike.

    Returns
    -------
    float32 array of shape (dim, dim)
        Orthonormal rows; of each the component that is largest in size is positive.
    """
    shares = (bag.weights * (1 - bag.weights)).clip(min=0).astype(np.float64)
    if not shares.any():
        shares = (bag.weights > 0).astype(np.float64)
    mean, covariance = weighted_moments(bag.vectors, shares)
    axes = principal_directions(covariance + np.outer(mean, mean), bag.dim)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return (axes * np.sign(largest)).astype(np.float32)

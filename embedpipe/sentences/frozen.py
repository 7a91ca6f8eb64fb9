"""A trained network as encoding runs it: at a precision, and an LSTM on a CPU as `nn.frozen` runs it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from embedpipe.errors import ConfigError
from embedpipe.nn.frozen import FrozenLSTM, FrozenPrecision, freeze
from embedpipe.nn.readers import BidirectionalLSTM, Recurrent
from embedpipe.sentences.network import SentenceNetwork

__all__ = ["Encode", "freeze_network"]

_FEW = 32
"""Distinct words, of a sentence or two, up to which torch's own LSTM, one operation, costs less than a dozen a step."""

Encode = Callable[[Tensor, Tensor], Tensor]
"""From a batch, numbers of shape (batch, time) and lengths that do not rise, to float32 vectors (batch, dim)."""


def freeze_network(network: SentenceNetwork, precision: FrozenPrecision) -> Callable[[Tensor], Encode]:
    """Return what encodes, with the weights that the network has now.

    Parameters
    ----------
    network : in evaluation mode.
    precision : of the products with the state of an LSTM; of other networks ``bf16`` is that of all products.

    Returns
    -------
    A function that is given distinct token ids, int64 of shape (n,), and returns the function that encodes batches
    of numbers of those ids.

    Raises
    ------
    ConfigError
        For int8, if the network is no LSTM on a CPU, or the processor does not multiply such integers exactly.
    """
    on_cpu = network.embedding.weight.device.type == "cpu"
    layers = _directions(network.reader, precision) if on_cpu else None
    if layers is not None:
        few = _FEW if precision == "fp32" else 0
        return lambda distinct: (
            _lstm(network, layers, distinct) if len(distinct) > few else _plain(network, distinct, bf16=False)
        )
    if precision == "int8":
        where = network.shape.architecture if on_cpu else f"network on {network.embedding.weight.device}"
        raise ConfigError(f"precision int8 is for LSTMs on a CPU, not for this {where}; use bf16 or fp32")
    return lambda distinct: _plain(network, distinct, bf16=precision == "bf16")


def _directions(reader: nn.Module | None, precision: FrozenPrecision) -> list[tuple[FrozenLSTM, ...]] | None:
    """Return the frozen directions of each layer, or None where the reader is no LSTM."""
    if isinstance(reader, Recurrent) and isinstance(reader.net, nn.LSTM):
        return [(layer,) for layer in freeze(reader.net, precision)]
    if isinstance(reader, BidirectionalLSTM):
        pairs = zip(reader.forwards, reader.backwards, strict=True)
        return [tuple(layer for lstm in pair for layer in freeze(_as_lstm(lstm), precision)) for pair in pairs]
    return None


def _as_lstm(module: nn.Module) -> nn.LSTM:
    assert isinstance(module, nn.LSTM)
    return module


def _plain(network: SentenceNetwork, distinct: Tensor, *, bf16: bool) -> Encode:
    device = network.embedding.weight.device

    def encode(numbers: Tensor, lengths: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            vectors: Tensor = network(distinct[numbers].to(device), lengths.to(device))
        return vectors.cpu()

    return encode


def _lstm(network: SentenceNetwork, layers: list[tuple[FrozenLSTM, ...]], distinct: Tensor) -> Encode:
    words = network.embedding.weight[distinct] * network.shape.word_dim**0.5
    words_read = [direction.project(words) for direction in layers[0]]

    def encode(numbers: Tensor, lengths: Tensor) -> Tensor:
        batch, time = numbers.shape
        live = [n for n in (lengths[:, None] > torch.arange(time)).sum(dim=0).tolist() if n]
        rows, index = words_read, numbers.T
        for depth, directions in enumerate(layers):
            hidden = directions[0].hidden
            outputs = words.new_zeros(time, batch, hidden * len(directions))
            ahead = outputs[:, :, :hidden]
            for direction, table, into, backwards in zip(
                directions, rows, (ahead, outputs[:, :, hidden:]), (False, True), strict=False
            ):
                direction(table, index, live, into, backwards=backwards)
            above = layers[depth + 1] if depth + 1 < len(layers) else ()
            rows = [direction.project(outputs.view(time * batch, -1)) for direction in above]
            index = torch.arange(time * batch).view(time, batch)
        ends = ahead[(lengths - 1).clamp(min=0), torch.arange(batch)]
        read = outputs.transpose(0, 1), torch.cat([ends, outputs[0, :, hidden:]], dim=1)
        vectors: Tensor = network(distinct[numbers], lengths, read)
        return vectors

    return encode

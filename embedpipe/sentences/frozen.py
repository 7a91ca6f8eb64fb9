"""A trained network as encoding runs it: at a precision, and an LSTM on a CPU as `nn.frozen` runs it."""

from collections.abc import Callable
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.errors import ConfigError
from embedpipe.nn.frozen import FEWEST_ROWS, FrozenLSTM, FrozenPrecision, freeze, read_one
from embedpipe.nn.readers import BidirectionalLSTM, Recurrent
from embedpipe.sentences.network import SentenceNetwork

__all__ = ["Encode", "freeze_network"]

Encode = Callable[[Tensor, Tensor], Tensor]
"""From a batch, numbers of shape (batch, time) and lengths that do not rise, to float32 vectors (batch, dim)."""


def freeze_network(network: SentenceNetwork, precision: FrozenPrecision) -> Callable[[Tensor], Encode]:
    """Return what encodes, with the weights that the network has now.

    Parameters
    ----------
    network : in evaluation mode.
    precision : of the products with the state of an LSTM; of other readers ``bf16`` is that of all products. What is
        averaged, pooled and projected stays in float32, so a bag is the same at both.

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
        return lambda distinct: _lstm(network, layers, distinct)
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
        ids, lengths = distinct[numbers].to(device), lengths.to(device)
        read = _read_in_bf16(network, ids, lengths) if bf16 and network.reader is not None else None
        vectors: Tensor = network(ids, lengths, read)
        return vectors.cpu()

    return encode


def _read_in_bf16(network: SentenceNetwork, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the reader returns, as float32; what is pooled, averaged and projected of it stays in float32.

    A rounding that falls to the other side is seen in bfloat16, so on a CPU no sequence is read with padding, or in a
    product of too few rows: those of one length are read together, and filled up to four.
    """
    assert network.reader is not None
    embedded = network.embedding(ids) * network.shape.word_dim**0.5
    if ids.device.type != "cpu":
        with torch.autocast(ids.device.type, torch.bfloat16):
            outputs, last = network.reader(embedded, lengths)
        return outputs.float(), last.float()
    outputs = embedded.new_zeros(*ids.shape, network.reader.out_dim)
    lasts, start = [], 0
    for length, group in groupby(lengths.tolist()):
        n = len(list(group))
        rows = embedded[start : start + n, : max(length, 1)]
        filled = F.pad(rows, (0, 0, 0, 0, 0, max(FEWEST_ROWS - n, 0)))
        with torch.autocast("cpu", torch.bfloat16):
            read, last = network.reader(filled, lengths.new_full((len(filled),), length))
        outputs[start : start + n, : rows.shape[1]] = read[:n]
        lasts.append(last[:n].float())
        start += n
    return outputs, torch.cat(lasts)


def _lstm(network: SentenceNetwork, layers: list[tuple[FrozenLSTM, ...]], distinct: Tensor) -> Encode:
    words = network.embedding.weight[distinct] * network.shape.word_dim**0.5
    words_read = [direction.project(words) for direction in layers[0]]

    def encode(numbers: Tensor, lengths: Tensor) -> Tensor:
        read = _read_one if len(numbers) == 1 and lengths[0] else _read_batch
        vectors: Tensor = network(distinct[numbers], lengths, read(layers, words_read, numbers, lengths))
        return vectors

    return encode


def _read_one(
    layers: list[tuple[FrozenLSTM, ...]], rows: list[Tensor], numbers: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what a reader returns, of one sequence that is not empty."""
    index = numbers[0, : int(lengths[0])]
    outputs = read_one(layers[0], rows, index)
    for directions in layers[1:]:
        rows = [direction.project(outputs) for direction in directions]
        outputs = read_one(directions, rows, torch.arange(len(index)))
    hidden = layers[0][0].hidden
    return outputs[None], torch.cat([outputs[-1:, :hidden], outputs[:1, hidden:]], dim=1)


def _read_batch(
    layers: list[tuple[FrozenLSTM, ...]], rows: list[Tensor], numbers: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what a reader returns, of sequences that stand longest first."""
    batch, time = numbers.shape
    live = [n for n in (lengths[:, None] > torch.arange(time)).sum(dim=0).tolist() if n]
    index = numbers.T
    for depth, directions in enumerate(layers):
        hidden, state_dim = directions[0].hidden, directions[0].state_dim
        states = rows[0].new_zeros(time, batch, len(directions), state_dim)
        for number, (direction, table) in enumerate(zip(directions, rows, strict=True)):
            direction(table, index, live, states[:, :, number], backwards=number == 1)
        outputs = states[..., :hidden].reshape(time, batch, -1)
        above = layers[depth + 1] if depth + 1 < len(layers) else ()
        rows = [direction.project(outputs.view(time * batch, -1)) for direction in above]
        index = torch.arange(time * batch).view(time, batch)
    ends = outputs[(lengths - 1).clamp(min=0), torch.arange(batch), :hidden]
    return outputs.transpose(0, 1), torch.cat([ends, outputs[0, :, hidden:]], dim=1)

"""The sentence encoder on disk: a folder with config.json and model.safetensors.

An encoder that was trained over word vectors which stood still does not hold them: its configuration names them by
their hash (format 3), and they are read where the words are. One with a table of its own is written as ever (format 2).
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from embedpipe.bundle.table import TABLE_KEY, table_hash
from embedpipe.bundle.tensors import map_tensors, private_map, save_tensors
from embedpipe.errors import BundleError
from embedpipe.sentences.network import Architecture, EncoderShape, SentenceNetwork
from embedpipe.sentences.pooling import Pooling

__all__ = ["load_encoder", "save_encoder"]

_KIND = "sentence-network"
_FIRST_KIND = "residual-lstm"
_FORMATS = {_FIRST_KIND: (1,), _KIND: (2, 3)}
_OWN_TABLE, _NAMED_TABLE = _FORMATS[_KIND]
_TABLE = "embedding.weight"
_MOST = {"n_tokens": 2**31 - 1, "dim": 2**16, "word_dim": 2**16, "hidden": 2**16, "layers": 64, "heads": 2**16}
_CHOICES: dict[str, tuple[Any, ...]] = {
    "architecture": get_args(Architecture),
    "pooling": get_args(Pooling),
    "residual": (True, False),
}
_FIRST_NAMES = {"reader.forwards.0.": "lstm.forwards.", "reader.backwards.0.": "lstm.backwards."}


def save_encoder(folder: Path, network: SentenceNetwork, words: NDArray[np.float32] | None = None) -> None:
    """Write ``config.json`` and ``model.safetensors`` into an existing folder; the same network, the same bytes.

    Parameters
    ----------
    words : float32 array of shape (n_tokens, word_dim), the sentence vectors of the words that the encoder will stand
        beside. Where the word table of the network is the same, it is not written a second time.
    """
    state = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    config = {"kind": _KIND, "format": _OWN_TABLE, **asdict(network.shape)}
    if not network.shape.moments:
        del config["moments"]
    if words is not None and np.array_equal(words, state[_TABLE]):
        config |= {"format": _NAMED_TABLE, TABLE_KEY: table_hash(words)}
        del state[_TABLE]
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    save_tensors(folder / "model.safetensors", state)


def load_encoder(
    folder: Path, n_tokens: int, words: Callable[[], NDArray[np.float32]] | None = None
) -> SentenceNetwork:
    """Read what `save_encoder` wrote, in this version or an earlier one: a network on the CPU, in evaluation mode.

    The word table, nearly all of the file, is mapped and not copied, and read as far as it is used.

    Parameters
    ----------
    n_tokens : size of the vocabulary that the encoder is to be used with.
    words : gives the sentence vectors of the words that the encoder stands beside; called where it has no table of its
        own.

    Raises
    ------
    BundleError
        If a file is missing, damaged, of another kind or of a newer format, a tensor is not of the shape that the
        configuration implies, or the words are not those that the encoder was made over; the message names the file
        and the tensor.
    """
    kind, shape, named = _read_shape(folder / "config.json", n_tokens)
    path = folder / "model.safetensors"
    tensors = map_tensors(path)
    if named is not None:
        tensors[_TABLE] = _named_table(folder / "config.json", named, words)
    with torch.device("meta"):
        network = SentenceNetwork(shape)
    expected = {_stored_name(name, kind): (name, tensor) for name, tensor in network.state_dict().items()}
    if extra := sorted(tensors.keys() - expected.keys()):
        raise BundleError(f"{path}: tensor '{extra[0]}' belongs to no {kind} encoder of {shape}")
    state = {}
    for stored, (name, tensor) in expected.items():
        if stored not in tensors:
            raise BundleError(f"{path}: tensor '{stored}' is missing")
        found = tensors[stored]
        if found.shape != tuple(tensor.shape) or found.dtype != "float32":
            raise BundleError(
                f"{path}: tensor '{stored}' is {found.dtype}{found.shape}, but config.json implies "
                f"float32{tuple(tensor.shape)}: the files are not of one encoder"
            )
        state[name] = torch.from_numpy(private_map(found) if stored == _TABLE else found.copy())
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(False).eval()


def _named_table(path: Path, named: str, words: Callable[[], NDArray[np.float32]] | None) -> NDArray[np.float32]:
    """Return the table that the configuration at `path` names, if `words` gives it."""
    if words is None:
        raise BundleError(f"{path}: the encoder has no word vectors of its own, and no words were given beside it")
    table = words()
    if (found := table_hash(table)) != named:
        raise BundleError(
            f"{path}: the encoder was made over other word vectors than the sentence_vectors in words.safetensors, "
            f"whose sha256 is {found[:12]}… and not {named[:12]}…; put back the words that it was made with, or make "
            "the bundle again"
        )
    return table


def _stored_name(name: str, kind: str) -> str:
    """Return the name that a tensor of the network has in a file of that kind."""
    if kind == _FIRST_KIND:
        for now, then in _FIRST_NAMES.items():
            if name.startswith(now):
                return then + name.removeprefix(now)
    return name


def _read_shape(path: Path, n_tokens: int) -> tuple[str, EncoderShape, str | None]:
    """Return the kind of file beside `path`, the shape of the network in it, and the hash of the table it lacks."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        kind, version = config["kind"], config["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: cannot be read as the configuration of an encoder: {error!r}") from error
    if kind not in (_KIND, _FIRST_KIND):
        raise BundleError(f"{path}: unknown kind of encoder {kind!r}; this version knows {', '.join(_FORMATS)}")
    if version not in _FORMATS[kind]:
        known = " and ".join(map(str, _FORMATS[kind]))
        raise BundleError(
            f"{path}: format {version!r}, but this version reads {known} of the kind {kind}; upgrade embedpipe"
        )
    if kind == _FIRST_KIND:
        config = _as_second_format(config)
    for name, most in _MOST.items():
        value = config.get(name)
        if type(value) is not int or not 1 <= value <= most:
            raise BundleError(f"{path}: '{name}' is {value!r}, expected a whole number from 1 to {most:,}")
    for name, choices in _CHOICES.items():
        value = config.get(name)
        if type(value) is not type(choices[0]) or value not in choices:
            raise BundleError(f"{path}: '{name}' is {value!r}, expected one of {choices}")
    beside = config.get("beside")
    if type(beside) not in (float, int) or not 0 <= beside < 1 or (beside and config["dim"] < 2):
        raise BundleError(f"{path}: 'beside' is {beside!r}, expected a share from 0 to 1 of vectors of two components")
    moments = config.get("moments", 0.0)
    if type(moments) not in (float, int) or not 0 <= moments < 1 - beside:
        raise BundleError(f"{path}: 'moments' is {moments!r}, expected a share that leaves some beside {beside}")
    shape = EncoderShape(
        **{name: config[name] for name in (*_MOST, *_CHOICES)}, beside=float(beside), moments=float(moments)
    )
    if shape.architecture == "transformer" and shape.hidden % shape.heads:
        raise BundleError(f"{path}: 'hidden' is {shape.hidden}, expected a multiple of 'heads', {shape.heads}")
    if shape.n_tokens != n_tokens:
        raise BundleError(
            f"{path}: the encoder has {shape.n_tokens} tokens but the vocabulary {n_tokens}: they are not of one bundle"
        )
    if version != _NAMED_TABLE:
        return kind, shape, None
    named = config.get(TABLE_KEY)
    if not isinstance(named, str) or not named:
        raise BundleError(f"{path}: '{TABLE_KEY}' is {named!r}, expected the sha256 of the word vectors")
    return kind, shape, named


def _as_second_format(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a file of the first format says in the words of the second: all were residual, of one layer."""
    sizes = {"word_dim": config.get("dim"), "layers": 1, "heads": 1}
    return {**config, **sizes, "architecture": "bilstm", "residual": True, "beside": 0.0}

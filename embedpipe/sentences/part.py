"""The sentence encoder on disk: a folder with config.json and model.safetensors."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import torch

from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError
from embedpipe.sentences.network import Architecture, EncoderShape, SentenceNetwork
from embedpipe.sentences.pooling import Pooling

__all__ = ["load_encoder", "save_encoder"]

_KIND, _FORMAT = "sentence-network", 2
_FIRST_KIND = "residual-lstm"
_FORMATS = {_FIRST_KIND: 1, _KIND: _FORMAT}
_MOST = {"n_tokens": 2**31 - 1, "dim": 2**16, "word_dim": 2**16, "hidden": 2**16, "layers": 64, "heads": 2**16}
_CHOICES: dict[str, tuple[Any, ...]] = {
    "architecture": get_args(Architecture),
    "pooling": get_args(Pooling),
    "residual": (True, False),
}
_FIRST_NAMES = {"reader.forwards.0.": "lstm.forwards.", "reader.backwards.0.": "lstm.backwards."}


def save_encoder(folder: Path, network: SentenceNetwork) -> None:
    """Write ``config.json`` and ``model.safetensors`` into an existing folder; the same network, the same bytes."""
    config = {"kind": _KIND, "format": _FORMAT, **asdict(network.shape)}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    state = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    save_tensors(folder / "model.safetensors", state)


def load_encoder(folder: Path, n_tokens: int) -> SentenceNetwork:
    """Read what `save_encoder` wrote, in this version or an earlier one: a network on the CPU, in evaluation mode.

    Parameters
    ----------
    n_tokens : size of the vocabulary that the encoder is to be used with.

    Raises
    ------
    BundleError
        If a file is missing, damaged, of another kind or of a newer format, or a tensor is not of the shape that
        the configuration implies; the message names the file and the tensor.
    """
    kind, shape = _read_shape(folder / "config.json", n_tokens)
    path = folder / "model.safetensors"
    tensors = map_tensors(path)
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
        state[name] = torch.from_numpy(found.copy())
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(False).eval()


def _stored_name(name: str, kind: str) -> str:
    """Return the name that a tensor of the network has in a file of that kind."""
    if kind == _FIRST_KIND:
        for now, then in _FIRST_NAMES.items():
            if name.startswith(now):
                return then + name.removeprefix(now)
    return name


def _read_shape(path: Path, n_tokens: int) -> tuple[str, EncoderShape]:
    """Return the kind of file that stands beside `path` and the shape of the network in it."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        kind, version = config["kind"], config["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: cannot be read as the configuration of an encoder: {error!r}") from error
    if kind not in (_KIND, _FIRST_KIND):
        raise BundleError(f"{path}: unknown kind of encoder {kind!r}; this version knows {', '.join(_FORMATS)}")
    if version != _FORMATS[kind]:
        raise BundleError(
            f"{path}: format {version!r}, but this version reads {_FORMATS[kind]} of the kind {kind}; upgrade embedpipe"
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
    shape = EncoderShape(**{name: config[name] for name in (*_MOST, *_CHOICES)})
    if shape.architecture == "transformer" and shape.hidden % shape.heads:
        raise BundleError(f"{path}: 'hidden' is {shape.hidden}, expected a multiple of 'heads', {shape.heads}")
    if shape.n_tokens != n_tokens:
        raise BundleError(
            f"{path}: the encoder has {shape.n_tokens} tokens but the vocabulary {n_tokens}: they are not of one bundle"
        )
    return kind, shape


def _as_second_format(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a file of the first format says in the words of the second: all were residual, of one layer."""
    sizes = {"word_dim": config.get("dim"), "layers": 1, "heads": 1}
    return {**config, **sizes, "architecture": "bilstm", "residual": True}

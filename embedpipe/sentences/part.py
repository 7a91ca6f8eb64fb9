"""The sentence encoder on disk: a folder with config.json and model.safetensors."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import torch

from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError
from embedpipe.sentences.network import EncoderShape, Pooling, SentenceNetwork

__all__ = ["load_encoder", "save_encoder"]

FORMAT = 1
_KIND = "residual-lstm"


def save_encoder(folder: Path, network: SentenceNetwork) -> None:
    """Write ``config.json`` and ``model.safetensors`` into an existing folder; the same network, the same bytes."""
    config = {"kind": _KIND, "format": FORMAT, **asdict(network.shape)}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    state = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    save_tensors(folder / "model.safetensors", state)


def load_encoder(folder: Path, n_tokens: int) -> SentenceNetwork:
    """Read what `save_encoder` wrote: a network on the CPU, in evaluation mode.

    Parameters
    ----------
    n_tokens : size of the vocabulary that the encoder is to be used with.

    Raises
    ------
    BundleError
        If a file is missing, damaged, of another kind or of a newer format, or a tensor is not of the shape that
        the configuration implies; the message names the file and the tensor.
    """
    shape = _read_shape(folder / "config.json", n_tokens)
    path = folder / "model.safetensors"
    tensors = map_tensors(path)
    # The random start is overwritten at once; the caller's random numbers are left as they were.
    with torch.random.fork_rng(devices=[]):
        network = SentenceNetwork(shape)
    expected = network.state_dict()
    if extra := sorted(tensors.keys() - expected.keys()):
        raise BundleError(f"{path}: tensor '{extra[0]}' belongs to no {_KIND} encoder")
    for name, tensor in expected.items():
        if name not in tensors:
            raise BundleError(f"{path}: tensor '{name}' is missing")
        found = tensors[name]
        if found.shape != tuple(tensor.shape) or found.dtype != "float32":
            raise BundleError(
                f"{path}: tensor '{name}' is {found.dtype}{found.shape}, but config.json implies "
                f"float32{tuple(tensor.shape)}: the files are not of one encoder"
            )
    state = {name: torch.from_numpy(tensors[name].copy()) for name in expected}
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(False).eval()


def _read_shape(path: Path, n_tokens: int) -> EncoderShape:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        kind, version = config["kind"], config["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: cannot be read as the configuration of an encoder: {error!r}") from error
    if kind != _KIND:
        raise BundleError(f"{path}: unknown kind of encoder '{kind}'; this version knows {_KIND}")
    if version != FORMAT:
        raise BundleError(f"{path}: format {version!r}, but this version reads {FORMAT}; upgrade embedpipe")
    sizes = {name: config.get(name) for name in ("n_tokens", "dim", "hidden")}
    for name, value in sizes.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**31:
            raise BundleError(f"{path}: '{name}' is {value!r}, expected a whole number above zero")
    if config.get("pooling") not in get_args(Pooling):
        raise BundleError(f"{path}: 'pooling' is {config.get('pooling')!r}, expected {get_args(Pooling)}")
    if sizes["n_tokens"] != n_tokens:
        raise BundleError(
            f"{path}: the encoder has {sizes['n_tokens']} tokens but the vocabulary {n_tokens}: they are not of "
            "one bundle"
        )
    return EncoderShape(**sizes, pooling=config["pooling"])

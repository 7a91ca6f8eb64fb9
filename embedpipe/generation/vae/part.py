"""The generative model's folders in a bundle: ``vae`` reads sentences and maps z, ``vae_decoder`` is what writes."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError
from embedpipe.generation.part import load_generator, save_generator
from embedpipe.generation.vae.network import SentenceVAE, VAEShape
from embedpipe.nn.readers import ReaderKind

__all__ = ["load_vae", "save_vae"]

_KIND, _FORMAT = "sentence-vae", 1
_MOST = {"dim": 4_096, "hidden": 2**16, "layers": 64, "heads": 2**16}
_CHOICES: dict[str, tuple[Any, ...]] = {"reader": get_args(ReaderKind), "beside": (True, False)}
_DECODER = "decoder."


def save_vae(folder: Path, decoder_folder: Path, model: SentenceVAE) -> None:
    """Write a model into two folders, which are made if they are missing; the same weights give the same bytes.

    The decoder is written as any generator is.
    """
    save_generator(decoder_folder, model.decoder)
    folder.mkdir(parents=True, exist_ok=True)
    shape = {name: value for name, value in asdict(model.shape).items() if name != "decoder"}
    content = {"kind": _KIND, "format": _FORMAT, **shape}
    (folder / "config.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    tensors = {n: t.detach().cpu().numpy() for n, t in model.state_dict().items() if not n.startswith(_DECODER)}
    save_tensors(folder / "model.safetensors", tensors)


def load_vae(folder: Path, decoder_folder: Path, n_tokens: int) -> SentenceVAE:
    """Read what `save_vae` wrote: on the CPU and in evaluation mode.

    Parameters
    ----------
    n_tokens : size of the vocabulary that the model must fit.

    Raises
    ------
    BundleError
        If a file is missing or damaged, of another kind or a newer format, or a tensor has not the shape that
        the configuration implies; the message names the file and the tensor.
    """
    decoder = load_generator(decoder_folder, n_tokens)
    sizes = _read_config(folder / "config.json")
    path = folder / "model.safetensors"
    tensors = map_tensors(path)
    with torch.device("meta"):
        model = SentenceVAE(VAEShape(decoder.shape, **sizes))
    expected = {name: like for name, like in model.state_dict().items() if not name.startswith(_DECODER)}
    state = {name: _checked(path, name, tensors, like) for name, like in expected.items()}
    if foreign := tensors.keys() - expected.keys():
        raise BundleError(f"{path}: tensor '{min(foreign)}' does not belong to a generative model of {model.shape}")
    state |= {f"{_DECODER}{name}": tensor for name, tensor in decoder.state_dict().items()}
    model.load_state_dict(state, assign=True)
    return model.requires_grad_(False).eval()


def _checked(path: Path, name: str, tensors: Mapping[str, NDArray[Any]], like: torch.Tensor) -> torch.Tensor:
    """Return a tensor of the file, if it is what the configuration implies."""
    if name not in tensors:
        raise BundleError(f"{path}: tensor '{name}' is missing")
    found = tensors[name]
    if found.dtype != np.float32 or found.shape != tuple(like.shape):
        raise BundleError(
            f"{path}: tensor '{name}' is {found.dtype}{found.shape}, but config.json and the decoder imply "
            f"float32{tuple(like.shape)}"
        )
    if not np.isfinite(found).all():
        raise BundleError(f"{path}: tensor '{name}' holds values that are not finite numbers")
    return torch.from_numpy(np.array(found))


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise BundleError(f"{path}: not a generative model of the kind '{_KIND}'")
    if content.get("format") != _FORMAT:
        raise BundleError(
            f"{path}: format {content.get('format')!r} is not format {_FORMAT}, which this version of embedpipe reads; "
            "a newer format needs a newer embedpipe"
        )
    sizes: dict[str, Any] = {}
    for name, most in _MOST.items():
        value = content.get(name)
        if type(value) is not int or not 1 <= value <= most:
            raise BundleError(f"{path}: '{name}' is {value!r}, not a size from 1 to {most:,}")
        sizes[name] = value
    for name, allowed in _CHOICES.items():
        value = content.get(name)
        if type(value) is not type(allowed[0]) or value not in allowed:
            raise BundleError(f"{path}: '{name}' is {value!r}, not one of {', '.join(map(str, allowed))}")
        sizes[name] = value
    if sizes["reader"] == "transformer" and sizes["hidden"] % sizes["heads"]:
        raise BundleError(f"{path}: 'hidden' is {sizes['hidden']}, not a multiple of 'heads', {sizes['heads']}")
    return sizes

"""The generative model's folders in a bundle: ``vae`` reads sentences and maps z, ``vae_decoder`` is what writes."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import torch

from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError
from embedpipe.generation.part import load_generator, save_generator
from embedpipe.generation.vae.network import SentenceVAE, VAEShape
from embedpipe.nn.readers import ReaderKind
from embedpipe.nn.stored import checked_tensors, read_choices, read_config, read_sizes

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
    sizes = _read_sizes(folder / "config.json")
    path = folder / "model.safetensors"
    with torch.device("meta"):
        model = SentenceVAE(VAEShape(decoder.shape, **sizes))
    expected = {name: like for name, like in model.state_dict().items() if not name.startswith(_DECODER)}
    state = checked_tensors(path, map_tensors(path), expected, f"a generative model of {model.shape}")
    state |= {f"{_DECODER}{name}": tensor for name, tensor in decoder.state_dict().items()}
    model.load_state_dict(state, assign=True)
    return model.requires_grad_(False).eval()


def _read_sizes(path: Path) -> dict[str, Any]:
    _, content = read_config(path, "a generative model", {_KIND: _FORMAT})
    sizes = read_sizes(path, content, _MOST) | read_choices(path, content, _CHOICES)
    if sizes["reader"] == "transformer" and sizes["hidden"] % sizes["heads"]:
        raise BundleError(f"{path}: 'hidden' is {sizes['hidden']}, not a multiple of 'heads', {sizes['heads']}")
    return sizes

"""The generator's folder in a bundle: ``config.json`` and ``model.safetensors``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import torch

from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError, ConfigError
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.nn.causal import CausalKind
from embedpipe.nn.stored import checked_tensors, read_choices, read_config, read_sizes

__all__ = ["load_generator", "save_generator"]

_KIND, _FORMAT = "language-model", 2
_FIRST_KIND = "lstm-lm"
_FORMATS = {_FIRST_KIND: 1, _KIND: _FORMAT}
_MOST = {"n_tokens": 2**31, "dim": 2**16, "hidden": 2**16, "layers": 64}
_MOST_NOW = {"heads": 2**16, "context": 2**31}
_CHOICES: dict[str, tuple[Any, ...]] = {"architecture": get_args(CausalKind), "tied": (True, False)}
_FIRST_NAMES = {"reader.layers.": "lstms."}


def save_generator(folder: Path, model: LanguageModel) -> None:
    """Write the model into `folder`, which is made if it is missing; the same weights give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"kind": _KIND, "format": _FORMAT, **asdict(model.shape)}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    save_tensors(
        folder / "model.safetensors",
        {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()},
    )


def load_generator(folder: Path, n_tokens: int) -> LanguageModel:
    """Read what `save_generator` wrote, in this version or an earlier one: on the CPU and in evaluation mode.

    Parameters
    ----------
    n_tokens : size of the vocabulary that the model must fit.

    Raises
    ------
    BundleError
        If a file is missing or damaged, of another kind or a newer format, or a tensor has not the shape that
        the configuration implies; the message names the file and the tensor.
    """
    kind, shape = _read_shape(folder / "config.json", n_tokens)
    path = folder / "model.safetensors"
    with torch.device("meta"):
        model = LanguageModel(shape)
    names = {_stored_name(name, kind): name for name in model.state_dict()}
    expected = {stored: model.state_dict()[name] for stored, name in names.items()}
    found = checked_tensors(path, map_tensors(path), expected, f"a generator of {shape}")
    model.load_state_dict({names[stored]: tensor for stored, tensor in found.items()}, assign=True)
    return model.requires_grad_(False).eval()


def _stored_name(name: str, kind: str) -> str:
    """Return the name that a tensor of the model has in a file of that kind."""
    if kind == _FIRST_KIND:
        for now, then in _FIRST_NAMES.items():
            if name.startswith(now):
                return then + name.removeprefix(now)
    return name


def _read_shape(path: Path, n_tokens: int) -> tuple[str, Shape]:
    """Return the kind of file that stands beside `path` and the shape of the network in it."""
    kind, content = read_config(path, "a generator", _FORMATS)
    first = kind == _FIRST_KIND
    sizes = read_sizes(path, content, _MOST if first else _MOST | _MOST_NOW)
    choices = {} if first else read_choices(path, content, _CHOICES)
    if sizes["n_tokens"] != n_tokens:
        raise BundleError(f"{path}: the generator has {sizes['n_tokens']:,} tokens but the vocabulary {n_tokens:,}")
    cutoffs = [] if first else content.get("cutoffs")
    if not isinstance(cutoffs, list) or not all(type(cutoff) is int for cutoff in cutoffs):
        raise BundleError(f"{path}: 'cutoffs' is {cutoffs!r}, not a list of ids")
    try:
        return kind, Shape(**sizes, **choices, cutoffs=tuple(cutoffs))
    except ConfigError as error:
        raise BundleError(f"{path}: {error}") from error

"""The generator's folder in a bundle: ``config.json`` and ``model.safetensors``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError, ConfigError
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.nn.causal import CausalKind

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
    kind, shape = _read_config(folder / "config.json", n_tokens)
    path = folder / "model.safetensors"
    tensors = map_tensors(path)
    with torch.device("meta"):
        model = LanguageModel(shape)
    expected = {_stored_name(name, kind): (name, tensor) for name, tensor in model.state_dict().items()}
    if missing := expected.keys() - tensors.keys():
        raise BundleError(f"{path}: tensor '{min(missing)}' is missing")
    if foreign := tensors.keys() - expected.keys():
        raise BundleError(f"{path}: tensor '{min(foreign)}' does not belong to a generator of {shape}")
    state = {}
    for stored, (name, like) in expected.items():
        found = tensors[stored]
        if found.dtype != np.float32 or found.shape != tuple(like.shape):
            raise BundleError(
                f"{path}: tensor '{stored}' is {found.dtype}{found.shape}, "
                f"but config.json implies float32{tuple(like.shape)}"
            )
        if not np.isfinite(found).all():
            raise BundleError(f"{path}: tensor '{stored}' holds values that are not finite numbers")
        state[name] = torch.from_numpy(np.array(found))
    model.load_state_dict(state, assign=True)
    return model.requires_grad_(False).eval()


def _stored_name(name: str, kind: str) -> str:
    """Return the name that a tensor of the model has in a file of that kind."""
    if kind == _FIRST_KIND:
        for now, then in _FIRST_NAMES.items():
            if name.startswith(now):
                return then + name.removeprefix(now)
    return name


def _read_config(path: Path, n_tokens: int) -> tuple[str, Shape]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read: {error}") from error
    kind = content.get("kind") if isinstance(content, dict) else None
    if not isinstance(kind, str) or kind not in _FORMATS:
        raise BundleError(f"{path}: not a generator of the kind '{_KIND}'")
    if content.get("format") != _FORMATS[kind]:
        raise BundleError(
            f"{path}: format {content.get('format')!r} is not format {_FORMATS[kind]}, which this version of embedpipe "
            "reads; a newer format needs a newer embedpipe"
        )
    sizes: dict[str, Any] = {}
    for name, most in (_MOST | _MOST_NOW if kind == _KIND else _MOST).items():
        value = content.get(name)
        if type(value) is not int or not 1 <= value <= most:
            raise BundleError(f"{path}: '{name}' is {value!r}, not a size from 1 to {most:,}")
        sizes[name] = value
    choices: dict[str, Any] = {}
    for name, allowed in _CHOICES.items() if kind == _KIND else ():
        value = content.get(name)
        if type(value) is not type(allowed[0]) or value not in allowed:
            raise BundleError(f"{path}: '{name}' is {value!r}, not one of {', '.join(map(str, allowed))}")
        choices[name] = value
    if sizes["n_tokens"] != n_tokens:
        raise BundleError(f"{path}: the generator has {sizes['n_tokens']:,} tokens but the vocabulary {n_tokens:,}")
    cutoffs = content.get("cutoffs") if kind == _KIND else []
    if not isinstance(cutoffs, list) or not all(type(cutoff) is int for cutoff in cutoffs):
        raise BundleError(f"{path}: 'cutoffs' is {cutoffs!r}, not a list of ids")
    try:
        return kind, Shape(**sizes, **choices, cutoffs=tuple(cutoffs))
    except ConfigError as error:
        raise BundleError(f"{path}: {error}") from error

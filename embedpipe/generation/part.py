"""The generator's folder in a bundle: ``config.json`` and ``model.safetensors``."""

import json
from pathlib import Path

import numpy as np
import torch

from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError
from embedpipe.generation.language_model import LanguageModel

__all__ = ["load_generator", "save_generator"]

_KIND, _FORMAT = "lstm-lm", 1
_SIZES = ("n_tokens", "dim", "hidden", "layers")
_MOST = {"n_tokens": 2**31, "dim": 2**16, "hidden": 2**16, "layers": 64}


def save_generator(folder: Path, model: LanguageModel) -> None:
    """Write the model into `folder`, which is made if it is missing; the same weights give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"kind": _KIND, "format": _FORMAT, **{name: getattr(model, name) for name in _SIZES}}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    save_tensors(
        folder / "model.safetensors",
        {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()},
    )


def load_generator(folder: Path, n_tokens: int) -> LanguageModel:
    """Read what `save_generator` wrote, on the CPU and in evaluation mode.

    Parameters
    ----------
    n_tokens : size of the vocabulary that the model must fit.

    Raises
    ------
    BundleError
        If a file is missing or damaged, of another kind or a newer format, or a tensor has not the shape that
        the configuration implies; the message names the file and the tensor.
    """
    sizes = _read_config(folder / "config.json", n_tokens)
    path = folder / "model.safetensors"
    tensors = map_tensors(path)
    with torch.device("meta"):
        model = LanguageModel(n_tokens, sizes["dim"], sizes["hidden"], sizes["layers"])
    expected = model.state_dict()
    if missing := expected.keys() - tensors.keys():
        raise BundleError(f"{path}: tensor '{min(missing)}' is missing")
    if foreign := tensors.keys() - expected.keys():
        raise BundleError(f"{path}: tensor '{min(foreign)}' does not belong to a generator of {sizes}")
    state = {}
    for name, like in expected.items():
        found = tensors[name]
        if found.dtype != np.float32 or found.shape != tuple(like.shape):
            raise BundleError(
                f"{path}: tensor '{name}' is {found.dtype}{found.shape}, "
                f"but config.json implies float32{tuple(like.shape)}"
            )
        if not np.isfinite(found).all():
            raise BundleError(f"{path}: tensor '{name}' holds values that are not finite numbers")
        state[name] = torch.from_numpy(np.array(found))
    model.load_state_dict(state, assign=True)
    return model.eval()


def _read_config(path: Path, n_tokens: int) -> dict[str, int]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise BundleError(f"{path}: not a generator of the kind '{_KIND}'")
    if content.get("format") != _FORMAT:
        raise BundleError(
            f"{path}: format {content.get('format')!r} is not format {_FORMAT}, which this version of embedpipe "
            "reads; a newer format needs a newer embedpipe"
        )
    for name in _SIZES:
        value = content.get(name)
        if type(value) is not int or not 1 <= value <= _MOST[name]:
            raise BundleError(f"{path}: '{name}' is {value!r}, not a size from 1 to {_MOST[name]:,}")
    if content["n_tokens"] != n_tokens:
        raise BundleError(f"{path}: the generator has {content['n_tokens']:,} tokens but the vocabulary {n_tokens:,}")
    return {name: content[name] for name in _SIZES}

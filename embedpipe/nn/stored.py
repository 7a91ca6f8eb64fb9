"""Networks on disk: what a ``config.json`` may say, and what the tensors beside it must be to become a network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.errors import BundleError

__all__ = ["checked_tensors", "read_choices", "read_config", "read_sizes"]


def read_config(path: Path, what: str, formats: Mapping[str, int]) -> tuple[str, dict[str, Any]]:
    """Return the kind of network that a configuration names, and all that it says.

    Parameters
    ----------
    what : is to be described, for messages.
    formats : of each kind that can be read; the last is what is written now.

    Raises
    ------
    BundleError
        If the file cannot be read, is of no such kind, or of another format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read: {error}") from error
    kind = content.get("kind") if isinstance(content, dict) else None
    if not isinstance(kind, str) or kind not in formats:
        raise BundleError(f"{path}: not {what} of the kind '{list(formats)[-1]}'")
    if content.get("format") != formats[kind]:
        raise BundleError(
            f"{path}: format {content.get('format')!r} is not format {formats[kind]}, which this version of embedpipe "
            "reads; a newer format needs a newer embedpipe"
        )
    return kind, content


def read_sizes(path: Path, content: Mapping[str, Any], most: Mapping[str, int]) -> dict[str, Any]:
    """Return the entries named in `most`; raise `BundleError` where one is no whole number from 1 to that."""
    for name, limit in most.items():
        value = content.get(name)
        if type(value) is not int or not 1 <= value <= limit:
            raise BundleError(f"{path}: '{name}' is {value!r}, not a size from 1 to {limit:,}")
    return {name: content[name] for name in most}


def read_choices(path: Path, content: Mapping[str, Any], choices: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """Return the entries named in `choices`; raise `BundleError` where one is none of these, or of another type."""
    for name, allowed in choices.items():
        value = content.get(name)
        if type(value) is not type(allowed[0]) or value not in allowed:
            raise BundleError(f"{path}: '{name}' is {value!r}, not one of {', '.join(map(str, allowed))}")
    return {name: content[name] for name in choices}


def checked_tensors(
    path: Path, tensors: Mapping[str, NDArray[Any]], expected: Mapping[str, Tensor], what: str
) -> dict[str, Tensor]:
    """Return the tensors of a file, copied, if they are those that a configuration implies.

    Parameters
    ----------
    expected : by the name in the file, a tensor of the shape that is implied; it may be on the meta device.
    what : the configuration implies, for messages.

    Raises
    ------
    BundleError
        If a tensor is missing, foreign, of another type or shape than float32 of `expected`, or not finite.
    """
    if missing := expected.keys() - tensors.keys():
        raise BundleError(f"{path}: tensor '{min(missing)}' is missing")
    if foreign := tensors.keys() - expected.keys():
        raise BundleError(f"{path}: tensor '{min(foreign)}' does not belong to {what}")
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
    return state

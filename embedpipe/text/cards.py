"""Cards in TOML: what is in one is known, present and of its type, or the card is named with what is wrong."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from embedpipe.errors import InputError
from embedpipe.text.read_types import did_you_mean

__all__ = ["card_folder", "checked_values", "read_toml", "toml_files"]


def read_toml(content: str, origin: str) -> dict[str, Any]:
    """Return the values of a TOML text; `origin` names it in the `InputError` for a text that is not TOML."""
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not TOML: {error}", origin) from error


def checked_values(
    values: Mapping[str, Any], origin: str, types: Mapping[str, type], required: Sequence[str]
) -> dict[str, Any]:
    """Return the values of a card.

    Parameters
    ----------
    values : by key.
    origin : names the card in errors.
    types : the type of each key that there may be.
    required : keys that there must be.

    Raises
    ------
    InputError
        If a key is unknown or missing, or a value has the wrong type.
    """
    for key, value in values.items():
        if key not in types:
            raise InputError(f"unknown key '{key}'{did_you_mean(key, types)}", origin)
        if type(value) is not types[key]:
            raise InputError(f"'{key}' is {type(value).__name__}, expected {types[key].__name__}", origin)
    if missing := [key for key in required if key not in values]:
        raise InputError(f"lacks {', '.join(missing)}", origin)
    return dict(values)


def card_folder(installed: str, checkout: str) -> Traversable:
    """Return the folder of some cards: inside an installed package, or at the top level of a checkout.

    Raises
    ------
    InputError
        If neither is there.
    """
    inside = files("embedpipe") / installed
    beside = Path(__file__).parents[2] / checkout
    if inside.is_dir():
        return inside
    if beside.is_dir():
        return beside
    raise InputError("the cards of the catalogue are not installed; install embedpipe again", beside)


def toml_files(folder: Traversable) -> list[Traversable]:
    """Return the TOML files of a folder in the order of their names, without the ending."""
    found = (entry for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return sorted(found, key=lambda entry: entry.name.removesuffix(".toml"))

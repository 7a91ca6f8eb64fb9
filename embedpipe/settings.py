"""Settings as TOML: read from a file, with single ones laid over it, and written."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedpipe.errors import ConfigError

if TYPE_CHECKING:
    from embedpipe.config import PipelineConfig

__all__ = ["load_config", "overlay", "to_toml"]


def load_config(path: Path | None, assignments: Sequence[str] = ()) -> dict[str, Any]:
    """Return the settings of a TOML file with ``section.key=value`` assignments laid over them.

    Raises
    ------
    ConfigError
        If the file cannot be read or is not TOML, or an assignment has no ``=``. Keys and values are checked by
        `PipelineConfig.of`.
    """
    settings: dict[str, Any] = {}
    if path is not None:
        try:
            settings = _migrated(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}; name a file of settings in TOML") from error
        except ValueError as error:
            raise ConfigError(f"{path}: is not TOML: {error}") from error
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set takes section.key=value, for example words.epochs=10, not '{assignment}'")
        try:
            parsed = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            parsed = value
        nested: Any = parsed
        for part in reversed(key.strip().split(".")):
            nested = {part: nested}
        settings = overlay(settings, nested)
    return settings


def _migrated(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings of format 1, which had one training and one step, as they are now; others as they are."""
    words = settings.get("words")
    if not isinstance(words, dict) or "whitening" not in words or "steps" in words:
        return settings
    kept = {key: value for key, value in words.items() if key != "whitening"}
    return {**settings, "words": {"beside": "none", **kept, "steps": [f"whiten:{words['whitening']}"]}}


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings with others laid over them.

    >>> overlay({"seed": 1, "words": {"dim": 50, "epochs": 3}}, {"words": {"dim": 8}})
    {'seed': 1, 'words': {'dim': 8, 'epochs': 3}}
    """
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = overlay(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def to_toml(config: "PipelineConfig") -> str:
    """Return the complete configuration as TOML that `load_config` reads back; what is None is left out."""
    content = config.model_dump(mode="json", exclude_none=True)
    top = [f"{key} = {_toml(value)}" for key, value in content.items() if not isinstance(value, dict)]
    for section, values in content.items():
        if isinstance(values, dict):
            top += ["", f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    return "\n".join(top) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)

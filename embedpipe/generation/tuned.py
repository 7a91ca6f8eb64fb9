"""Settings of cache and dynamic evaluation that were found for one model, kept in a folder for the next time."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError, EmbedpipeError
from embedpipe.generation.cache import ContinuousCache, tune_cache
from embedpipe.generation.dynamic import DynamicEvaluation, GradientSizes, gradient_sizes, shapes_of_sizes
from embedpipe.generation.evaluation import held_out
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.tune_dynamic import tune_dynamic
from embedpipe.text.token_store import TokenStore

__all__ = ["Tuned", "find_cache", "find_dynamic", "load_tuned", "save_tuned"]

_SETTINGS, _GRADIENTS = "settings.json", "gradients.safetensors"
_FORMAT = 3
_CACHE_TOKENS, _CACHE_ROWS = 10_000, 4
_DYNAMIC_TOKENS, _GRADIENT_TOKENS, _GRADIENT_ROWS = 2_048, 2_048, 16
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found for a model; None is not looked for yet."""

    cache: ContinuousCache | None = None
    dynamic: DynamicEvaluation | None = None
    sizes: GradientSizes | None = None


def find_cache(model: LanguageModel, validation: TokenStore) -> ContinuousCache:
    """Tune a cache on four long stretches of the validation text."""
    return tune_cache(model, held_out(validation.tokens, limit=_CACHE_TOKENS, rows=_CACHE_ROWS).tokens)


def find_dynamic(
    model: LanguageModel, train: TokenStore, validation: TokenStore, say: Callable[[str], None]
) -> tuple[DynamicEvaluation, GradientSizes]:
    """Measure gradients on the training text and tune dynamic evaluation on the validation text, within a minute.

    `say` is told how many settings were tried.
    """
    segment = DynamicEvaluation().segment
    sample = held_out(train.tokens, limit=_GRADIENT_TOKENS, rows=_GRADIENT_ROWS).tokens
    sizes = gradient_sizes(model, sample, segment=segment)
    watched = held_out(validation.tokens, limit=_DYNAMIC_TOKENS, rows=1).tokens
    found = tune_dynamic(model, watched, sizes, seconds=_SECONDS, segment=segment)
    say(f"{len(found.losses)} of {found.n_asked} settings of dynamic evaluation were tried to the end")
    return found.settings, sizes


def load_tuned(folder: Path, of: str, model: LanguageModel) -> Tuned:
    """Return what `save_tuned` wrote for `model`, whose hash is `of`; nothing where it wrote nothing or for another.

    Raises
    ------
    BundleError
        If a file is damaged, or its gradients are not those of the model; the message says what to delete.
    """
    file = folder / _SETTINGS
    if not file.is_file():
        return Tuned()
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT or content["of"] != of:
            return Tuned()
        cache, dynamic, sizes = content["cache"], content["dynamic"], None
        if cache is not None:
            cache = ContinuousCache(**_checked(cache, ContinuousCache()))
        if dynamic is not None:
            dynamic = DynamicEvaluation(**_checked(dynamic, DynamicEvaluation()))
            sizes = _sizes(folder / _GRADIENTS, model)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EmbedpipeError) as error:
        raise BundleError(f"{folder}: cannot be read: {error}; delete it to have its settings found again") from error
    return Tuned(cache, dynamic, sizes)


def _checked(content: Any, of: ContinuousCache | DynamicEvaluation) -> dict[str, Any]:
    """Return settings that were written as JSON, each of its type in `of`; a float may be a whole number."""
    wanted = {name: type(value) for name, value in asdict(of).items()}
    if content.keys() != wanted.keys():
        raise ValueError(f"holds the settings {', '.join(content)}, not {', '.join(wanted)}")
    for name, value in content.items():
        if type(value) is not wanted[name] and not (wanted[name] is float and type(value) is int):
            raise ValueError(f"{name} is {value!r}, not of type {wanted[name].__name__}")
    return dict(content)


def _sizes(file: Path, model: LanguageModel) -> GradientSizes:
    arrays, wanted = map_tensors(file), shapes_of_sizes(model)
    if arrays.keys() != wanted.keys():
        raise ValueError(f"{file.name} lacks or adds {', '.join(sorted(arrays.keys() ^ wanted.keys()))}")
    for name, shape in wanted.items():
        size = arrays[name]
        if size.shape != shape or size.dtype != np.float32:
            raise ValueError(f"{file.name}: {name} is {size.dtype} of shape {size.shape}, not float32 of {shape}")
        if not (np.isfinite(size).all() and (size >= 0).all()):
            raise ValueError(f"{file.name}: {name} holds numbers that are negative or not finite")
    return GradientSizes({name: torch.from_numpy(size.copy()) for name, size in arrays.items()})


def save_tuned(folder: Path, of: str, tuned: Tuned) -> None:
    """Write what was found for the model `of` (a hash of its file), in place of what is there.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if tuned.sizes is not None:
        new = folder / f"{_GRADIENTS}.new"
        save_tensors(new, {name: size.cpu().numpy() for name, size in tuned.sizes.of.items()})
        new.replace(folder / _GRADIENTS)
    settings = {name: one and asdict(one) for name, one in (("cache", tuned.cache), ("dynamic", tuned.dynamic))}
    new = folder / f"{_SETTINGS}.new"
    new.write_text(json.dumps({"format": _FORMAT, "of": of, **settings}, indent=1) + "\n", encoding="utf-8")
    new.replace(folder / _SETTINGS)

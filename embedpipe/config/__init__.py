"""Every setting of the pipeline, one model per stage, and the presets that fill them.

Models are strict: an unknown key is an error that names the nearest known one. The filled configuration is saved with
the bundle as ``config.toml``. Nothing else in the package knows a default.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError

from embedpipe.config.generation import GenerationConfig
from embedpipe.config.latent import LatentConfig
from embedpipe.config.probes import ProbesConfig
from embedpipe.config.sentences import SentencesConfig
from embedpipe.config.strict import Strict
from embedpipe.config.text import TextConfig
from embedpipe.config.words import WordsConfig
from embedpipe.errors import ConfigError
from embedpipe.presets import preset_settings
from embedpipe.settings import overlay

__all__ = [
    "RECORDED",
    "STAGES",
    "GenerationConfig",
    "LatentConfig",
    "PipelineConfig",
    "PresetName",
    "ProbesConfig",
    "SentencesConfig",
    "TextConfig",
    "WordsConfig",
]

PresetName = Literal["auto", "tiny", "small", "medium", "base", "article"]
_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
}
STAGES = ("text", "words", "sentences", "generation", "probes")
"""What a run makes."""
RECORDED = ("text", "words", "sentences", "generation", "latent", "probes")
"""What a bundle may hold records of, in their order; `latent` is made by ``embedpipe train latent``."""


class PipelineConfig(Strict):
    """The complete configuration of the main job."""

    preset: Literal["tiny", "small", "medium", "base", "article"]
    seed: int = Field(default=1, ge=0, lt=2**32)
    reproducible: bool = False
    """One Word2Vec worker and deterministic kernels: byte-identical weights from the same seed and versions."""
    text: TextConfig = TextConfig()
    words: WordsConfig = WordsConfig()
    sentences: SentencesConfig = SentencesConfig()
    generation: GenerationConfig = GenerationConfig()
    latent: LatentConfig = LatentConfig()
    probes: ProbesConfig = ProbesConfig()

    @classmethod
    def of(cls, preset: str, settings: Mapping[str, Any]) -> Self:
        """Return the preset with `settings` (nested like the configuration file) laid over it."""
        content = overlay({"preset": preset, **preset_settings(preset, settings)}, settings)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from error


def _explain(error: ValidationError) -> str:
    wrong: dict[str, tuple[list[str], object]] = {}
    lines = []
    for problem in error.errors():
        # What follows section and key in a location is the place in a list, or pydantic's name of an alternative.
        name = ".".join(str(part) for part in problem["loc"][:2])
        kind, message = problem["type"], problem["msg"]
        if kind == "extra_forbidden":
            lines.append(f"unknown setting '{name}'" + _hint(str(problem["loc"][-1]), name))
        elif kind in ("model_type", "dict_type"):
            lines.append(f"'{name}' is a section of settings; set one with {name}.KEY=VALUE, not {problem['input']!r}")
        elif kind == "value_error":
            lines.append(f"section '{name}': {message.removeprefix('Value error, ')}")
        else:
            expected, _ = wrong.setdefault(name, ([], problem["input"]))
            expected.append(_EXPECTED.get(kind) or message.removeprefix("Input should be "))
    lines += [
        f"setting '{name}': should be {' or '.join(all_)}, not {value!r}" for name, (all_, value) in wrong.items()
    ]
    return "\n".join(lines)


def _hint(key: str, name: str) -> str:
    section, dot, rest = key.partition(".")
    if dot:
        return f"; settings are nested by section: {{{section!r}: {{{rest!r}: ...}}}}"
    near = get_close_matches(name, _all_keys(), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _all_keys() -> list[str]:
    keys = []
    for name, field in PipelineConfig.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            keys += [name, *(f"{name}.{key}" for key in section.model_fields)]
        else:
            keys.append(name)
    return keys

"""The presets: what is chosen for a size of corpus, laid under the settings of a run."""

from collections.abc import Mapping
from typing import Any

from embedpipe.errors import ConfigError

__all__ = ["PRESETS", "SIZES", "knows_both_sides", "preset_for", "preset_reason", "preset_settings", "take_preset"]

_WORDS: dict[str, Any] = {
    "architecture": "cbow",
    "window": 8,
    "negatives": 20,
    "subsample": 1e-4,
    "learning_rate": 0.05,
    "beside": "skipgram",
}
"""What was best at every size that was measured (docs/words.md)."""
_STEPS = ("join-contexts", "whiten:0.35", "unit", "join")
"""Then the width; and what words spelt alike have in common, of which less is added where more text was read."""
_SENTENCES = {"beside": 0.1, "words_learning_rate": 0.0}
_LARGER = {"moments": 0.01, "neighbours": 0.75, "language_model": 0.25}
"""More steps of neighbours alone let go of what a sentence says, and a classifier reads more of second moments
(docs/experiments/sentences.md)."""
_SMALL: dict[str, dict[str, Any]] = {
    "sentences": {**_SENTENCES, "hidden": 256, "batch": 256, "steps": 750},
    "generation": {"hidden": 256, "steps": 4_000, "batch": 32, "bptt": 32, "learning_rate": 5e-3},
}
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "tiny": {
        "words": {
            **_WORDS,
            "dim": 100,
            "epochs": 40,
            "beside_window": 10,
            "beside_negatives": 8,
            "beside_epochs": 20,
            "steps": (*_STEPS, "reduce:200", "ngrams:0.8"),
        },
        "sentences": {**_SENTENCES, "hidden": 128, "batch": 128, "steps": 200, "whiten": 0.25},
        "generation": {"hidden": 160, "steps": 2_000, "batch": 16, "bptt": 24},
        "probes": {"sentences_per_task": 400},
    },
    "small": {
        "words": {
            **_WORDS,
            "dim": 200,
            "epochs": 15,
            "beside_epochs": 10,
            "steps": (*_STEPS, "reduce:300", "ngrams:0.8"),
        },
        **_SMALL,
    },
    "medium": {
        "words": {
            **_WORDS,
            "dim": 200,
            "epochs": 12,
            "beside_epochs": 8,
            "beside_subsample": 2e-5,
            "steps": (*_STEPS, "reduce:300", "ngrams:0.5"),
        },
        **_SMALL,
        "sentences": {**_SMALL["sentences"], **_LARGER, "steps": 2_000},
    },
    "base": {
        "words": {
            **_WORDS,
            "dim": 300,
            "epochs": 5,
            "beside_epochs": 3,
            "steps": (*_STEPS, "reduce:300", "ngrams:0.3"),
        },
        "sentences": {**_SENTENCES, **_LARGER, "hidden": 512, "batch": 512, "steps": 4_000},
        "generation": {
            "hidden": 512,
            "steps": 20_000,
            "batch": 64,
            "bptt": 70,
            "learning_rate": 3e-3,
            "input_p": 0.2,
            "hidden_p": 0.2,
            "embed_p": 0.05,
        },
    },
    "article": {
        "text": {"max_size": 10_000},
        "words": {
            **_WORDS,
            "dim": 128,
            "epochs": 15,
            "beside_epochs": 10,
            "steps": (*_STEPS, "reduce:128"),
        },
        "sentences": _SMALL["sentences"],
        "generation": {
            "architecture": "lstm",
            "hidden": 64,
            "layers": 1,
            "tied": False,
            "start": "random",
            "softmax": "full",
            "epochs": 10,
            "batch": 32,
            "bptt": 35,
            "learning_rate": 1e-3,
            "schedule": "constant",
            "warmup": 0.0,
            "weight_decay": 0.0,
            "clip": 1e6,
            "input_p": 0.0,
            "hidden_p": 0.0,
            "output_p": 0.0,
        },
    },
}
SIZES = ("tiny", "small", "medium", "base")
"""The presets that ``auto`` chooses from; the text is prepared before it does, so none of them touches ``text``."""
_BELOW = {"tiny": 1_500_000, "small": 12_000_000, "medium": 50_000_000}
"""Training tokens that a corpus of each preset has fewer of."""
_ROWS = {
    "tiny": "under 1.5 million",
    "small": "1.5 to 12 million",
    "medium": "12 to 50 million",
    "base": "50 million and more",
}


def preset_settings(preset: str, settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a preset without what the settings rule out.

    Of the words these are contexts and a training beside; of the encoder, the language model where the reader knows
    both sides; of the generator they are steps where epochs are given, and epochs where steps are.
    """
    values, words, generation = PRESETS[preset], settings.get("words"), settings.get("generation")
    sentences = settings.get("sentences")
    if isinstance(sentences, Mapping) and knows_both_sides(
        sentences.get("architecture", "bilstm"), sentences.get("layers", 1)
    ):
        kept = {key: value for key, value in values["sentences"].items() if key != "language_model"}
        values = {**values, "sentences": kept}
    if isinstance(generation, Mapping):
        ruled_out = {other for one, other in (("epochs", "steps"), ("steps", "epochs")) if generation.get(one)}
        kept = {key: value for key, value in values["generation"].items() if key not in ruled_out}
        values = {**values, "generation": kept}
    if not isinstance(words, Mapping):
        return values
    if words.get("subwords") or words.get("objective") == "hierarchical" or words.get("epochs") == 0:
        kept = {key: value for key, value in values["words"].items() if key not in ("steps", "beside")}
        return {**values, "words": kept}
    return values


def knows_both_sides(architecture: object, layers: object) -> bool:
    """Return whether each output of an encoder's reader depends on the words on both sides, or there is no reader.

    >>> knows_both_sides("bilstm", 1), knows_both_sides("bilstm", 2), knows_both_sides("lstm", 2)
    (False, True, False)
    """
    return architecture in ("bag", "transformer") or (architecture == "bilstm" and layers != 1)


def take_preset(settings: dict[str, Any], preset: str | None) -> str:
    """Take the preset out of `settings` and return `preset`, or that one where it is None; ``auto`` where none is.

    Raises
    ------
    ConfigError
        If there is no preset of that name.
    """
    in_settings = settings.pop("preset", "auto")
    chosen: str = in_settings if preset is None else preset
    if chosen not in ("auto", *PRESETS):
        raise ConfigError(f"unknown preset '{chosen}': use auto, {', '.join(PRESETS)}")
    return chosen


def preset_for(n_tokens: int) -> str:
    """Return the preset that ``auto`` stands for on a corpus with `n_tokens` training tokens."""
    return next((name for name, limit in _BELOW.items() if n_tokens < limit), "base")


def preset_reason(n_tokens: int) -> str:
    """Return what ``auto`` chooses for `n_tokens` training tokens, and by which row of the table in docs/words.md.

    The language is not asked for: what was best for English was best for Chinese.

    >>> preset_reason(5_883_904)
    'preset small for 5,883,904 training tokens (1.5 to 12 million)'
    """
    name = preset_for(n_tokens)
    return f"preset {name} for {n_tokens:,} training tokens ({_ROWS[name]})"

"""Which settings of the words are tried: a short ordered list of values each, and lists of steps."""

from collections.abc import Mapping, Sequence

from embedpipe.config import WordsConfig
from embedpipe.errors import ConfigError
from embedpipe.words.steps import without_ngrams

__all__ = ["SPACE", "Value", "own_value", "search_space", "step_lists"]

Value = str | int | float | bool

SPACE: Mapping[str, tuple[Value, ...]] = {
    "architecture": ("skipgram", "cbow"),
    "dim": (50, 100, 150, 200, 300, 400),
    "window": (2, 3, 5, 8, 10, 15),
    "negatives": (3, 5, 8, 12, 20),
    "epochs": (3, 5, 8, 10, 15, 20, 30),
    "subsample": (1e-5, 3e-5, 1e-4, 3e-4, 1e-3),
    "learning_rate": (0.0125, 0.025, 0.035, 0.05, 0.075),
    "beside_window": (2, 3, 5, 8, 10, 15),
    "beside_epochs": (3, 5, 8, 10, 15, 20, 30),
    "beside_subsample": (1e-5, 3e-5, 1e-4, 3e-4, 1e-3),
}
"""Settings of the words and the values that are tried, from small to large."""

_STEPS: tuple[tuple[str, ...], ...] = (
    (),
    ("whiten:0.3",),
    ("whiten:0.5",),
    ("whiten:0.7",),
    ("all-but-the-top:2",),
    ("add-contexts", "all-but-the-top:2"),
    ("add-contexts", "whiten:0.3"),
    ("add-contexts", "whiten:0.5"),
)
_NGRAMS = ("ngrams:0.3", "ngrams:0.6", "ngrams:1")
"""Tried after the steps of the settings; with subwords n-grams are trained, not fitted."""


def search_space(
    base: WordsConfig, given: Mapping[str, object], *, subwords: bool, space: Mapping[str, Sequence[Value]] = SPACE
) -> dict[str, tuple[Value, ...]]:
    """Return the values to try of each setting, those of `base` among them; a setting that is given is not searched.

    Parameters
    ----------
    base : the settings of the words to start from.
    given : settings of the words that are to stay as they are.
    subwords : try with and without n-grams too.
    space : values by setting.

    Raises
    ------
    ConfigError
        If nothing is left to search.

    Examples
    --------
    >>> search_space(WordsConfig(dim=64), {"window": 4}, subwords=False, space={"dim": (50, 100), "window": (2, 5)})
    {'dim': (50, 64, 100)}
    """
    wanted = {**space, **({"subwords": (False, True)} if subwords else {})}
    if base.objective != "negative":
        wanted.pop("negatives", None)
    if base.beside == "none":
        wanted = {name: values for name, values in wanted.items() if not name.startswith("beside_")}
    found = {name: _with(values, own_value(base, name)) for name, values in wanted.items() if name not in given}
    if not found:
        raise ConfigError(f"every setting to search is given ({', '.join(wanted)}): leave out those to be found")
    return found


def own_value(config: WordsConfig, setting: str) -> Value:
    """Return what `config` has for a setting that is searched; subsampling that is left out is that of the first.

    >>> own_value(WordsConfig(subsample=1e-3), "beside_subsample")
    0.001
    """
    value: Value = config.subsample_beside if setting == "beside_subsample" else getattr(config, setting)
    return value


def step_lists(config: WordsConfig, given: Mapping[str, object]) -> list[tuple[str, ...]]:
    """Return the lists of steps to try on vectors that were trained with `config`, its own first.

    >>> step_lists(WordsConfig(subwords=True, steps=("centre",)), {})[:3]
    [('centre',), (), ('whiten:0.3',)]
    >>> step_lists(WordsConfig(), {"steps": ("whiten:0.5",)})
    [('whiten:0.5',)]
    """
    if "steps" in given:
        return [config.steps]
    contexts = config.objective == "negative" and not config.subwords
    possible = [steps for steps in _STEPS if contexts or "add-contexts" not in steps]
    without = without_ngrams(config.steps)
    spelt = [] if config.subwords else [without, *((*without, step) for step in _NGRAMS)]
    return list(dict.fromkeys([config.steps, *spelt, *possible]))


def _with(values: Sequence[Value], own: Value) -> tuple[Value, ...]:
    if own in values:
        return tuple(values)
    return (*values, own) if isinstance(own, str) else tuple(sorted([*values, own]))

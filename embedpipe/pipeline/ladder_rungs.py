"""The rungs of the ladder as data: what each one is, what it is compared with, and its settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from embedpipe.config import GenerationConfig
from embedpipe.errors import ConfigError
from embedpipe.presets import PRESETS
from embedpipe.settings import overlay

__all__ = ["BASE", "GROUPS", "RUNGS", "Rung", "base_of", "choose_rungs", "compared_with", "rung_config"]

Group = Literal["ladder", "regularisation", "size and start", "rate and batch"]

GROUPS: dict[Group, str] = {
    "ladder": "from counts to networks, each compared with the one below",
    "regularisation": "the AWD-LSTM with one thing changed: dropout, L1, L2, augmentation",
    "size and start": "the AWD-LSTM with one thing changed: more parameters, what its word table begins with",
    "rate and batch": "the AWD-LSTM with one thing changed: learning rate and batch size",
}
"""What the rungs of each group have in common."""

BASE: dict[str, dict[str, Any]] = {
    "text": {"max_size": 10_000},
    "generation": {
        "input_p": 0.2,
        "hidden_p": 0.1,
        "output_p": 0.2,
        "embed_p": 0.05,
        "weight_p": 0.2,
        "ar": 1.0,
        "tar": 0.5,
        "variable_bptt": True,
    },
}
"""Laid over the preset of the corpus: the vocabulary of the article, and the AWD-LSTM that all advice is tried on."""

_OF_THE_BASE = frozenset({"steps", "epochs", "precision", "samples"})
_ARTICLE: dict[str, Any] = {
    name: value
    for name, value in {**GenerationConfig().model_dump(), **PRESETS["article"]["generation"]}.items()
    if name not in _OF_THE_BASE
}
"""The preset ``article`` whole, so that nothing of the base is left in it."""
_NO_DROPOUT = {"input_p": 0.0, "hidden_p": 0.0, "output_p": 0.0, "embed_p": 0.0, "weight_p": 0.0}
_ADVISED = "awd-lstm"


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to predict the next word, and the one it is compared with.

    Parameters
    ----------
    name : on the command line and in tables.
    group : what it is drawn with.
    against : the rung that it is compared with; empty for the lowest.
    explains : one sentence for whoever learns.
    source : author and year.
    kind : counts of n-grams, a network that is trained, or the trained network of `against` with a cache.
    settings : of the section ``generation``, laid over the base.
    scaled : factors on settings of the base.
    dim : width of the word table; 0 is that of the word vectors, whether they are trained or not.
    longer : is given the seconds of the word vectors on top of its budget.
    """

    name: str
    group: Group
    against: str
    explains: str
    source: str
    kind: Literal["counts", "network", "cache"] = "network"
    settings: Mapping[str, Any] = field(default_factory=dict)
    scaled: Mapping[str, float] = field(default_factory=dict)
    dim: int = 0
    longer: bool = False


RUNGS: dict[str, Rung] = {
    rung.name: rung
    for rung in (
        Rung(
            "kneser-ney",
            "ladder",
            "",
            "Counts of up to five words in a row; what was never seen is guessed from shorter counts.",
            "Kneser and Ney, 1995; modified Chen and Goodman, 1999",
            kind="counts",
        ),
        Rung(
            "rnn",
            "ladder",
            "kneser-ney",
            "A plain recurrent network of the size of the article: one vector of state, rewritten at each word.",
            "Elman, 1990; as a language model Mikolov et al., 2010",
            settings={**_ARTICLE, "architecture": "rnn"},
            dim=128,
        ),
        Rung(
            "lstm",
            "ladder",
            "rnn",
            "The network of the article: word vectors of 128, one LSTM of 64, softmax, Adam; gates keep what is worth "
            "keeping.",
            "Hochreiter and Schmidhuber, 1997; as a language model Sundermeyer et al., 2012",
            settings={**_ARTICLE, "architecture": "lstm"},
            dim=128,
        ),
        Rung(
            "awd-lstm",
            "ladder",
            "lstm",
            "Two LSTMs that begin with the word vectors, which are the output weights too, with dropout at every place "
            "and on the recurrent weights, and windows of varying length.",
            "Merity et al., 2018; tied weights Press and Wolf, 2017",
        ),
        Rung(
            "awd-lstm-cache",
            "ladder",
            "awd-lstm",
            "The trained AWD-LSTM with a continuous cache, in which words that were read lately become more probable.",
            "Grave, Joulin and Usunier, 2017",
            kind="cache",
        ),
        Rung(
            "transformer",
            "ladder",
            "awd-lstm",
            "A small Transformer in place of the LSTMs, which looks back on all words within reach at once.",
            "Vaswani et al., 2017; as a language model Al-Rfou et al., 2019",
            settings={"architecture": "transformer", "weight_p": 0.0, "ar": 0.0, "tar": 0.0},
            scaled={"hidden": 4.0, "learning_rate": 0.2},
        ),
        Rung(
            "no-dropout",
            "regularisation",
            _ADVISED,
            "Nothing is dropped: dropout pays where a network can learn its text by heart, and slows it before.",
            "Srivastava et al., 2014; in recurrent networks Zaremba et al., 2014",
            settings=_NO_DROPOUT,
        ),
        Rung(
            "l1",
            "regularisation",
            _ADVISED,
            "A price on the absolute size of the weights, which makes many of them nearly zero.",
            "Tibshirani, 1996",
            settings={"l1": 1e-6},
        ),
        Rung(
            "l2",
            "regularisation",
            _ADVISED,
            "Ten times the weight decay, which keeps all weights small.",
            "Krogh and Hertz, 1992; decoupled Loshchilov and Hutter, 2019",
            scaled={"weight_decay": 10.0},
        ),
        Rung(
            "noise",
            "regularisation",
            _ADVISED,
            "Augmentation: one in ten of the words that are read is another one, drawn by frequency.",
            "Xie et al., 2017",
            settings={"noise_p": 0.1},
        ),
        Rung(
            "wide",
            "size and start",
            _ADVISED,
            "More parameters: layers of twice the width, of which fewer steps fit into the same seconds.",
            "Jozefowicz et al., 2016",
            scaled={"hidden": 2.0},
        ),
        Rung(
            "random-vectors",
            "size and start",
            _ADVISED,
            "The same network, whose word table begins at random.",
            "Kocmi and Bojar, 2017",
            settings={"start": "random"},
        ),
        Rung(
            "random-longer",
            "size and start",
            _ADVISED,
            "The same at random, with the seconds that the word vectors took on top of its own.",
            "Kocmi and Bojar, 2017",
            settings={"start": "random"},
            longer=True,
        ),
        Rung(
            "rate-up",
            "rate and batch",
            _ADVISED,
            "Three times the learning rate.",
            "Bengio, 2012",
            scaled={"learning_rate": 3.0},
        ),
        Rung(
            "rate-down",
            "rate and batch",
            _ADVISED,
            "A third of the learning rate.",
            "Bengio, 2012",
            scaled={"learning_rate": 1 / 3},
        ),
        Rung(
            "batch-up",
            "rate and batch",
            _ADVISED,
            "Twice as many rows in a batch: fewer steps, each along a less noisy gradient.",
            "Smith et al., 2018",
            scaled={"batch": 2.0},
        ),
        Rung(
            "batch-down",
            "rate and batch",
            _ADVISED,
            "Half as many rows in a batch: more steps, each along a noisier gradient.",
            "Keskar et al., 2017",
            scaled={"batch": 0.5},
        ),
    )
}


def choose_rungs(names: Sequence[str]) -> list[Rung]:
    """Return the rungs of these names in the order of the ladder, with those whose networks they go on from.

    Parameters
    ----------
    names : of rungs, of groups, or ``all``.

    Raises
    ------
    ConfigError
        If a name is unknown, or there is none.

    Examples
    --------
    >>> [rung.name for rung in choose_rungs(["lstm", "rnn"])]
    ['rnn', 'lstm']
    """
    if isinstance(names, str):
        raise TypeError("rungs is a list of names: wrap the string in a list")
    known = ["all", *GROUPS, *RUNGS]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ConfigError(f"unknown rung '{name}'{hint} (embedpipe ladder --list explains all)")
    wanted = {rung.name for rung in RUNGS.values() if {"all", rung.group, rung.name} & set(names)}
    if not wanted:
        raise ConfigError(f"no rung is named; name some of {', '.join(known)}")
    wanted |= {RUNGS[name].against for name in wanted if RUNGS[name].kind == "cache"}
    return [rung for rung in RUNGS.values() if rung.name in wanted]


def compared_with(rung: Rung, chosen: Sequence[str]) -> str:
    """Return the name of the nearest rung below that is among the chosen ones; empty where there is none.

    >>> compared_with(RUNGS["awd-lstm"], ["rnn", "awd-lstm"])
    'rnn'
    """
    name = rung.against
    while name and name not in chosen:
        name = RUNGS[name].against if name in RUNGS else ""
    return name


def base_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `settings`, nested by section, with the base of the ladder below them."""
    return overlay(BASE, settings)


def rung_config(rung: Rung, base: GenerationConfig) -> GenerationConfig:
    """Return the settings of a rung's network.

    >>> base = GenerationConfig(hidden=160, batch=16)
    >>> rung_config(RUNGS["wide"], base).hidden, rung_config(RUNGS["batch-down"], base).batch
    (320, 8)
    >>> rung_config(RUNGS["lstm"], base).hidden
    64
    """
    values = base.model_dump()
    for name, factor in rung.scaled.items():
        scaled = values[name] * factor
        values[name] = max(1, round(scaled)) if isinstance(values[name], int) else scaled
    return GenerationConfig.model_validate({**values, **rung.settings})

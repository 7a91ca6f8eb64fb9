"""What is asked of the writer: how the next token is chosen, what a text must be, and how wide a beam is."""

import math
from dataclasses import dataclass

from embedpipe.errors import ConfigError
from embedpipe.generation.decoding.numbers import whole

__all__ = ["DEFAULT_TOP_P", "Beam", "Decoding", "Limits"]

DEFAULT_TOP_P = 0.95
"""The nucleus that is drawn from where nothing else cuts the tail off."""

_GREEDY_BELOW = 1e-4
"""Divided by a lower temperature, any two logits that differ are too far apart for a draw between them."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the next token is chosen; `embedpipe.generation.decoding.draw.sample` says in which order.

    Parameters
    ----------
    temperature : divides the logits; 0, and all below 0.0001, takes the most probable token and draws nothing. In
        [0, 100].
    top_k : only the `top_k` most probable tokens may be drawn; 0, or more than there are, means all.
    top_p : only the smallest set of most probable tokens that together reach `top_p` may be drawn
        (Holtzman et al., 2020); 1 means all. In (0, 1]. None is 0.95, or 1 where `typical_p` or `min_p` cuts the tail.
    typical_p : only the tokens whose information is nearest to the entropy of the distribution, and that together
        reach `typical_p`, may be drawn (locally typical sampling: Meister et al., 2023); 1 means all. In (0, 1].
    min_p : only tokens at least `min_p` times as probable as the most probable one may be drawn (Nguyen et al., 2024);
        0 means all. In [0, 1].
    repetition_penalty : logits of tokens that stand in the text already are divided by it where they are positive and
        multiplied where they are negative (Keskar et al., 2019); 1 changes nothing. In [0.01, 100].
    no_repeat_ngram : no run of so many tokens is written twice; 0 allows all. The prompt counts as written.

    Raises
    ------
    ConfigError
        If a value is outside its range.

    Examples
    --------
    >>> Decoding().nucleus, Decoding(min_p=0.1).nucleus, Decoding(top_p=0.5, min_p=0.1).nucleus
    (0.95, 1.0, 0.5)
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float | None = None
    typical_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature <= 100.0:
            raise ConfigError(f"temperature lies between 0 (greedy) and 100, not {self.temperature}")
        if whole("top_k", self.top_k) < 0:
            raise ConfigError(f"top_k is 0 (no limit) or a number of tokens, not {self.top_k}")
        if self.top_p is not None and not 0.0 < self.top_p <= 1.0:
            raise ConfigError(f"top_p lies above 0 and up to 1 (no limit), not {self.top_p}")
        if not 0.0 < self.typical_p <= 1.0:
            raise ConfigError(f"typical_p lies above 0 and up to 1 (no limit), not {self.typical_p}")
        if not 0.0 <= self.min_p <= 1.0:
            raise ConfigError(f"min_p lies between 0 (no limit) and 1, not {self.min_p}")
        if not 0.01 <= self.repetition_penalty <= 100.0:
            raise ConfigError(f"repetition_penalty lies between 0.01 and 100 (1: none), not {self.repetition_penalty}")
        if whole("no_repeat_ngram", self.no_repeat_ngram) < 0:
            raise ConfigError(f"no_repeat_ngram is 0 (none) or a number of tokens, not {self.no_repeat_ngram}")

    @property
    def nucleus(self) -> float:
        """What `top_p` means: itself, or where it is None what goes with the other filters."""
        if self.top_p is not None:
            return self.top_p
        return 1.0 if self.typical_p < 1.0 or self.min_p > 0.0 else DEFAULT_TOP_P

    @property
    def takes_best(self) -> bool:
        """Whether the temperature is so low that the most probable token is taken and nothing drawn."""
        return self.temperature < _GREEDY_BELOW

    @property
    def is_greedy(self) -> bool:
        """Whether the same is written each time: the most probable token is taken, or the only one left drawn."""
        return self.takes_best or self.top_k == 1

    @property
    def looks_back(self) -> bool:
        """Whether what was written before changes what may follow."""
        return self.repetition_penalty != 1.0 or self.no_repeat_ngram > 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a text must be, however its tokens are chosen. Only what is written is meant, not the prompt.

    Parameters
    ----------
    max_tokens : a text ends after so many new tokens, at least 1.
    min_tokens : no sentence ends before so many new tokens, at least 1 (a text is never empty).
    sentences : a text ends with its so many-th sentence, at least 1.
    stop : a text ends before the first of these, which is left out, before `min_tokens` too. Case is that of the
        vocabulary.
    begin_with : what the written text begins with. A last word without a space behind it may be unfinished.
    ban : words, or runs of words, that are never written.

    Raises
    ------
    ConfigError
        If a value is outside its range, or a text is given in place of a list of texts.
    """

    max_tokens: int = 40
    min_tokens: int = 1
    sentences: int = 1
    stop: tuple[str, ...] = ()
    begin_with: str = ""
    ban: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("max_tokens", "min_tokens", "sentences"):
            if whole(name, getattr(self, name)) < 1:
                raise ConfigError(f"{name} is at least 1, not {getattr(self, name)}")
        if self.min_tokens > self.max_tokens:
            raise ConfigError(f"min_tokens is at most max_tokens ({self.max_tokens}), not {self.min_tokens}")
        for name in ("stop", "ban"):
            texts = getattr(self, name)
            if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
                raise ConfigError(f"{name} is a list of texts, not {texts!r:.80}")
            if any(not text.strip() for text in texts):
                raise ConfigError(f"{name} holds an empty text, which stands everywhere: leave it out")


@dataclass(frozen=True, slots=True)
class Beam:
    """How a beam search ranks texts.

    A text of *n* tokens, its ``<eos>`` counted, has the score ``log p / ((5 + n) / 6) ** length_penalty`` (Wu et al.,
    2016, without coverage).

    Parameters
    ----------
    width : how many unfinished texts are followed. In [1, 1000].
    length_penalty : 0 ranks by probability, which favours short texts; 1 about by the mean for each token. In [0, 10].
    repetition_penalty, no_repeat_ngram : as in `Decoding`.

    Raises
    ------
    ConfigError
        If a value is outside its range.

    Examples
    --------
    >>> Beam(length_penalty=1.0).score(-6.0, 7), Beam(length_penalty=0.0).score(-6.0, 7)
    (-3.0, -6.0)
    """

    width: int = 4
    length_penalty: float = 0.6
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0

    def __post_init__(self) -> None:
        if not 1 <= whole("width", self.width) <= 1_000:
            raise ConfigError(f"the width of a beam lies between 1 and 1,000, not {self.width}")
        if not (math.isfinite(self.length_penalty) and 0.0 <= self.length_penalty <= 10.0):
            raise ConfigError(f"length_penalty lies between 0 (none) and 10, not {self.length_penalty}")
        Decoding(repetition_penalty=self.repetition_penalty, no_repeat_ngram=self.no_repeat_ngram)

    def score(self, log_probability: float, n_tokens: int) -> float:
        """Return the score of a text of `n_tokens`."""
        return float(log_probability / ((5.0 + n_tokens) / 6.0) ** self.length_penalty)

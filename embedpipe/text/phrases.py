"""Phrases: pairs of words that become one token, how gensim finds them, and how a text is put in them.

`Phrases.merge` is the one rule. Preparing a corpus applies the same rule to arrays of ids (`merge_phrases`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from embedpipe.errors import BundleError
from embedpipe.text.vocabulary import DELIMITER

__all__ = ["Pair", "Phrases", "find_pairs", "may_be_part", "may_begin"]

Pair = tuple[str, str]

_GENSIM_DELIMITER = " "
"""No token holds a space, while phrases of an earlier pass hold ours: gensim takes a phrase apart at its delimiter."""


def may_be_part(token: str) -> bool:
    """Return whether a token can be part of a phrase: it begins with a letter or a digit.

    Punctuation never is, nor the possessive ``'s``. No tokenizer of words makes a token of a letter or digit and the
    delimiter together, so that a joined token is always a phrase.

    >>> [token for token in ["york", "'s", "_", ",", "1990", "京", "new_york"] if may_be_part(token)]
    ['york', '1990', '京', 'new_york']
    """
    return token[:1].isalnum()


def may_begin(token: str) -> bool:
    """Return whether a phrase can begin with a token: with a letter, not with a number as dates and measures do.

    >>> [token for token in ["apollo", "11", "1月", "京"] if may_begin(token)]
    ['apollo', '京']
    """
    return token[:1].isalpha()


@dataclass(frozen=True)
class Phrases:
    """Which neighbouring tokens become one.

    Parameters
    ----------
    passes : the pairs of each pass over a text; a later pass sees the tokens that the one before it has made.
    apart : joined tokens that are no phrases after the last pass: too rare by themselves (``york_city`` where
        ``new_york`` comes first), they are the words again.

    Examples
    --------
    >>> phrases = Phrases((frozenset({("new", "york")}), frozenset({("new_york", "city")})))
    >>> phrases.merge(["in", "new", "york", "city"])
    ['in', 'new_york_city']
    >>> phrases.words("new_york_city"), phrases.words("snake_case")
    (['new', 'york', 'city'], ['snake_case'])
    """

    passes: tuple[frozenset[Pair], ...]
    apart: frozenset[str] = frozenset()

    @cached_property
    def spellings(self) -> frozenset[str]:
        """The phrases as tokens."""
        return frozenset(DELIMITER.join(pair) for pairs in self.passes for pair in pairs) - self.apart

    def merge(self, tokens: Iterable[str]) -> list[str]:
        """Return the tokens with pairs joined, from left to right, none in two pairs of one pass."""
        for pairs in self.passes:
            tokens = _merge(tokens, pairs)
        if self.apart:
            return list(chain.from_iterable(map(self._dissolved, tokens)))
        return list(tokens)

    def words(self, token: str) -> list[str]:
        """Return the words of a phrase; any other token alone."""
        return token.split(DELIMITER) if token in self.spellings else [token]

    def spec(self) -> dict[str, Any]:
        """Return the phrases as plain JSON: for each pass the sorted list of its pairs, and what is taken apart."""
        return {"passes": [sorted(map(list, pairs)) for pairs in self.passes], "apart": sorted(self.apart)}

    @classmethod
    def from_spec(cls, spec: Any) -> "Phrases":
        """Return what `spec` describes; raise `BundleError` where it is not what `spec` returns."""
        try:
            passes = tuple(frozenset((first, second) for first, second in pairs) for pairs in spec["passes"])
            apart = frozenset(spec["apart"])
            whole = all(isinstance(word, str) for word in chain(apart, chain.from_iterable(chain(*passes))))
        except (TypeError, ValueError, KeyError):
            whole = False
        if not whole:
            raise BundleError("the phrases of the tokenizer are damaged: expected passes of pairs of words")
        return cls(passes, apart)

    def _dissolved(self, token: str) -> list[str]:
        return token.split(DELIMITER) if token in self.apart else [token]


def find_pairs(
    words: Mapping[str, int], pairs: Mapping[Pair, int], n_tokens: int, *, min_count: int, threshold: float
) -> frozenset[Pair]:
    """Return the pairs that gensim's `Phrases` takes for phrases by normalised pointwise mutual information.

    The counts are ours: gensim's own counting takes one step of Python for each token of the corpus.

    Parameters
    ----------
    words : how often each word of a pair occurs.
    pairs : how often the second word follows the first.
    n_tokens : tokens of the text.
    min_count : least count of a pair.
    threshold : in [-1, 1]; a phrase scores more (Bouma, 2009).

    Examples
    --------
    >>> pairs = {("new", "york"): 9, ("the", "new"): 9}
    >>> find_pairs({"the": 500, "new": 20, "york": 10}, pairs, 10_000, min_count=5, threshold=0.5)
    frozenset({('new', 'york')})
    """
    from gensim.models.phrases import Phrases as Scorer

    scorer = Scorer(min_count=min_count, threshold=threshold, scoring="npmi", delimiter=_GENSIM_DELIMITER)
    scorer.corpus_word_count = n_tokens
    scorer.vocab = {**words, **{_GENSIM_DELIMITER.join(pair): count for pair, count in pairs.items()}}
    return frozenset(tuple(phrase.split(_GENSIM_DELIMITER)) for phrase in scorer.export_phrases())


def _merge(tokens: Iterable[str], pairs: frozenset[Pair]) -> Sequence[str]:
    merged: list[str] = []
    before = ""  # the token that may yet begin a pair
    for token in tokens:
        if (before, token) in pairs:
            merged[-1] = before + DELIMITER + token
            before = ""
        else:
            merged.append(token)
            before = token
    return merged

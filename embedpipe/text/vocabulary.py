"""The one id space: row *i* of every table in a bundle is the token with id *i* here."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import BundleError, ConfigError, UnknownWordError
from embedpipe.text.normalise import fold, normalise
from embedpipe.text.spellings import Spellings

__all__ = ["BOS", "DELIMITER", "EOS", "PAD", "SPECIALS", "UNK", "WORD_START", "OOVPolicy", "Vocabulary"]

SPECIALS = ("<pad>", "<unk>", "<bos>", "<eos>")
PAD, UNK, BOS, EOS = range(4)
WORD_START = "▁"
"""Stands before a token of several characters that follows a space, where tokens are pieces of words."""
DELIMITER = "_"
"""Stands between the words of a phrase, where phrases are tokens."""

OOVPolicy = Literal["error", "skip", "unk"]


class Vocabulary:
    """Tokens and their counts in the training split, most frequent first, after the four specials.

    Parameters
    ----------
    tokens : all tokens in id order, beginning with ``<pad> <unk> <bos> <eos>``.
    counts : uint64 array of shape (n_tokens,): how often each occurs in the training split. The count of ``<unk>``
        is the number of training tokens outside the vocabulary.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts({"the": 5, "cat": 2, "sat": 1}, min_count=2)
    >>> vocabulary.tokens[4:], vocabulary.ids(["the", "dog", "cat"], oov="unk").tolist()
    (['the', 'cat'], [4, 1, 5])
    """

    def __init__(self, tokens: Sequence[str], counts: Sequence[int] | NDArray[np.uint64]) -> None:
        self._hold(tokens, counts)
        if len(self.index) != len(self.tokens):
            raise ValueError("a token stands twice in the vocabulary")

    def _hold(self, tokens: Sequence[str], counts: Sequence[int] | NDArray[np.uint64]) -> None:
        self.tokens = list(tokens)
        self.counts = np.asarray(counts, dtype=np.uint64)
        if tuple(self.tokens[:4]) != SPECIALS:
            raise ValueError(f"a vocabulary begins with {' '.join(SPECIALS)}, not {self.tokens[:4]}")
        if len(self.tokens) != len(self.counts):
            raise ValueError(f"{len(self.tokens)} tokens but {len(self.counts)} counts")

    @cached_property
    def index(self) -> dict[str, int]:
        """The id of each token; made when it is first asked for, which takes longer than reading the tokens."""
        return dict(zip(self.tokens, range(len(self.tokens)), strict=True))

    @classmethod
    def from_counts(cls, counts: Mapping[str, int], *, min_count: int = 1, max_size: int | None = None) -> "Vocabulary":
        """Return the vocabulary of the tokens seen at least `min_count` times, at most `max_size` of them.

        Equal counts are ordered by the token, so that the result does not depend on the order of `counts`. A token
        of the text that spells one of the four specials is counted as unknown: its id would mean something else.
        """
        kept = [(token, n) for token, n in counts.items() if n >= min_count and token not in SPECIALS]
        kept.sort(key=lambda item: (-item[1], item[0]))
        kept = kept[:max_size]
        unknown = sum(counts.values()) - sum(n for _, n in kept)
        return cls([*SPECIALS, *(t for t, _ in kept)], [0, unknown, 0, 0, *(n for _, n in kept)])

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return self.index.get(token, 0) >= len(SPECIALS)  # type: ignore[call-overload, no-any-return]

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """float64 array of shape (n_tokens,): unigram probability of each token among the known tokens."""
        counts = self.counts.astype(np.float64)
        counts[: len(SPECIALS)] = 0.0
        total = max(float(counts.sum()), 1.0)
        return np.divide(counts, total)

    def ids(self, tokens: Iterable[str], *, oov: OOVPolicy = "unk") -> NDArray[np.uint32]:
        """Return the ids of `tokens` as a uint32 array; unknown ones follow the policy `oov`.

        Raises
        ------
        UnknownWordError
            Under the policy ``error``, for the first unknown token.
        """
        if oov == "unk":
            get = self.index.get
            return np.fromiter((get(token, UNK) for token in tokens), dtype=np.uint32)
        if oov == "skip":
            return np.fromiter((self.index[t] for t in tokens if t in self.index), dtype=np.uint32)
        if oov == "error":
            return np.fromiter((self.id(token) for token in tokens), dtype=np.uint32)
        raise ConfigError(f"unknown policy '{oov}' for words outside the vocabulary: use error, skip or unk")

    def id(self, token: str) -> int:
        """Return the id of one ordinary token; raise `UnknownWordError` with near spellings otherwise."""
        if token not in self:
            raise UnknownWordError(token, self.near_spellings(token))
        return self.index[token]

    def find(self, word: str) -> int | None:
        """Return the id of the token that `word`, as a person writes it, stands for, or None.

        The word is looked up as it is, in the spelling of a prepared corpus (`normalise`), and in lower case. Where
        tokens are pieces, it may be a piece that begins a word or one inside; the more frequent one is meant. The
        words of a phrase may be written with spaces, with the delimiter, or as one.

        Examples
        --------
        >>> vocabulary = Vocabulary.from_counts({"don't": 5, "▁cat": 3, "cat": 2, "new_york": 1, "北京_大学": 1})
        >>> vocabulary.find("Don’t"), vocabulary.find("New York"), vocabulary.find("北京大学")
        (4, 7, 8)
        """
        normal = normalise(word)
        forms = (word, normal, fold(normal, "lower"))
        for form in forms:
            spellings = (form, WORD_START + form, DELIMITER.join(form.split()))
            known = [self.index[token] for token in spellings if token in self]
            if known:
                return min(known)
        return next((self._unspaced[form] for form in forms if form in self._unspaced), None)

    @cached_property
    def _unspaced(self) -> dict[str, int]:
        """The ids of phrases by their words with nothing between them, as Chinese is written."""
        phrases = [token for token in self.tokens if DELIMITER in token and token[0].isalnum()]
        # The most frequent of several comes last and stays.
        return {token.replace(DELIMITER, ""): self.index[token] for token in reversed(phrases)}

    def word(self, i: int) -> str:
        """Return token `i` as it is shown: without the mark of a word's beginning."""
        return self.tokens[i].removeprefix(WORD_START) or WORD_START

    @cached_property
    def holds_pieces(self) -> bool:
        """Whether tokens are pieces of words, as byte-pair encoding makes them."""
        return WORD_START in "".join(self.tokens) and any(
            token.startswith(WORD_START) for token in self.tokens if token != WORD_START
        )

    @cached_property
    def is_lower(self) -> bool:
        """Whether no token holds a capital letter: text was lower-cased before it was counted."""
        ordinary = " ".join(self.tokens[len(SPECIALS) :])
        return ordinary == ordinary.lower()

    @cached_property
    def spellings(self) -> Spellings:
        """The words as they are shown, to be searched by spelling."""
        ordinary = range(len(SPECIALS), len(self))
        return Spellings(list(map(self.word, ordinary)) if self.holds_pieces else self.tokens[len(SPECIALS) :])

    def spelt(self, word: str) -> str:
        """Return `word`, as a person writes it, as the tokens of this vocabulary are spelt.

        Examples
        --------
        >>> Vocabulary.from_counts({"don't": 5, "▁cat": 3, "cat": 2}).spelt("Doesn’t")
        "▁doesn't"
        """
        spelt = fold(normalise(word), "lower" if self.is_lower else "keep")
        return WORD_START + spelt if self.holds_pieces else spelt

    def unknown(self, word: str) -> UnknownWordError:
        """Return the error for a word that `find` does not find, with near spellings."""
        near = self.near_spellings(word) or self.near_spellings(fold(normalise(word), "lower"))
        if self.holds_pieces:
            return UnknownWordError(word, near, "is no single token: the vocabulary holds pieces of words (bpe)")
        return UnknownWordError(word, near)

    def near_spellings(self, word: str, n: int = 3) -> list[str]:
        """Return up to `n` words spelt like `word` (difflib ratio at least 0.6), best first."""
        return [token for _, token in self.spellings.near(word, n)]

    def save(self, path: Path) -> None:
        """Write the vocabulary as JSON: two lists, ``tokens`` and ``counts``."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"tokens": self.tokens, "counts": self.counts.tolist()}, file, ensure_ascii=False)

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read what `save` wrote; raise `BundleError` naming the file when it is not that.

        That no token stands twice is not looked up again: opening a large table is not to wait for its index.
        """
        vocabulary = cls.__new__(cls)
        try:
            content = json.loads(path.read_bytes())
            vocabulary._hold(content["tokens"], content["counts"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise BundleError(f"{path}: not a vocabulary: {error}") from error
        return vocabulary

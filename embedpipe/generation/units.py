"""A loss in the units that people compare: perplexity per token and per word, bits per character.

A perplexity per token compares models of one vocabulary only. Models of words and of pieces of words (bpe) are compared
by the words between white space, or by the characters, of the text that both predicted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.tokenizer_bpe import piece_bytes
from embedpipe.text.vocabulary import SPECIALS, WORD_START

__all__ = ["NO_TEXT", "Units", "perplexity_of", "piece_units"]

_LARGEST = 700.0
_LONG_WORD = 20


@dataclass(frozen=True, slots=True)
class Units:
    """How much text was predicted.

    Parameters
    ----------
    n_words : words between white space. The ends of sentences are predicted too, and count in the loss alone.
    n_characters : characters, with one for what stands between two words or sentences.
    """

    n_words: int
    n_characters: int

    def __add__(self, other: "Units") -> "Units":
        return Units(self.n_words + other.n_words, self.n_characters + other.n_characters)

    def word_perplexity(self, nats: float) -> float:
        """Return the perplexity per word of a text whose negative log-probability is `nats`.

        NaN where text is not written in words: there are none, or they have more than 20 characters each.
        """
        spaced = self.n_words and self.n_characters <= _LONG_WORD * self.n_words
        return perplexity_of(nats / self.n_words) if spaced else math.nan

    def bits_per_character(self, nats: float) -> float:
        """Return the bits per character of a text whose negative log-probability is `nats`; NaN without characters.

        Of a text with unknown words it is too low: ``<unk>`` does not say how they are spelt.
        """
        return nats / math.log(2) / self.n_characters if self.n_characters else math.nan


NO_TEXT = Units(0, 0)


def perplexity_of(nats: float) -> float:
    """Return the perplexity of a mean loss, at most e to the 700th; inf where the loss is not a finite number.

    >>> perplexity_of(0.0), perplexity_of(1e9) > 1e300, perplexity_of(math.inf)
    (1.0, True, inf)
    """
    return math.exp(max(-_LARGEST, min(nats, _LARGEST))) if math.isfinite(nats) else math.inf


def piece_units(ids: NDArray[np.integer], tokens: Sequence[str]) -> Units:
    """Return the units of predicted pieces of words, where a piece that follows a space begins with its mark.

    The few pieces that are ``<unk>`` count as nothing, for what they spell is not known.

    Parameters
    ----------
    ids : ids of any shape, below ``len(tokens)``.
    tokens : all pieces in id order, the four specials first.

    Examples
    --------
    >>> piece_units(np.array([4, 5, 4, 3]), ["<pad>", "<unk>", "<bos>", "<eos>", "▁ca", "fé"])  # caféca
    Units(n_words=2, n_characters=8)
    """
    counts = np.bincount(ids.ravel(), minlength=len(tokens))
    ordinary = tokens[len(SPECIALS) :]
    starts = np.array([token.startswith(WORD_START) for token in ordinary], dtype=np.int64)
    sizes = np.array([sum(byte & 0xC0 != 0x80 for byte in piece_bytes(token)) for token in ordinary], dtype=np.int64)
    common = counts[len(SPECIALS) :]
    return Units(int(common @ starts), int(common @ sizes))

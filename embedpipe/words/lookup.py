"""A vector for any word, and where it came from: the vocabulary, the word's n-grams, or another spelling.

One slip of the keyboard in a common word (`slips`) is that word; what else is unknown is taken for a word of its
own, and its n-grams stand for it; where hardly any of these is known, the nearest spelling does. N-grams that were
trained with the words, not fitted to them, come first: they find slips as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import ConfigError
from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.calibration import (
    LEAST_KNOWN,
    NEAR_ENOUGH,
    Calibration,
    Guess,
    spelling_features,
    subword_features,
)
from embedpipe.words.slips import is_slip
from embedpipe.words.subword import NgramRows, Subwords, ngram_strings
from embedpipe.words.table import Neighbour, WordVectors

__all__ = ["Found", "Lookup", "UnknownWords"]

_NEAR = 5
"""Nearest spellings among which the word is looked for that a slip was made in."""
_ONE_IN = 1_000_000
"""A word met more rarely than once in so many is more often like a new word than mistyped (docs/words.md)."""
_RAREST = 0.1
"""Share of the vocabulary whose mean stands for a word of which nothing is known: new words are most like rare ones."""
UnknownWords = Literal["error", "skip", "zero", "subword"]
"""What to do with a word outside the vocabulary: raise, leave its row out, a row of zeros, or compose its n-grams."""


@dataclass(frozen=True, slots=True)
class Found:
    """The vector of a word and where it came from.

    Parameters
    ----------
    word : the word asked for.
    id : of the vocabulary's word whose vector it is; None where it was made of n-grams.
    vector : float32 array of shape (dim,), a copy.
    source : ``vocabulary``, ``subwords`` (its character n-grams) or ``spelling`` (another word's vector).
    via : the word whose vector it is, where that is another one.
    confidence : estimated probability in [0, 1] that the word, had training met it, would be among the ten nearest
        words of this vector, by the vectors of training alone, to which no n-grams were added; 1 for the vocabulary,
        None where this source was not calibrated.
    near : the nearest spelling where n-grams answered, and one is near enough to be named.
    """

    word: str
    id: int | None
    vector: NDArray[np.float32]
    source: Literal["vocabulary"] | Guess
    via: str | None
    confidence: float | None
    near: str | None = None


@dataclass(frozen=True)
class Lookup:
    """Looks up any word.

    Parameters
    ----------
    words : the published vectors.
    subwords : the published n-gram table, where one was trained or fitted.
    calibration : what the confidence of a made vector is computed with.

    Examples
    --------
    >>> from embedpipe.text.vocabulary import Vocabulary
    >>> vocabulary = Vocabulary.from_counts({"physics": 3, "music": 2})
    >>> lookup = Lookup(WordVectors(vocabulary, np.eye(6, 2, -4, dtype=np.float32)))
    >>> found = lookup.look_up("phisics")
    >>> found.source, found.via, found.vector.tolist()
    ('spelling', 'physics', [1.0, 0.0])
    >>> lookup.vectors(["Music", "phisics"], oov="zero").tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """

    words: WordVectors
    subwords: Subwords | None = None
    calibration: Calibration = field(default_factory=lambda: Calibration({}))

    @property
    def ngram_lengths(self) -> tuple[int, int]:
        """Shortest and longest character n-gram: as trained, else 3 and 6, which fastText begins with."""
        return (3, 6) if self.subwords is None else (self.subwords.shortest, self.subwords.longest)

    def look_up(self, word: str) -> Found:
        """Return the vector of `word`: its own, else of a word it is a slip of, its n-grams or the nearest spelling.

        Raises
        ------
        UnknownWordError
            If the word is none of the vocabulary, too few of its n-grams have vectors (none, where they were trained;
            less than a quarter, where fitted), and no spelling is near enough; where tokens are pieces of words, no
            other spelling is looked for. For several words that are no phrase of the vocabulary: neither n-grams nor
            a spelling, which are those of one word, say what they mean together.
        """
        vocabulary = self.words.vocabulary
        found = vocabulary.find(word)
        if found is not None:
            return Found(word, found, np.array(self.words.vectors[found]), "vocabulary", None, 1.0)
        if len(word.split()) > 1:
            raise vocabulary.unknown(word)
        spelt = vocabulary.spelt(word)
        near = [] if vocabulary.holds_pieces else vocabulary.spellings.near(spelt, _NEAR, NEAR_ENOUGH)
        fitted = self.subwords is not None and self.subwords.hashes is not None
        slip = next((pair for pair in near if is_slip(spelt, pair[1]) and self._is_common(pair[1])), None)
        if self.subwords is not None and not (fitted and slip):
            ngrams, met = self._ngrams([spelt], self.subwords)
            (vector,) = self.subwords.mean(ngrams.keep(met))
            features = subword_features(ngrams, met)
            if vector.any() and not (fitted and features[0, 0] < LEAST_KNOWN):
                sure = self.calibration.confidence("subwords", features)
                return Found(word, None, vector, "subwords", None, sure, near[0][1] if near else None)
        if not near:
            raise vocabulary.unknown(word)
        ratio, other = slip or near[0]
        confidence = self.calibration.confidence("spelling", spelling_features([ratio], [len(spelt)]))
        near_id = self.words.id(other)
        return Found(word, near_id, np.array(self.words.vectors[near_id]), "spelling", other, confidence)

    def similar(self, positive: Sequence[Found], negative: Sequence[Found] = (), k: int = 10) -> list[Neighbour]:
        """Return the words nearest to the mean of the unit vectors of `positive` less those of `negative`.

        Parameters
        ----------
        positive, negative : what `look_up` found, one or more in all.
        k : most neighbours to return.

        Returns
        -------
        list of Neighbour
            Best first, without the words of the vocabulary whose vectors were asked for.

        Raises
        ------
        EmbedpipeError
            If the vectors add up to zero, which has no neighbours.

        Examples
        --------
        >>> from embedpipe.text.vocabulary import Vocabulary
        >>> vocabulary = Vocabulary.from_counts({"physics": 3, "chemistry": 2, "music": 1})
        >>> rows = np.array([[0, 0]] * 4 + [[1, 0], [2, 1], [0, 1]], dtype=np.float32)
        >>> lookup = Lookup(WordVectors(vocabulary, rows))
        >>> [near.word for near in lookup.similar([lookup.look_up("phisics")])]
        ['chemistry', 'music']
        """
        plus, minus = (
            np.array([found.vector for found in group], dtype=np.float32).reshape(-1, self.words.dim)
            for group in (positive, negative)
        )
        known = [found.id for found in (*positive, *negative) if found.id is not None]
        return self.words.nearest(plus, minus, k, exclude=known)

    def _is_common(self, token: str) -> bool:
        """Return whether a slip is looked for in a token; all are common where counts are unknown (0)."""
        counts = self.words.vocabulary.counts
        return int(counts[self.words.id(token)]) * _ONE_IN >= int(counts.sum())

    def _ngrams(self, words: Sequence[str], subwords: Subwords) -> tuple[NgramRows, NDArray[np.bool_]]:
        """Return the n-grams of words, and which of them some word of the vocabulary has.

        In a table that any n-gram is hashed into, one that none has shares its row with others by chance, and what
        they mean is no part of the word.
        """
        ngrams = subwords.ngrams(words)
        if subwords.hashes is not None:
            return ngrams, subwords.known(ngrams)
        strings = (gram for word in words for gram in ngram_strings(word, *self.ngram_lengths))
        met = np.fromiter((gram in self._marked for gram in strings), dtype=bool, count=len(ngrams.rows))
        return ngrams, met & subwords.known(ngrams)

    @cached_property
    def _marked(self) -> str:
        """The words of the vocabulary between their marks, to be searched for n-grams."""
        return "\n".join(f"<{token}>" for token in self.words.vocabulary.tokens[len(SPECIALS) :])

    @cached_property
    def of_nothing(self) -> NDArray[np.float32]:
        """The vector of a word of which nothing is known, float32 of shape (dim,): the mean of the rarest tenth.

        It is as long as they are in the mean. New words are rare ones, and these are nearer to it than to that of all.
        A table without counts is taken to be sorted by them, as those of other programs are.
        """
        rows = self.words.vectors[len(SPECIALS) :]
        if not len(rows):
            return np.zeros(self.words.dim, dtype=np.float32)
        rare = np.asarray(rows[-max(1, round(_RAREST * len(rows))) :], dtype=np.float64)
        mean = rare.mean(axis=0)
        length = np.linalg.norm(mean)
        scale = np.linalg.norm(rare, axis=1).mean() / length if length else 0.0
        vector: NDArray[np.float32] = (mean * scale).astype(np.float32)
        return vector

    def composed(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return the mean of the n-grams of each word, float32 of shape (n, dim); zeros where none has a vector."""
        if self.subwords is None:
            return np.zeros((len(words), self.words.dim), dtype=np.float32)
        ngrams, met = self._ngrams([self.words.vocabulary.spelt(word) for word in words], self.subwords)
        return self.subwords.mean(ngrams.keep(met))

    def vectors(self, words: Sequence[str], *, oov: UnknownWords = "error") -> NDArray[np.float32]:
        """Return one vector per word.

        Parameters
        ----------
        words : any number of words.
        oov : what to do with a word outside the vocabulary: ``error``, ``skip`` (it gets no row), ``zero``, or
            ``subword`` (the mean of its n-grams; `of_nothing` where none has a vector).

        Returns
        -------
        float32 array of shape (n, dim), row *i* for ``words[i]``; n is smaller where words are skipped.

        Raises
        ------
        UnknownWordError
            Under the policy ``error``, for the first word outside the vocabulary.
        ConfigError
            Under the policy ``subword``, if no n-gram has a vector; for a policy that does not exist.
        TypeError
            If `words` is a single string.
        """
        if isinstance(words, str | bytes):
            raise TypeError("vectors takes a sequence of words: wrap it in a list")
        if oov not in ("error", "skip", "zero", "subword"):
            raise ConfigError(
                f"unknown policy '{oov}' for words outside the vocabulary: use error, skip, zero or subword"
            )
        if oov == "subword" and self.subwords is None:
            raise ConfigError(
                "these words hold no vectors of n-grams: make them with words.unseen=ngrams, or use error, skip or zero"
            )
        vocabulary = self.words.vocabulary
        ids = [vocabulary.find(word) for word in words]
        known = np.array([i is not None for i in ids], dtype=bool)
        unknown = [word for word, i in zip(words, ids, strict=True) if i is None]
        if unknown and oov == "error":
            raise vocabulary.unknown(unknown[0])
        rows = np.zeros((len(ids), self.words.dim), dtype=np.float32)
        rows[known] = self.words.vectors[[i for i in ids if i is not None]]
        if oov == "subword" and unknown:
            composed = self.composed(unknown)
            composed[~composed.any(axis=1)] = self.of_nothing
            rows[~known] = composed
        return rows[known] if oov == "skip" else rows

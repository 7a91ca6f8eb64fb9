"""Word vectors as gensim's `KeyedVectors`, and back."""

from typing import TYPE_CHECKING, Protocol

import numpy as np

from embedpipe.errors import InputError
from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.foreign import ForeignVectors, check_collected, foreign_ngrams
from embedpipe.words.subword import Subwords
from embedpipe.words.table import WordVectors

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

__all__ = ["from_keyed_vectors", "to_keyed_vectors"]


class _HasWords(Protocol):
    @property
    def words(self) -> WordVectors: ...


def to_keyed_vectors(source: "WordVectors | _HasWords") -> "KeyedVectors":
    """Return the ordinary words as gensim `KeyedVectors` with the attribute ``count``, most frequent first.

    Parameters
    ----------
    source : word vectors, or an open bundle.

    Returns
    -------
    gensim.models.KeyedVectors
        A copy in memory, without the four specials: key *i* is the word with id *i* + 4.
    """
    from gensim.models import KeyedVectors

    words = source if isinstance(source, WordVectors) else source.words
    keyed = KeyedVectors(words.dim, count=0)
    keyed.add_vectors(words.vocabulary.tokens[len(SPECIALS) :], np.array(words.vectors[len(SPECIALS) :]))
    keyed.expandos["count"] = words.vocabulary.counts[len(SPECIALS) :].astype(np.int64)
    return keyed


def from_keyed_vectors(keyed: "KeyedVectors") -> ForeignVectors:
    """Return gensim `KeyedVectors` as vectors that `save_foreign` makes a bundle of and `match_vectors` takes.

    Parameters
    ----------
    keyed : loaded by gensim; with the attribute ``count``, if gensim trained it.

    Returns
    -------
    ForeignVectors
        A copy, float32; `counts` where gensim knows them, else None; the n-grams of `FastTextKeyedVectors`.

    Raises
    ------
    InputError
        Naming the entry: a key that is no string or empty, or a number that is not finite.

    Examples
    --------
    >>> from gensim.models import KeyedVectors
    >>> keyed = KeyedVectors(2)
    >>> keyed.add_vectors(["cat", "dog"], [[1, 0], [0, 1]])
    >>> from_keyed_vectors(keyed).tokens
    ['cat', 'dog']
    """
    for entry, key in enumerate(keyed.index_to_key, 1):
        if not isinstance(key, str):
            raise InputError(f"entry {entry}: the key {key!r} is {type(key).__name__}, expected text", "KeyedVectors")
    vectors = np.array(keyed.vectors, dtype=np.float32)
    check_collected(keyed.index_to_key, vectors, "KeyedVectors")
    counts = keyed.expandos.get("count")
    known = None if counts is None or not np.any(counts) else np.asarray(counts, dtype=np.uint64)
    return ForeignVectors(list(keyed.index_to_key), vectors, "gensim", known, _ngrams(keyed))


def _ngrams(keyed: "KeyedVectors") -> Subwords | None:
    from gensim.models.fasttext import FastTextKeyedVectors

    if not isinstance(keyed, FastTextKeyedVectors):
        return None
    return foreign_ngrams(np.array(keyed.vectors_ngrams, dtype=np.float32), keyed.min_n, keyed.max_n, "KeyedVectors")

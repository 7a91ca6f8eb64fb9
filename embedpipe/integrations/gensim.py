"""Word vectors of a bundle as gensim's `KeyedVectors`."""

from typing import TYPE_CHECKING, Protocol

import numpy as np

from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.table import WordVectors

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

__all__ = ["to_keyed_vectors"]


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

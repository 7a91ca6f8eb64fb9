"""Why two sentences are near each other: by each encoder, beside chance, and word by word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import EmbedpipeError
from embedpipe.text.vocabulary import SPECIALS

if TYPE_CHECKING:
    from embedpipe.text.codec import TextCodec
    from embedpipe.text.token_store import TokenStore
    from embedpipe.words.bag import Bag
    from embedpipe.words.table import WordVectors

__all__ = ["Alignment", "EncodesIds", "Likeness", "Sentence", "SentenceComparison", "compare_sentences"]

N_PAIRS = 1_000


class EncodesIds(Protocol):
    """Ids to unit vectors, or to zero rows where nothing is known."""

    def encode_ids(self, ids: Sequence[NDArray[np.uint32]], /) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Likeness:
    """The cosine of two sentences by one encoder, and where it stands among those of random pairs.

    Parameters
    ----------
    encoder : its name.
    cosine : in [-1, 1].
    percentile : share of the random pairs that are less alike, in percent, equal ones counted half; None without text.
    usual : the median cosine of the random pairs; None without text.
    """

    encoder: str
    cosine: float
    percentile: float | None
    usual: float | None


@dataclass(frozen=True, slots=True)
class Alignment:
    """A word of one sentence and the word of the other that is nearest to it.

    Parameters
    ----------
    word : as the vocabulary spells it; a word that stands there twice is one.
    partner : its best partner by word vectors.
    cosine : of the vectors of the two words.
    weight : the SIF weight of the word, in [0, 1].
    contribution : what the word adds to the cosine by the SIF average; over all words of a sentence these sum to it.
    """

    word: str
    partner: str
    cosine: float
    weight: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Sentence:
    """One of the two sentences.

    Parameters
    ----------
    text : as it was given.
    tokens : what it was split into.
    unknown : the tokens that are not in the vocabulary, once each; they say nothing.
    words : the others, the one that contributes most first.
    """

    text: str
    tokens: list[str]
    unknown: list[str]
    words: list[Alignment]


@dataclass(frozen=True, slots=True)
class SentenceComparison:
    """What a bundle knows of two sentences.

    Parameters
    ----------
    likeness : one entry for each encoder.
    sentences : the two.
    n_pairs : random pairs of sentences that the percentiles rest on; 0 without text.
    """

    likeness: list[Likeness]
    sentences: tuple[Sentence, Sentence]
    n_pairs: int


def compare_sentences(
    text_a: str,
    text_b: str,
    codec: "TextCodec",
    words: "WordVectors",
    bag: "Bag",
    encoders: Mapping[str, EncodesIds],
    *,
    held_out: "TokenStore | None" = None,
    seed: int = 1,
) -> SentenceComparison:
    """Say how alike two sentences are, and which of their words make them so.

    The SIF average of a sentence is a weighted sum over its words, so its cosine with another is one too: each word has
    an exact share in it. By the trained encoder words have no shares of their own.

    Parameters
    ----------
    text_a, text_b : the sentences.
    codec, words, bag : of one bundle; the best partner of a word is found by `words`, contributions are those of `bag`.
    encoders : by name, what the cosine is computed with.
    held_out : sentences of which random pairs are drawn, to say how unusual a cosine is.
    seed : of that draw.

    Raises
    ------
    EmbedpipeError
        If a sentence holds no word of the vocabulary.

    Examples
    --------
    >>> from embedpipe.text.codec import TextCodec
    >>> from embedpipe.text.tokenizer import RegexTokenizer
    >>> from embedpipe.text.vocabulary import Vocabulary
    >>> from embedpipe.words.bag import plain_average
    >>> from embedpipe.words.table import WordVectors
    >>> vocabulary = Vocabulary.from_counts({"old": 3, "king": 2, "queen": 1})
    >>> rows = np.array([[0, 0]] * 4 + [[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
    >>> bag, codec = plain_average(rows), TextCodec(RegexTokenizer(), vocabulary)
    >>> found = compare_sentences("Old king", "a queen", codec, WordVectors(vocabulary, rows), bag, {"average": bag})
    >>> round(found.likeness[0].cosine, 3)
    0.99
    >>> [(word.word, word.partner, round(word.contribution, 3)) for word in found.sentences[0].words]
    [('king', 'queen', 0.566), ('old', 'queen', 0.424)]
    >>> found.sentences[1].unknown
    ['a']
    """
    ids = codec.encode_many([text_a, text_b])
    for text, row in zip((text_a, text_b), ids, strict=True):
        if not (row >= len(SPECIALS)).any():
            raise EmbedpipeError(f"'{text}': none of its words is in the vocabulary, so there is nothing to compare")
    pairs = None if held_out is None else _random_pairs(held_out, bag, seed)
    likeness = [_likeness(name, encoder, ids, pairs) for name, encoder in encoders.items()]
    first, second = (
        _sentence(text, codec, words, bag, one, other)
        for text, one, other in ((text_a, ids[0], ids[1]), (text_b, ids[1], ids[0]))
    )
    return SentenceComparison(likeness, (first, second), 0 if pairs is None else len(pairs) // 2)


def _random_pairs(held_out: "TokenStore", bag: "Bag", seed: int) -> list[NDArray[np.uint32]] | None:
    """Return two different sentences with known words after one another, `N_PAIRS` times; None if there are no two."""
    rng = np.random.default_rng(seed)
    known = np.add.reduceat(
        bag.weights[held_out.tokens] > 0, held_out.sentence_offsets[:-1].astype(np.int64), dtype=int
    )
    usable = np.flatnonzero(known)
    if len(usable) < 2:
        return None
    first = rng.integers(len(usable), size=N_PAIRS)
    second = (first + rng.integers(1, len(usable), size=N_PAIRS)) % len(usable)
    return [held_out.sentence(i) for i in usable[np.stack([first, second], axis=1).ravel()].tolist()]


def _likeness(
    name: str, encoder: EncodesIds, ids: Sequence[NDArray[np.uint32]], pairs: Sequence[NDArray[np.uint32]] | None
) -> Likeness:
    cosine = float(_cosines(encoder, ids)[0])
    if pairs is None:
        return Likeness(name, cosine, None, None)
    chance = _cosines(encoder, pairs)
    below = (chance < cosine).mean() + (chance == cosine).mean() / 2
    return Likeness(name, cosine, float(100 * below), float(np.median(chance)))


def _cosines(encoder: EncodesIds, ids: Sequence[NDArray[np.uint32]]) -> NDArray[np.float64]:
    """Return the cosines of rows 0 and 1, 2 and 3, and so on."""
    vectors = encoder.encode_ids(ids).astype(np.float64)
    products: NDArray[np.float64] = np.einsum("nd,nd->n", vectors[::2], vectors[1::2])
    return products.clip(-1, 1)


def _sentence(
    text: str,
    codec: "TextCodec",
    words: "WordVectors",
    bag: "Bag",
    one: NDArray[np.uint32],
    other: NDArray[np.uint32],
) -> Sentence:
    vocabulary, tokens = codec.vocabulary, codec.tokenize(text)
    own, times = np.unique(one[one >= len(SPECIALS)], return_counts=True)
    theirs = np.unique(other[other >= len(SPECIALS)])
    cosines = _unit(words, own) @ _unit(words, theirs).T
    best = cosines.argmax(axis=1)
    sums = [bag.weights[ids].astype(np.float64) @ bag.vectors[ids].astype(np.float64) for ids in (one, other)]
    lengths = np.linalg.norm(sums[0]) * np.linalg.norm(sums[1])
    shares = times * bag.weights[own] * (bag.vectors[own].astype(np.float64) @ sums[1]) / (lengths or 1.0)
    aligned = [
        Alignment(
            vocabulary.word(int(own[i])),
            vocabulary.word(int(theirs[best[i]])),
            float(cosines[i, best[i]].clip(-1, 1)),
            float(bag.weights[own[i]]),
            float(shares[i]),
        )
        for i in np.argsort(-shares, kind="stable").tolist()
    ]
    unknown = [token for token, known in zip(tokens, one >= len(SPECIALS), strict=True) if not known]
    return Sentence(text, tokens, list(dict.fromkeys(unknown)), aligned)


def _unit(words: "WordVectors", ids: NDArray[np.uint32]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = words.vectors[ids].astype(np.float64) * words.inverse_norms[ids][:, None]
    return unit

"""What is probed and what it stands beside: each system turns texts into one matrix."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.vocabulary import UNK, Vocabulary
from embedpipe.words.bag import BagEncoder, plain_average

__all__ = [
    "MIN_COVERAGE",
    "Codec",
    "Encoder",
    "Lookup",
    "Rival",
    "Subject",
    "Words",
    "random_average",
    "token_coverage",
]

MIN_COVERAGE = 0.3
"""Texts of which a smaller share of the tokens is in the vocabulary are of another language or subject."""

Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """Texts to float32 of shape (n, dim), a zero row for a text without a known token."""

    def encode(self, texts: Sequence[str]) -> Vectors: ...


class Codec(Protocol):
    """Text to tokens and ids, and back."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    def tokenize(self, text: str) -> list[str]: ...

    def encode(self, text: str) -> NDArray[np.uint32]: ...

    def encode_flat(self, texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]: ...

    def decode(self, ids: NDArray[np.uint32]) -> str: ...


class Words(Protocol):
    """A vocabulary and one float32 row for each of its tokens."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def vectors(self) -> Vectors: ...


class Lookup(Protocol):
    """Words to vectors, and strings to what n-grams say of them, where there are any."""

    def vectors(self, words: Sequence[str], *, oov: Literal["zero"]) -> Vectors:
        """Return float32 of shape (n, dim), zeros for a word outside the vocabulary."""

    def composed(self, words: Sequence[str]) -> Vectors:
        """Return float32 of shape (n, dim), zeros for a word of which no n-gram is known."""


@dataclass(frozen=True)
class Rival:
    """What the user names to stand beside the subject: word vectors, an encoder, or both."""

    words: Words | None = None
    encoder: Encoder | None = None


@dataclass(frozen=True)
class Subject:
    """What is probed; a part that is missing is left out of the table or, where it is the point, said to be missing.

    Parameters
    ----------
    words : the word vectors.
    encoder : the trained sentence encoder.
    sif : the SIF average of the whitened word vectors (Arora et al., 2017).
    plain : the plain average of the word vectors.
    random : makes an encoder of the same shape as `encoder` with a random LSTM over the same word vectors.
    codec : the tokenizer and the vocabulary; tf-idf and random vectors use the same tokens.
    seed : of what is random in the baselines.
    against : rivals by name.
    lookup : makes vectors for unknown words of their n-grams; None where none were trained.
    baselines : whether anything but the rivals stands beside what is probed.
    """

    words: Words | None = None
    encoder: Encoder | None = None
    sif: Encoder | None = None
    plain: Encoder | None = None
    random: Callable[[], Encoder] | None = None
    codec: Codec | None = None
    seed: int = 0
    against: Mapping[str, Rival] = field(default_factory=dict)
    lookup: Lookup | None = None
    baselines: bool = True

    def encoders(self) -> dict[str, Encoder]:
        """Return the encoders by name: first the one that is probed, then its baselines, then its rivals."""
        found = {"encoder": self.encoder, "SIF average": self.sif, "plain average": self.plain}
        present = {name: encoder for name, encoder in found.items() if encoder is not None}
        if not self.baselines:
            present = dict(list(present.items())[:1])
        elif self.encoder is not None and self.random is not None:
            present["random encoder"] = self.random()
        if self.baselines and present and self.codec is not None and self.words is not None:
            n_tokens, dim = self.words.vectors.shape
            present["random vectors"] = random_average(self.codec, n_tokens, dim, self.seed)
        if present:
            present |= {name: rival.encoder for name, rival in self.against.items() if rival.encoder is not None}
        return present

    def rival_words(self) -> dict[str, Words]:
        """Return the word vectors of the rivals by name."""
        return {name: rival.words for name, rival in self.against.items() if rival.words is not None}

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of a text; without a codec, what stands between spaces."""
        return self.codec.tokenize(text) if self.codec is not None else text.split()


def random_average(codec: Codec, n_tokens: int, dim: int, seed: int) -> Encoder:
    """Return the average of one random vector for each token: what the bag of tokens tells without any training.

    Published gains of trained encoders over random ones of the same dimension are small (Wieting & Kiela, 2019).
    """
    table = np.random.default_rng(seed).standard_normal((n_tokens, dim), dtype=np.float32)
    return BagEncoder(codec, plain_average(table))  # type: ignore[arg-type]


def token_coverage(codec: Codec | None, texts: Sequence[str]) -> float:
    """Return the share of the tokens of `texts` that are in the vocabulary; NaN without a codec or tokens."""
    if codec is None or not len(texts):
        return float("nan")
    ids = codec.encode_flat(texts)[0]
    return float((ids != UNK).mean()) if len(ids) else float("nan")

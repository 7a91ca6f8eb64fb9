"""fastText's binary models (version 12, as Facebook's program and gensim write them): words, and n-grams for others.

The file holds the settings, the dictionary and the input matrix, whose first rows are words and whose others are
buckets of character n-grams. A word's vector is the mean of its own row and those of its n-grams (Bojanowski et al.,
2017, "Enriching Word Vectors with Subword Information"). The output matrix is not read.
"""

import struct
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import InputError
from embedpipe.text.read_bytes import open_bytes
from embedpipe.words.byte_reader import ByteReader
from embedpipe.words.foreign import Collected, ForeignVectors, foreign_ngrams
from embedpipe.words.ngrams import ngram_buckets

__all__ = ["FASTTEXT_MAGIC", "read_fasttext_bin", "read_fasttext_settings"]

FASTTEXT_MAGIC = struct.pack("<i", 793_712_314)
_VERSION = 12
_SETTINGS = struct.Struct("<12id")
_DICTIONARY = struct.Struct("<3i2q")
_ENTRY = struct.Struct("<qb")
_SHAPE = struct.Struct("<2q")
_END_OF_SENTENCE = b"</s>"
_ROWS, _WORDS = 8_192, 2_048


class FastTextSettings(NamedTuple):
    """What of a model's settings its vectors depend on."""

    dim: int
    buckets: int
    shortest: int
    longest: int


def read_fasttext_bin(path: Path) -> ForeignVectors:
    """Read a fastText model, supervised or not: words, their vectors and counts, and n-grams; it may be compressed.

    Raises
    ------
    InputError
        For a quantised model, another version, a damaged or truncated file; naming the entry, for a token that stands
        twice or is not UTF-8 and for a number that is not finite.
    """
    with open_bytes(path, Counter()) as file:
        reader = ByteReader(file, path)
        settings = read_fasttext_settings(reader, path)
        tokens, counts = _dictionary(reader, path)
        if reader.take(1, "input matrix") != b"\0":
            raise InputError(
                "is a quantised fastText model (.ftz), whose vectors are approximations; use the .bin", path
            )
        matrix = _matrix(reader, path, len(tokens) + settings.buckets, settings.dim)
    collected = Collected(path, settings.dim, lambda row: (f"word {row + 1} of {len(tokens):,}: ", None))
    for start in range(0, len(tokens), _WORDS):
        some = tokens[start : start + _WORDS]
        collected.add(some, _with_ngrams(some, start, len(tokens), matrix, settings))
    ngrams = foreign_ngrams(matrix[len(tokens) :], settings.shortest, settings.longest, path)
    return ForeignVectors(collected.tokens, collected.vectors(), "fasttext-bin", counts, ngrams)


def read_fasttext_settings(reader: ByteReader, path: Path) -> FastTextSettings:
    """Return the settings at the head of a model; raise `InputError` if it is none of version 12."""
    if reader.take(4, "head") != FASTTEXT_MAGIC:
        raise InputError("is no fastText model: its first four bytes are not those of one", path)
    (version,) = struct.unpack("<i", reader.take(4, "head"))
    if version != _VERSION:
        raise InputError(
            f"is a fastText model of version {version}, expected {_VERSION}; read the .vec beside it instead",
            path,
        )
    dim, *_, buckets, shortest, longest, _, _ = _SETTINGS.unpack(reader.take(_SETTINGS.size, "settings"))
    if dim < 1 or min(buckets, shortest, longest) < 0:
        raise InputError(f"damaged settings: width {dim}, {buckets} buckets, n-grams {shortest} to {longest}", path)
    return FastTextSettings(dim, buckets, shortest, longest)


def _dictionary(reader: ByteReader, path: Path) -> tuple[list[bytes], NDArray[np.uint64]]:
    """Return the words and their counts; the labels of a supervised model follow the words and have no rows here."""
    size, n_words, n_labels, _, pruned = _DICTIONARY.unpack(reader.take(_DICTIONARY.size, "dictionary"))
    if pruned >= 0:
        raise InputError("is a pruned fastText model, in which n-grams are missing; use the model before pruning", path)
    if min(n_words, n_labels) < 0 or size != n_words + n_labels:
        raise InputError(f"damaged dictionary: {size} entries, {n_words} words, {n_labels} labels", path)
    tokens, counts = [], []
    for entry in range(size):
        what = f"entry {entry + 1} of {size:,}"
        token = reader.until(b"\0", what)
        count, kind = _ENTRY.unpack(reader.take(_ENTRY.size, what))
        if kind != (entry >= n_words) or count < 0:
            raise InputError(f"{what}: damaged (kind {kind}, count {count})", path)
        if entry < n_words:
            tokens.append(token)
            counts.append(count)
    return tokens, np.array(counts, dtype=np.uint64)


def _matrix(reader: ByteReader, path: Path, n: int, dim: int) -> NDArray[np.float32]:
    rows, columns = _SHAPE.unpack(reader.take(_SHAPE.size, "input matrix"))
    if (rows, columns) != (n, dim):
        raise InputError(f"the input matrix has shape ({rows}, {columns}), the settings ask for ({n}, {dim})", path)
    try:
        matrix = np.empty((n, dim), dtype=np.float32)
    except (MemoryError, ValueError) as error:
        raise InputError(f"the input matrix of {n:,} rows of {dim:,} numbers does not fit into memory", path) from error
    for start in range(0, n, _ROWS):
        block = matrix[start : start + _ROWS]
        block[:] = np.frombuffer(reader.take(4 * block.size, "input matrix"), dtype="<f4").reshape(block.shape)
    return matrix


def _with_ngrams(
    tokens: list[bytes], start: int, n_words: int, matrix: NDArray[np.float32], settings: FastTextSettings
) -> NDArray[np.float32]:
    """Return the mean of word row and n-gram rows for consecutive words, the first with id `start`."""
    own = matrix[start : start + len(tokens)]
    if not settings.buckets or not settings.longest:
        return own
    buckets, lengths = ngram_buckets(
        [b"" if token == _END_OF_SENTENCE else b"<" + token + b">" for token in tokens],
        settings.shortest,
        settings.longest,
        settings.buckets,
    )
    sums = np.array(own)
    some = np.flatnonzero(lengths)
    offsets = (np.cumsum(lengths) - lengths)[some]
    sums[some] += np.add.reduceat(matrix[n_words + buckets], offsets, axis=0)
    sums /= (1 + lengths[:, None]).astype(np.float32)
    return sums

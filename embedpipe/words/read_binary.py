"""Word vectors in word2vec's binary format."""

from collections import Counter
from pathlib import Path

import numpy as np

from embedpipe.errors import InputError
from embedpipe.text.read_bytes import open_bytes
from embedpipe.words.byte_reader import ByteReader
from embedpipe.words.foreign import Collected, ForeignVectors
from embedpipe.words.read_text import parse_header

__all__ = ["read_word2vec_binary"]

_ROWS = 4_096


def read_word2vec_binary(path: Path) -> ForeignVectors:
    """Read word2vec binary, with or without line ends between entries; it may be compressed.

    Raises
    ------
    InputError
        A missing header; with the number of the entry: a truncated or damaged entry, a number that is not finite, a
        token that stands twice, bytes that are not UTF-8. Bytes after the last entry.
    """
    with open_bytes(path, Counter()) as file:
        n, dim = parse_header(path, file.readline(1_000))
        reader = ByteReader(file, path)
        collected = Collected(path, dim, lambda row: (f"entry {row + 1} of {n:,}: ", None))
        for start in range(0, n, _ROWS):
            tokens, rows = [], []
            for entry in range(start, min(start + _ROWS, n)):
                what = f"entry {entry + 1} of {n:,}"
                tokens.append(reader.until(b" ", what).lstrip(b"\n"))
                rows.append(reader.take(4 * dim, what))
            collected.add(tokens, np.frombuffer(b"".join(rows), dtype="<f4").reshape(-1, dim))
        if reader.rest(2) not in (b"", b"\n"):
            raise InputError(f"more follows after the {n:,} entries that the header promises; is it right?", path)
    return ForeignVectors(collected.tokens, collected.vectors(), "word2vec-binary")

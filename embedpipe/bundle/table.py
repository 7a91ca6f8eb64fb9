"""A table that several parts of a bundle read is stored once: the others name it by the hash of its numbers.

The sentence vectors of the words are the word table of an encoder that was trained while they stood still. With it the
encoder's file would be several times as large.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.bundle.tensors import map_tensors
from embedpipe.errors import BundleError

__all__ = ["TABLE_KEY", "problem_with_table", "table_hash"]

TABLE_KEY = "word_table"
"""Where the ``config.json`` of an encoder names the table that it reads and does not hold."""
_TENSOR = "sentence_vectors"


def table_hash(table: NDArray[np.float32]) -> str:
    """Return the SHA-256, as hexadecimal digits, of the numbers of a table, row after row, in little-endian order.

    >>> table_hash(np.zeros((2, 2), dtype=np.float32))[:12]
    '374708fff771'
    """
    return hashlib.sha256(np.ascontiguousarray(table, dtype="<f4").data).hexdigest()


def problem_with_table(config: Path, words: Path) -> str:
    """Return what is wrong with the word table that an encoder names; empty where nothing is.

    Nothing is wrong where it holds a table of its own, and nothing is said of files that are not there or cannot be
    read, which are problems of their own.

    Parameters
    ----------
    config : the ``config.json`` of the encoder.
    words : the ``words.safetensors`` that it stands beside.
    """
    try:
        content: Any = json.loads(config.read_text(encoding="utf-8"))
        named = content.get(TABLE_KEY)
        found = table_hash(map_tensors(words)[_TENSOR]) if named else None
    except (OSError, ValueError, AttributeError, KeyError, BundleError):
        return ""
    return "" if found == named else f"it was made over other word vectors than those in {words.name}"

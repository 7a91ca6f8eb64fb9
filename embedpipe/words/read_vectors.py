"""Word vectors from any file that says, by its content, in which format it is."""

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from embedpipe.errors import InputError
from embedpipe.text.read_bytes import open_bytes
from embedpipe.words.byte_reader import ByteReader
from embedpipe.words.foreign import ForeignFormat, ForeignVectors
from embedpipe.words.read_binary import read_word2vec_binary
from embedpipe.words.read_fasttext import FASTTEXT_MAGIC, read_fasttext_bin, read_fasttext_settings
from embedpipe.words.read_text import parse_header, read_glove, read_word2vec_text, width_of_row

__all__ = ["FormatFound", "find_format", "read_vectors"]

_HEAD = 1 << 16
_CONTROL = bytes({*range(32)} - set(b"\t\n\v\f\r"))
_NOT_VECTORS = {
    b"PK\x03\x04": "is a zip archive: unpack it and name the file of vectors inside",
    b"\x93NUMPY": "is a NumPy array, which holds no words; gensim keeps it beside a .kv or .model file: "
    "load that in gensim, call save_word2vec_format(FILE) on its vectors, and read FILE",
}
_PICKLE = (
    "is a pickle, as gensim's .kv and .model files are; it can run code and is never read here: load it in gensim, "
    "call save_word2vec_format(FILE, binary=True) on its vectors, and read FILE"
)
_READERS: dict[ForeignFormat, Callable[[Path], ForeignVectors]] = {
    "word2vec": read_word2vec_text,
    "word2vec-binary": read_word2vec_binary,
    "glove": read_glove,
    "fasttext-bin": read_fasttext_bin,
}


class FormatFound(NamedTuple):
    """What the first bytes of a file say: its format and the width of its vectors."""

    format: ForeignFormat
    dim: int


def read_vectors(path: Path) -> ForeignVectors:
    """Read word vectors; the content says in which format they are, its name says nothing.

    word2vec text (which fastText calls ``.vec``) and binary begin with two whole numbers, fastText's binary models
    with four bytes of their own, GloVe with its first row. Any of them may be compressed.

    Parameters
    ----------
    path : the file.

    Returns
    -------
    ForeignVectors
        Its `format` says what the file was taken for.

    Raises
    ------
    InputError
        Naming line or entry, if the file is none of these, or a damaged one. Nothing is skipped.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "v"
    ...     _ = path.write_text("2 2\\ncat 1 0.5\\ndog 0 1\\n")
    ...     found = read_vectors(path)
    >>> found.tokens, found.vectors.tolist(), found.format
    (['cat', 'dog'], [[1.0, 0.5], [0.0, 1.0]], 'word2vec')
    """
    return _READERS[find_format(path).format](path)


def find_format(path: Path) -> FormatFound:
    """Return format and width by the first bytes of a file: a check before long work that will need it.

    Raises
    ------
    InputError
        If the file is missing, empty, or its head is that of none of the formats.
    """
    if not path.is_file():
        raise InputError(f"{'is a folder' if path.is_dir() else 'no such file'}; name a file of word vectors", path)
    with open_bytes(path, Counter()) as file:
        head = file.read(_HEAD)
        if head.startswith(FASTTEXT_MAGIC):
            file.seek(0)
            return FormatFound("fasttext-bin", read_fasttext_settings(ByteReader(file, path), path).dim)
    if not head:
        raise InputError("is empty; name a file of word vectors", path)
    for magic, problem in _NOT_VECTORS.items():
        if head.startswith(magic):
            raise InputError(problem, path)
    if head[0] == 0x80 and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise InputError(_PICKLE, path)
    first, _, rest = head.removeprefix(BOM_UTF8).partition(b"\n")
    binary = len(rest.translate(None, _CONTROL)) < len(rest)
    if len(first.split()) == 2 and all(part.isdigit() for part in first.split()):
        return FormatFound("word2vec-binary" if binary else "word2vec", parse_header(path, first)[1])
    if binary or len(first.translate(None, _CONTROL)) < len(first):
        raise InputError(
            "is in none of the formats of word vectors that are read here: word2vec text or binary (with its header), "
            "GloVe, fastText .vec or .bin",
            path,
        )
    return FormatFound("glove", width_of_row(path, first))

"""Plain text to documents, a block at a time, in memory that does not grow with the file or with its longest line."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain, count
from pathlib import Path

from embedpipe.text.read_bytes import text_blocks
from embedpipe.text.read_types import MAX_CHARACTERS, Document, ReadOptions

__all__ = ["in_parts", "plain_documents", "split_documents"]

_BLANK = re.compile(r"\n[^\S\n]*\n\s*")
_SENTENCE_ENDS = (". ", "! ", "? ", "。", "！", "？")


def plain_documents(path: Path, options: ReadOptions, origin: str) -> Iterator[Document]:
    """Yield the documents of a plain text file; see `ReadOptions.documents` for what separates them."""
    for text, part in split_documents(text_blocks(path, options), options.documents):
        yield Document(text, origin, part)


def split_documents(blocks: Iterable[str], documents: str) -> Iterator[tuple[str, int]]:
    """Yield the documents in a stream of text, none longer than `MAX_CHARACTERS` and none without text.

    Each comes with the number of its part: 0, and upwards where a longer document is cut.

    >>> list(split_documents(["One.\\nStill one.\\n", "\\nTwo."], "auto"))
    [('One.\\nStill one.', 0), ('Two.', 0)]
    >>> list(split_documents(["One.\\nTwo."], "auto"))
    [('One.', 0), ('Two.', 0)]
    """
    blocks = iter(blocks)
    if documents == "auto":
        head = _head(blocks)
        documents = "blank" if _BLANK.search(head.strip()) else "line"
        blocks = chain([head], blocks)
    open_end, part = "", 0
    for block in blocks:
        pieces = _split(open_end + block, documents)
        open_end = pieces.pop()
        for piece in pieces:
            if text := piece.strip():
                yield from zip(in_parts(text), count(part))
            part = 0
        while len(open_end) > MAX_CHARACTERS:
            cut = _cut(open_end)
            if text := open_end[:cut].strip():
                yield text, part
                part += 1
            open_end = open_end[cut:]
    if text := open_end.strip():
        yield text, part


def in_parts(text: str) -> Iterator[str]:
    """Yield `text` in parts of at most `MAX_CHARACTERS`, cut after a line, else a sentence, else a word."""
    start = 0
    while len(text) - start > MAX_CHARACTERS:
        stop = start + _cut(text[start : start + MAX_CHARACTERS + 1])
        if part := text[start:stop].strip():
            yield part
        start = stop
    if rest := text[start:].strip() if start else text:
        yield rest


def _head(blocks: Iterator[str]) -> str:
    # Short reads (a pipe, a small block) must not decide what a document is.
    head: list[str] = []
    for block in blocks:
        head.append(block)
        if sum(map(len, head)) >= MAX_CHARACTERS:
            break
    return "".join(head)


def _split(text: str, documents: str) -> list[str]:
    if documents == "blank":
        return _BLANK.split(text)
    if documents == "line":
        return text.split("\n")
    return [text]


def _cut(text: str) -> int:
    least = MAX_CHARACTERS // 2
    cut = text.rfind("\n", least, MAX_CHARACTERS) + 1
    if not cut:
        ends = ((text.rfind(end, least, MAX_CHARACTERS), len(end)) for end in _SENTENCE_ENDS)
        cut = max(at + length if at >= 0 else 0 for at, length in ends)
    if not cut:
        cut = text.rfind(" ", least, MAX_CHARACTERS) + 1
    if not cut:
        cut = MAX_CHARACTERS
        while cut > least and unicodedata.combining(text[cut]):
            cut -= 1
    return cut

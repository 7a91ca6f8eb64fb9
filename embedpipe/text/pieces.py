"""A corpus as a stream of pieces: arrays of ids that hold whole sentences, so that memory does not grow with it."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import BundleError
from embedpipe.text.codec import TextCodec
from embedpipe.text.normalise import normalise
from embedpipe.text.readers import ReadOptions, read_documents
from embedpipe.text.sentences import SentenceSplitter
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS

__all__ = ["load_splitter", "store_pieces", "text_pieces"]

_PIECE = 4_000_000
"""Tokens of a store, or characters of text, in one piece; a sentence is never cut."""


def store_pieces(store: TokenStore) -> Iterator[NDArray[np.uint32]]:
    """Yield the ids of a token store in pieces of whole sentences, each closed by ``<eos>``.

    Raises
    ------
    BundleError
        If the store is damaged: a sentence does not end in ``<eos>``.
    """
    offsets = store.sentence_offsets.astype(np.int64)
    edges = np.unique(np.searchsorted(offsets, np.arange(0, offsets[-1] + _PIECE, _PIECE)).clip(max=len(offsets) - 1))
    for start, stop in zip(offsets[edges[:-1]].tolist(), offsets[edges[1:]].tolist(), strict=True):
        piece = np.asarray(store.tokens[start:stop])
        if len(piece) != stop - start or piece[-1] != EOS:
            raise BundleError(f"{store.path}: damaged: sentences and tokens do not fit; prepare the text again")
        yield piece


def text_pieces(
    sources: Sequence[str], codec: TextCodec, splitter: SentenceSplitter, options: ReadOptions
) -> Iterator[NDArray[np.uint32]]:
    """Yield the ids of any sources of text in pieces of whole sentences, each closed by ``<eos>``.

    Parameters
    ----------
    sources : what `read_documents` takes; raises what it raises.
    codec : tokenizes and numbers; unknown tokens are ``<unk>``.
    splitter : finds the sentences.

    Examples
    --------
    >>> from embedpipe.text.tokenizer import RegexTokenizer
    >>> from embedpipe.text.vocabulary import Vocabulary
    >>> codec = TextCodec(RegexTokenizer(), Vocabulary.from_counts({"police": 1}))
    >>> piece = next(text_pieces(["builtin:lee"], codec, SentenceSplitter(), ReadOptions()))
    >>> int((piece == 4).sum()), int(piece[-1]) == EOS
    (85, True)
    """
    sentences: list[NDArray[np.uint32]] = []
    end, size = np.array([EOS], dtype=np.uint32), 0
    for document in chain.from_iterable(read_documents(source, options) for source in sources):
        size += len(document.text)
        for ids in codec.encode_many(splitter.split(normalise(document.text))):
            sentences += (ids, end)
        if size >= _PIECE and sentences:
            yield np.concatenate(sentences)
            sentences, size = [], 0
    if sentences:
        yield np.concatenate(sentences)


def load_splitter(spec_path: Path) -> SentenceSplitter:
    """Return the sentence splitter that stands in a tokenizer's description on disk.

    Raises
    ------
    BundleError
        If the file is missing or damaged, or holds no sentence splitter.
    """
    try:
        return SentenceSplitter.from_spec(json.loads(spec_path.read_text(encoding="utf-8"))["sentences"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{spec_path}: describes no sentence splitter: {error!r}; make the bundle again") from error

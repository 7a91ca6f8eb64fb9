"""One pass over a few megabytes of documents: normalise, split, tokenise once, number, hash; and the files it leaves.

Everything works on all documents of a chunk joined together, so that the cost per document is a few array operations.
A chunk numbers its own types; `prepare` translates these numbers once the vocabulary is known.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.deduplicate import Signer, digest_rows, mix
from embedpipe.text.normalise import DOCUMENT_MARK, SENTENCE_MARK, normalise_marked, without_marks
from embedpipe.text.numbering import number_tokens
from embedpipe.text.sentences import SentenceSplitter
from embedpipe.text.split import hash_texts
from embedpipe.text.tokenizer import Tokenizer

__all__ = ["BUCKETS", "Chunk", "ChunkFiles", "process_chunk"]

BUCKETS = 64


@dataclass(frozen=True)
class Chunk:
    """What a chunk of documents became.

    Parameters
    ----------
    types : the distinct tokens, grouped by the bucket of their hash.
    buckets : int64 of shape (BUCKETS + 1,): where each bucket begins in `types`.
    ids : uint32 position in `types` of every token.
    lengths : uint32, tokens in each sentence (none is empty).
    begins : bool of shape (n_sentences,): whether each sentence begins a line of its document.
    documents : uint32 of shape (n_documents,): sentences in each document; may be 0.
    hashes : uint64 of shape (n_documents,): hash of the document's text, by which it is put in a split.
    digests : uint64 of shape (n_documents,): hash of the document's token sequence.
    signatures : uint32 of shape (n_documents, permutations): MinHash, all ones where a document is too short for it.
    n_cut : sentences that were cut because they were too long.
    """

    types: list[str]
    buckets: NDArray[np.int64]
    ids: NDArray[np.uint32]
    lengths: NDArray[np.uint32]
    begins: NDArray[np.bool_]
    documents: NDArray[np.uint32]
    hashes: NDArray[np.uint64]
    digests: NDArray[np.uint64]
    signatures: NDArray[np.uint32]
    n_cut: int


def process_chunk(
    texts: Sequence[str], splitter: SentenceSplitter, tokenizer: Tokenizer, signer: Signer, max_sentence: int
) -> Chunk:
    """Return the chunk that `texts`, one string for each document, become."""
    joined = f" {DOCUMENT_MARK} ".join(texts)
    if joined.count(DOCUMENT_MARK) >= len(texts) or SENTENCE_MARK in joined:
        joined = f" {DOCUMENT_MARK} ".join(map(without_marks, texts))
    known, raw = number_tokens(splitter.mark(normalise_marked(joined)), tokenizer)
    types, buckets, translation, hashes_of_types = _order_types(known[2:])
    is_token = raw > 1
    ids = translation[raw[is_token] - 2]
    # Sentences end at marks; documents too, so their marks are looked up among the marks.
    ends = np.flatnonzero(~is_token)
    lengths = np.diff(ends, prepend=-1, append=len(raw)) - 1
    document_of_sentence = np.cumsum(np.concatenate([[0], raw[ends] == 0]))
    filled = lengths > 0
    # Between the two marks of a line end lies a sentence without tokens; no other is without.
    begins = np.append(True, ~filled[:-1]) | (np.diff(document_of_sentence, prepend=-1) > 0)
    lengths, begins, document_of_sentence = lengths[filled], begins[filled], document_of_sentence[filled]
    lengths, of_piece, n_cut = _cut(lengths, max_sentence)
    begins = begins[of_piece] & (np.diff(of_piece, prepend=-1) > 0)
    document_of_sentence = document_of_sentence[of_piece]
    n_documents = len(texts)
    documents = np.bincount(document_of_sentence, minlength=n_documents).astype(np.uint32)
    sizes = np.bincount(document_of_sentence, weights=lengths, minlength=n_documents).astype(np.int64)
    token_hashes = hashes_of_types[ids]
    return Chunk(
        types,
        buckets,
        ids,
        lengths.astype(np.uint32),
        begins,
        documents,
        hash_texts(texts),
        digest_rows(token_hashes, sizes),
        signer.sign(token_hashes, sizes),
        n_cut,
    )


class ChunkFiles:
    """The files of one chunk: `NUMBER.npz`-like arrays apart, so that each is read only where it is needed."""

    def __init__(self, folder: Path, number: int) -> None:
        self._stem = str(folder / f"{number:06d}")

    def save(self, chunk: Chunk) -> None:
        """Write all parts."""
        self._save_types(chunk.types, chunk.buckets)
        for field in fields(Chunk):
            if field.name not in ("types", "n_cut"):
                np.save(f"{self._stem}.{field.name}.npy", getattr(chunk, field.name), allow_pickle=False)

    def array(self, name: str) -> NDArray[Any]:
        """Return one of the arrays of `Chunk`."""
        loaded: NDArray[Any] = np.load(f"{self._stem}.{name}.npy", allow_pickle=False)
        return loaded

    def replace(self, name: str, content: NDArray[np.integer]) -> None:
        """Write one of the arrays again."""
        np.save(f"{self._stem}.{name}.npy", content, allow_pickle=False)

    def replace_tokens(self, types: Sequence[str], ids: NDArray[np.unsignedinteger]) -> None:
        """Write other tokens: distinct `types` in any order, and the place in them of every token."""
        ordered, buckets, translation, _ = _order_types(types)
        self._save_types(ordered, buckets)
        self.replace("buckets", buckets)
        self.replace("ids", translation[ids])

    def types(self, first: int = 0, last: int = BUCKETS) -> list[str]:
        """Return the types in the buckets from `first` up to, not including, `last`."""
        offsets = np.load(f"{self._stem}.bytes.npy", allow_pickle=False)
        found: list[str] = []
        with open(f"{self._stem}.types", "rb") as file:
            file.seek(offsets[first])
            for size in np.diff(offsets[first : last + 1]).tolist():
                if size:
                    found += file.read(size).decode().split("\n")
        return found

    def _save_types(self, types: Sequence[str], buckets: NDArray[np.int64]) -> None:
        encoded = ["\n".join(types[a:b]).encode() for a, b in pairwise(buckets)]
        with open(f"{self._stem}.types", "wb") as file:
            file.writelines(encoded)
        np.save(f"{self._stem}.bytes.npy", np.cumsum([0, *map(len, encoded)]), allow_pickle=False)


def _order_types(
    types: Sequence[str],
) -> tuple[list[str], NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint64]]:
    """Return `types` grouped by bucket, the bucket offsets, the new number of each old one, and the new hashes."""
    encoded = [token.encode() for token in types]
    low = np.fromiter(map(zlib.crc32, encoded), dtype=np.uint64, count=len(types))
    high = np.fromiter(map(zlib.adler32, encoded), dtype=np.uint64, count=len(types))
    hashes = mix(low | (high << np.uint64(32)))
    order = np.argsort(hashes, kind="stable")
    translation = np.empty(len(types), dtype=np.uint32)
    translation[order] = np.arange(len(types), dtype=np.uint32)
    hashes = hashes[order]
    edges = np.arange(BUCKETS, dtype=np.uint64) << np.uint64(58)
    buckets = np.append(np.searchsorted(hashes, edges), len(types)).astype(np.int64)
    return [types[i] for i in order.tolist()], buckets, translation, hashes


def _cut(lengths: NDArray[np.int64], longest: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the lengths with too long sentences in pieces, the sentence of each, and how many were cut."""
    pieces = -(-lengths // longest)
    of_piece = np.repeat(np.arange(len(lengths)), pieces)
    n_cut = int((pieces > 1).sum())
    if n_cut == 0:
        return lengths, of_piece, 0
    whole = np.full(int(pieces.sum()), longest, dtype=np.int64)
    whole[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * longest
    return whole, of_piece, n_cut

"""The splits as plain text: training text as gensim reads it, held-out text with all its words."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.numbering import take_rows
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, UNK, Vocabulary

__all__ = ["append_lines", "last_of_passages", "read_sentences", "write_train_text"]

_GROUP_TOKENS = 1_000_000
_BLOCK_TOKENS = 50_000
_PASSAGE_TOKENS = 1_000


def write_train_text(
    path: Path, store: TokenStore, vocabulary: Vocabulary, seed: int, *, documents: NDArray[np.int64] | None = None
) -> int:
    """Write one passage per line, tokens between single spaces, unknown ones left out, documents in a seeded order.

    A passage is a run of whole sentences of one document that begin within 1,000 tokens of each other: word vectors
    are better when their windows reach over the ends of sentences (``docs/experiments/presets.md``). Returns the number
    of lines.

    `documents` are the numbers of those to write, in ascending order, a number as often as its document; None for all.

    gensim's threads begin at equal bytes of the file and stop after equal numbers of words, so that some text is met
    less often than the rest; in a corpus that is ordered by source this would be always the same source. Documents
    are mixed within groups of about a million tokens, and the groups among each other: the store is read in long runs.
    """
    # Every token with a space after it, then every token without, as it stands before a line end.
    words = [token.encode() for token in vocabulary.tokens]
    spelled = [word + b" " for word in words] + words
    spelled[EOS] = b"\n"
    letters = np.frombuffer(b"".join(spelled), dtype=np.uint8)
    sizes = np.fromiter(map(len, spelled), dtype=np.int64, count=len(spelled))
    bounds = store.sentence_offsets[store.document_offsets].astype(np.int64)
    edges = np.searchsorted(bounds, np.arange(0, bounds[-1], _GROUP_TOKENS)).tolist()
    groups = [(a, b) for a, b in zip(edges, [*edges[1:], store.n_documents], strict=True) if a < b]
    random = np.random.default_rng(seed)
    n_lines = 0
    with open(path, "wb") as file:
        for number in random.permutation(len(groups)).tolist():
            first, last = groups[number]
            order = random.permutation(_between(documents, first, last) - first)
            content = store.tokens[bounds[first] : bounds[last]]
            sizes_of_documents = np.diff(bounds[first : last + 1])
            ids = take_rows(content, sizes_of_documents, order)
            kept = ids != UNK
            within, at_ends = _passages(ids, sizes_of_documents[order])
            kept[within] = False
            n_lines += len(at_ends)
            ids = ids[kept]
            at_end = np.append(ids[1:] == EOS, False) & (ids != EOS)
            rows = ids + np.where(at_end, len(words), 0)
            for start in range(0, len(rows), _BLOCK_TOKENS):
                file.write(take_rows(letters, sizes, rows[start : start + _BLOCK_TOKENS]).tobytes())
    return n_lines


def _passages(ids: NDArray[np.uint32], sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of the ``<eos>`` within and at the end of passages, in documents of these `sizes` in a row."""
    ends = np.flatnonzero(ids == EOS)
    last = last_of_passages(np.concatenate([[0], ends[:-1] + 1])[: len(ends)], np.cumsum(sizes) - sizes)
    return ends[~last], ends[last]


def last_of_passages(begins: NDArray[np.int64], begins_of_documents: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return of each sentence whether it is the last of its passage, as `write_train_text` cuts them.

    Parameters
    ----------
    begins : places of the first tokens of the sentences, ascending, the closing ``<eos>`` of each counted.
    begins_of_documents : those of the documents.

    Examples
    --------
    >>> last_of_passages(np.array([0, 600, 1200, 1300]), np.array([0, 1300])).tolist()
    [False, True, True, True]
    """
    document = np.searchsorted(begins_of_documents, begins, side="right") - 1
    passage = (begins - begins_of_documents[document]) // _PASSAGE_TOKENS
    return np.append((np.diff(document) != 0) | (np.diff(passage) != 0), True)[: len(begins)]


def _between(documents: NDArray[np.int64] | None, first: int, last: int) -> NDArray[np.int64]:
    if documents is None:
        return np.arange(first, last)
    return documents[slice(*np.searchsorted(documents, [first, last]))]


def append_lines(path: Path, types: Sequence[str], ids: NDArray[np.integer], lengths: NDArray[np.integer]) -> None:
    """Append sentences to a text file, one a line, tokens between single spaces, unknown ones among them.

    Parameters
    ----------
    types : distinct tokens.
    ids : the place in `types` of every token.
    lengths : tokens in each sentence.
    """
    spelled = [*(f"{token} " for token in types), "\n"]
    closed = np.insert(ids.astype(np.int64), np.cumsum(lengths.astype(np.int64)), len(types))
    with open(path, "a", encoding="utf-8", newline="\n") as file:
        file.write("".join(map(spelled.__getitem__, closed.tolist())).replace(" \n", "\n"))


def read_sentences(path: Path, wanted: Iterable[int]) -> Iterator[list[str]]:
    """Yield the tokens of the sentences with the numbers `wanted`, which ascend, from what `append_lines` wrote."""
    with open(path, encoding="utf-8", newline="\n") as file:
        done = 0
        for number in wanted:
            line = next(islice(file, number - done, None))
            done = number + 1
            yield line.rstrip("\n").split(" ")

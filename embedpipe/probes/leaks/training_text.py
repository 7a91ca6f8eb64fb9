"""Texts looked for in the text that a bundle was trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Codec
from embedpipe.probes.leaks.copies import SIMILARITY, CopyFinder
from embedpipe.probes.leaks.word_rows import WordRows, hash_words, join_treebank, rows_of_words
from embedpipe.text.normalise import normalise
from embedpipe.text.pieces import load_splitter
from embedpipe.text.prepared import PreparedText
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import SPECIALS, UNK

__all__ = ["MIN_WORDS", "FoundTexts", "TrainingText", "find_in_training"]

MIN_WORDS = 5
"""Known words below which a text stands in a corpus by chance."""

_BLOCK_TOKENS = 1_000_000


class _Splitter(Protocol):
    def split(self, text: str) -> list[str]: ...


@dataclass(frozen=True)
class TrainingText:
    """The text that a bundle was trained on, and the rules it was prepared by.

    Parameters
    ----------
    store : the training split.
    codec : the tokenizer and the vocabulary of the store.
    splitter : its rules for the ends of sentences.
    """

    store: TokenStore
    codec: Codec
    splitter: _Splitter

    @classmethod
    def of(cls, text: PreparedText) -> "TrainingText":
        """Return the training split of a prepared text."""
        return cls(text.train, text.codec, load_splitter(text.path / "tokenizer_spec.json"))

    def sentence(self, number: int) -> str:
        """Return a sentence of the training split, without its unknown words."""
        return self.codec.decode(self.store.sentence(number))


@dataclass(frozen=True, eq=False)
class FoundTexts:
    """Which texts stand in a training text, in arrays of shape (n_texts,).

    Parameters
    ----------
    exact, near : bool, word for word and otherwise nearly; no text is both.
    asked : bool, False where a text has too few known words to tell.
    sentence : int64, the number of a sentence of the training text where it stands, -1 where it stands nowhere.
    """

    exact: NDArray[np.bool_]
    near: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    sentence: NDArray[np.int64]


def find_in_training(texts: Sequence[str], training: TrainingText, threshold: float = SIMILARITY) -> FoundTexts:
    """Return which of `texts` stand in a training text, which is read once, a million tokens at a time.

    A text is there exactly if its words stand in a row within one document, whatever the ends of sentences; it is there
    nearly if it is a near-duplicate of one sentence, or if sentences of it that are there hold `threshold` of its
    words. Words outside the vocabulary are all alike: what has fewer than five known words, or twice as few known
    words as unknown ones, is not looked for.

    Parameters
    ----------
    texts : of tasks; those of all tasks together, for the training text is read for each call.
    training : where they are looked for.
    threshold : the Jaccard similarity of words and pairs of words from which sentences are near-duplicates, in (0, 1].
    """
    hashes, is_word = hash_words(training.codec.vocabulary.tokens)
    is_word[: len(SPECIALS)] = False
    known_word = is_word.copy()
    is_word[UNK] = True
    parts = [training.splitter.split(normalise(join_treebank(text))) or [""] for text in texts]
    n_parts = np.array([len(part) for part in parts], dtype=np.int64)
    tokens, lengths = training.codec.encode_flat([sentence for part in parts for sentence in part])
    sentences = rows_of_words(tokens, lengths, hashes, is_word)
    known = rows_of_words(tokens, lengths, hashes, known_word).sizes
    text_of_sentence = np.repeat(np.arange(len(texts)), n_parts)

    def of_text(of_sentence: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(text_of_sentence, of_sentence, minlength=len(texts)).astype(np.int64)

    several = np.flatnonzero(n_parts[text_of_sentence] > 1)
    pieces = sentences.take(several)
    sizes = of_text(sentences.sizes)
    units = WordRows(np.concatenate([sentences.hashes, pieces.hashes]), np.concatenate([sizes, pieces.sizes]))
    known = np.concatenate([of_text(known), known[several]])
    asked = (known >= MIN_WORDS) & (3 * known >= 2 * units.sizes)
    exact, near, sentence = _search(units, asked, training.store, (hashes, is_word), threshold)
    n = len(texts)
    there = np.flatnonzero(exact[n:] | near[n:])
    owner = text_of_sentence[several[there]]
    covered = np.bincount(owner, pieces.sizes[there], minlength=n) >= np.maximum(threshold * sizes, 1)
    of_piece = np.full(n, -1)
    of_piece[owner] = sentence[n:][there]
    return FoundTexts(
        exact[:n],
        (near[:n] | (covered & asked[:n])) & ~exact[:n],
        asked[:n],
        np.where(sentence[:n] < 0, of_piece, sentence[:n]),
    )


def _search(
    units: WordRows,
    asked: NDArray[np.bool_],
    store: TokenStore,
    words: tuple[NDArray[np.uint64], NDArray[np.bool_]],
    threshold: float,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """Return which units are there exactly and which nearly (some are both), and the sentence of one copy of each."""
    exact, near = np.zeros(len(units), dtype=np.bool_), np.zeros(len(units), dtype=np.bool_)
    sentence = np.full(len(units), -1)
    wanted = np.flatnonzero(asked)
    if not len(wanted):
        return exact, near, sentence
    finder = CopyFinder(units.take(wanted), threshold)
    for first, rows, wholes in _blocks(store, words):
        matches = finder.find(rows, wholes)
        unit = wanted[matches.known]
        new = (sentence[unit] < 0) | (matches.exact & ~exact[unit])
        sentence[unit[new]] = first + matches.other[new]
        exact[unit[matches.exact]] = True
        near[unit[~matches.exact]] = True
    return exact, near, sentence


def _blocks(
    store: TokenStore, words: tuple[NDArray[np.uint64], NDArray[np.bool_]]
) -> Iterator[tuple[int, WordRows, NDArray[np.int64]]]:
    """Yield whole documents: the number of the first sentence, the sentences, and how many each document has."""
    documents = store.document_offsets.astype(np.int64)
    begins = store.sentence_offsets.astype(np.int64)
    bounds = begins[documents]
    edges = np.unique(np.searchsorted(bounds, [*range(0, int(bounds[-1]), _BLOCK_TOKENS), int(bounds[-1])])).tolist()
    for a, b in pairwise(edges):
        first, last = int(documents[a]), int(documents[b])
        rows = rows_of_words(store.tokens[bounds[a] : bounds[b]], np.diff(begins[first : last + 1]), *words)
        yield first, rows, np.diff(documents[a : b + 1])

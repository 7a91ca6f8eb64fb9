"""The held-out sentences that the probes of a corpus are made of, with their documents and folds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import NotEnoughDataError
from embedpipe.probes import baselines
from embedpipe.text.split_text import read_sentences
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import SPECIALS, UNK

__all__ = [
    "FOLDS",
    "MAX_TOKENS",
    "MIN_TOKENS",
    "Codec",
    "Detokenizer",
    "HeldOutSplit",
    "Pool",
    "draw_pool",
    "folds_by_document",
    "halves",
    "need",
]

MIN_TOKENS, MAX_TOKENS = 5, 60
FOLDS = 5
_PER_DOCUMENT = 400
_MIN_SENTENCES = 50
_POOL = 5
_DOCUMENTS = 20


class HeldOutSplit(NamedTuple):
    """A split twice: ids, and the text file whose lines are the same sentences with all their words."""

    store: TokenStore
    text: Path


class Detokenizer(Protocol):
    """Tokens to text."""

    def detokenize(self, tokens: Sequence[str]) -> str: ...


class Codec(baselines.Codec, Protocol):
    """Text to tokens and ids, and tokens to text."""

    @property
    def tokenizer(self) -> Detokenizer: ...


@dataclass(frozen=True, eq=False)
class Pool:
    """Sentences of whole documents, each different from the others and read by the codec as it was prepared.

    Parameters
    ----------
    codec : reads and writes them.
    tokens : of each sentence, words outside the vocabulary among them.
    documents : int64 of shape (n,): the document of each sentence, from 0.
    places : int64 of shape (n,): which sentence of its document it is; a neighbour that is not usable is missing.
    n_seen : sentences that were looked at, the unusable ones among them.
    units : what the documents are, for notes.
    """

    codec: Codec
    tokens: Sequence[list[str]]
    documents: NDArray[np.int64]
    places: NDArray[np.int64]
    n_seen: int
    units: str = "documents"

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def n_documents(self) -> int:
        """Documents with a usable sentence."""
        return len(np.unique(self.documents))

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """int64 of shape (n,): tokens of each sentence."""
        return np.fromiter(map(len, self.tokens), dtype=np.int64, count=len(self.tokens))

    @cached_property
    def ids(self) -> NDArray[np.uint32]:
        """The ids of all sentences, one after the other; `sentence_of` says whose they are."""
        return self.codec.vocabulary.ids(token for sentence in self.tokens for token in sentence)

    @cached_property
    def sentence_of(self) -> NDArray[np.int64]:
        """int64 of shape (n_tokens,): the sentence of each id."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @cached_property
    def folds(self) -> NDArray[np.int64]:
        """int64 of shape (n,): folds of about the same size, each document whole in one of them."""
        return folds_by_document(self.documents, FOLDS)

    @cached_property
    def is_word(self) -> NDArray[np.bool_]:
        """bool of shape (n_vocabulary,): tokens with a letter or a digit in them."""
        tokens = self.codec.vocabulary.tokens
        words = np.fromiter((any(map(str.isalnum, token)) for token in tokens), dtype=bool, count=len(tokens))
        words[: len(SPECIALS)] = False
        return words

    @cached_property
    def is_content(self) -> NDArray[np.bool_]:
        """bool of shape (n_vocabulary,): words of middle frequency.

        They were seen five times in training at least, and do not belong to the most frequent tokens that make up half
        of the text, which are mostly function words and punctuation.
        """
        counts = self.codec.vocabulary.counts.astype(np.float64)
        counts[: len(SPECIALS)] = 0
        order = np.argsort(-counts, kind="stable")
        before = np.cumsum(counts[order]) - counts[order]
        frequent = np.zeros(len(counts), dtype=bool)
        frequent[order[before < counts.sum() / 2]] = True
        content: NDArray[np.bool_] = self.is_word & ~frequent & (counts >= 5)
        return content

    def text(self, i: int) -> str:
        """Return sentence `i` as text."""
        return self.codec.tokenizer.detokenize(self.tokens[i])

    def spelt(self, tokens: list[str]) -> str | None:
        """Return `tokens` as text, or None where the codec would read other tokens in it."""
        text = self.codec.tokenizer.detokenize(tokens)
        return text if self.codec.tokenize(text) == tokens else None

    def note(self, of: str) -> str:
        """Return what the task is made of, for its note."""
        return f"{of} of {self.n_documents} held-out {self.units}, folds by document"


def draw_pool(
    splits: Sequence[HeldOutSplit], codec: Codec, *, n_sentences: int, seed: int, units: str = "documents"
) -> Pool:
    """Return usable sentences of held-out documents, several times as many as a task needs where there are as many.

    Usable is a sentence of 5 to 60 tokens, five of them known, the first time only, in which the codec reads the same
    tokens again. At most the first 400 sentences of a document are looked at.

    Parameters
    ----------
    splits : what no vector was trained on, the best first; one is turned to only where those before it hold fewer than
        twenty documents or twice `n_sentences` usable sentences.
    codec : of the bundle.
    n_sentences : that a task asks for.
    seed : of the order of the documents.
    units : what the documents of the splits are, for notes.
    """
    tokens: list[list[str]] = []
    documents: list[int] = []
    places: list[int] = []
    known: set[str] = set()
    n_seen = n_documents = 0
    for s, (store, text) in enumerate(splits):
        if n_documents >= _DOCUMENTS and len(tokens) >= 2 * n_sentences:
            break
        drawn = _documents(store, np.random.default_rng([seed, s]), _POOL * n_sentences - len(tokens), n_documents)
        wanted = [(document, place, i) for document, first, last in drawn for place, i in enumerate(range(first, last))]
        n_seen += len(wanted)
        fits = (store.lengths >= MIN_TOKENS) & (store.lengths <= MAX_TOKENS)
        wanted = [row for row in wanted if fits[row[2]]]
        for (document, place, i), sentence in zip(
            wanted, read_sentences(text, [row[2] for row in wanted]), strict=True
        ):
            if int((store.sentence(i) != UNK).sum()) < MIN_TOKENS:
                continue
            spelt = codec.tokenizer.detokenize(sentence)
            if spelt in known or codec.tokenize(spelt) != sentence:
                continue
            known.add(spelt)
            tokens.append(sentence)
            documents.append(n_documents + document)
            places.append(place)
        n_documents += len(drawn)
    return Pool(codec, tokens, np.array(documents, dtype=np.int64), np.array(places, dtype=np.int64), n_seen, units)


def _documents(
    store: TokenStore, rng: np.random.Generator, n_sentences: int, n_documents: int
) -> list[tuple[int, int, int]]:
    """Return a number from 0, and the first and last + 1 sentence of as many documents as it takes, in their order."""
    offsets = store.document_offsets.astype(np.int64)
    order = rng.permutation(store.n_documents)
    sizes = np.minimum(np.diff(offsets), _PER_DOCUMENT)[order]
    enough = int(np.searchsorted(np.cumsum(sizes), n_sentences)) + 1
    chosen = np.sort(order[: max(enough, _DOCUMENTS - n_documents)])
    return [
        (number, int(offsets[i]), int(min(offsets[i + 1], offsets[i] + _PER_DOCUMENT)))
        for number, i in enumerate(chosen.tolist())
    ]


def folds_by_document(
    documents: NDArray[np.int64], n_folds: int, groups: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return the fold of each sentence: a document is whole in one fold, and the folds are of about the same size.

    Parameters
    ----------
    documents : int64 of shape (n,): the document of each sentence.
    n_folds : at most; fewer where there are fewer documents.
    groups : int64 of shape (n,), the same for all sentences of a document: each group is dealt out evenly by itself.

    Examples
    --------
    >>> folds_by_document(np.array([7, 7, 7, 2, 2, 5]), 2).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    unique, first, inverse, sizes = np.unique(documents, return_index=True, return_inverse=True, return_counts=True)
    n_folds = min(n_folds, max(1, len(unique)))
    of_group = np.zeros(len(unique), dtype=np.int64) if groups is None else groups[first]
    fold_of = np.empty(len(unique), dtype=np.int64)
    total = np.zeros(n_folds, dtype=np.int64)
    for group in np.unique(of_group):
        inside = np.flatnonzero(of_group == group)
        filled = np.zeros(n_folds, dtype=np.int64)
        for document in inside[np.argsort(-sizes[inside], kind="stable")].tolist():
            fold = int(np.lexsort((total, filled))[0])
            fold_of[document] = fold
            filled[fold] += sizes[document]
            total[fold] += sizes[document]
    return fold_of[inverse]


def halves(folds: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a random half of each fold as a mask of shape (n,); of an odd number the larger part is left out.

    >>> changed = halves(np.array([0, 0, 0, 0, 1, 1, 1]), np.random.default_rng(1))
    >>> int(changed[:4].sum()), int(changed[4:].sum())
    (2, 1)
    """
    chosen = np.zeros(len(folds), dtype=bool)
    for fold in np.unique(folds):
        inside = rng.permutation(np.flatnonzero(folds == fold))
        chosen[inside[: len(inside) // 2]] = True
    return chosen


def need(task: str, found: int, what: str, folds: NDArray[np.int64], least: int = _MIN_SENTENCES) -> None:
    """Raise `NotEnoughDataError` where a task has fewer than `least` of `what`, or all of them are of one document."""
    if found < least:
        raise NotEnoughDataError(f"the held-out text gives {found} {what}; the task '{task}' needs {least}")
    if len(np.unique(folds)) < 2:
        raise NotEnoughDataError(
            f"the held-out text is one document; the task '{task}' needs two, one to learn from and one to test on"
        )

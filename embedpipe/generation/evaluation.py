"""Perplexity on held-out text, of a model and of the counting baselines beside it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.ngrams.kneser_ney import KneserNey
from embedpipe.generation.reader import ModelReader, evaluating, losses_along
from embedpipe.generation.units import perplexity_of
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, UNK

__all__ = [
    "HeldOut",
    "bigram_perplexity",
    "by_documents",
    "held_out",
    "kneser_ney_perplexity",
    "perplexity",
    "token_losses",
    "unigram_perplexity",
    "unigram_probabilities",
]

_CHUNK = 1_000_000
_MASSES = (10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A fixed sample of a held-out stream: contiguous stretches spread evenly over it.

    Parameters
    ----------
    tokens : uint32 of shape (rows, time + 1); column *t + 1* is the target of column *t*.
    """

    tokens: NDArray[np.uint32]

    @property
    def n_scored(self) -> int:
        """Number of predicted tokens."""
        return self.tokens[:, 1:].size

    @property
    def unknown_share(self) -> float:
        """Share of ``<unk>`` among the predicted tokens."""
        return float(np.mean(self.tokens[:, 1:] == UNK))


def held_out(tokens: NDArray[np.uint32], *, limit: int, rows: int = 32) -> HeldOut:
    """Return at most about `limit` predictions out of a stream of at least two tokens.

    >>> held_out(np.arange(9, dtype=np.uint32), limit=4, rows=2).tokens.tolist()
    [[0, 1, 2], [4, 5, 6]]
    """
    rows = max(1, min(rows, (len(tokens) - 1) // 2))
    length = (len(tokens) - 1) // rows
    taken = max(1, min(length, limit // rows))
    return HeldOut(np.stack([tokens[row * length : row * length + taken + 1] for row in range(rows)]))


def by_documents(store: TokenStore, *, limit: int) -> list[NDArray[np.uint32]]:
    """Return whole documents, spread evenly over a store, with about `limit` predicted tokens together.

    Each begins with the ``<eos>`` before it, so that its first word is predicted too, as the first of a sentence is in
    training. A document longer than `limit` is cut there.

    Returns
    -------
    One uint32 array for each document, in order; as rows of losses: ``[losses(one[None])[0] for one in documents]``,
    or `KneserNey.document_losses`.
    """
    edges = store.sentence_offsets[store.document_offsets.astype(np.int64)].astype(np.int64)
    edges = edges[np.concatenate([[True], np.diff(edges) > 0])]
    n = len(edges) - 1
    taken = max(1, min(n, round(limit * n / max(1, int(edges[-1] - edges[0])))))
    chosen = (np.arange(taken) * n // taken).tolist() if n else []
    found = [store.tokens[edges[i] : min(edges[i + 1], edges[i] + limit)] for i in chosen]
    return [np.concatenate([[EOS], document]).astype(np.uint32) for document in found]


def perplexity(model: LanguageModel, sample: HeldOut) -> float:
    """Return the exact perplexity (full softmax, ``<unk>`` counted as a token) with the state carried along rows."""
    return perplexity_of(float(token_losses(model, sample.tokens).mean()))


def token_losses(model: LanguageModel, tokens: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Return the negative log-probability, in nats, of every token after the first of each row.

    The softmax is exact, ``<unk>`` is a token like any other, and the state is carried along the rows, which begin
    with none. The model is read in evaluation mode and left in its own.

    Parameters
    ----------
    tokens : of shape (rows, time + 1), such as `HeldOut.tokens`; the first of each row is read and not predicted.

    Returns
    -------
    float64 array of shape (rows, time)
    """
    with evaluating(model):
        return losses_along(ModelReader(model), tokens, model.device)


def unigram_probabilities(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unigram distribution of the training stream, one added to each count so that none is zero."""
    smoothed: NDArray[np.float64] = counts + 1.0
    return smoothed / float(smoothed.sum())


def unigram_perplexity(counts: NDArray[np.float64], sample: HeldOut) -> float:
    """Return the perplexity of the training frequencies alone; `counts` has one entry for each token."""
    return perplexity_of(-float(np.log(unigram_probabilities(counts))[sample.tokens[:, 1:]].mean()))


def kneser_ney_perplexity(
    train: NDArray[np.uint32], n_tokens: int, sample: HeldOut, *, order: int = 5, limit: int = 100_000_000
) -> float:
    """Return the perplexity of modified interpolated Kneser-Ney (Chen and Goodman, 1999) on the sample.

    N-grams reach over the ends of sentences, as the state of a neural model does, and begin anew with each row. They
    are counted over the first `limit` tokens of the stream, in four bytes for each.
    """
    model = KneserNey.fit(train[:limit], n_tokens, order=order)
    return perplexity_of(float(model.losses(sample.tokens).mean()))


def bigram_perplexity(
    train: NDArray[np.uint32], counts: NDArray[np.float64], sample: HeldOut, *, limit: int = 20_000_000
) -> float:
    """Return the perplexity of bigram counts interpolated with the unigrams by a Dirichlet prior.

    The mass of the prior (MacKay & Peto, 1995) is the best of a few on the sample itself, which favours this
    baseline. Only pairs that occur in the sample are counted, over the first `limit` tokens of the stream, so the
    memory does not grow with the corpus.
    """
    size = np.int64(len(counts))
    before, target = (
        sample.tokens[:, :-1].astype(np.int64).ravel(),
        sample.tokens[:, 1:].astype(np.int64).ravel(),
    )
    keys, place = np.unique(before * size + target, return_inverse=True)
    pairs, contexts = np.zeros(len(keys)), np.zeros(len(counts))
    for start in range(0, min(len(train), limit) - 1, _CHUNK):
        chunk = train[start : min(start + _CHUNK, limit) + 1].astype(np.int64)
        contexts += np.bincount(chunk[:-1], minlength=len(counts))
        seen = chunk[:-1] * size + chunk[1:]
        at = np.minimum(np.searchsorted(keys, seen), len(keys) - 1)
        pairs += np.bincount(at[keys[at] == seen], minlength=len(keys))
    unigram = unigram_probabilities(counts)[target]
    scores = (np.log((pairs[place] + mass * unigram) / (contexts[before] + mass)).mean() for mass in _MASSES)
    return perplexity_of(-float(max(scores)))

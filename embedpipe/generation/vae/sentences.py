"""Sentences as the generative model reads and writes them: whole, each between two ``<eos>``."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.errors import NotEnoughDataError
from embedpipe.nn.batches import Padded
from embedpipe.nn.layers import length_mask
from embedpipe.nn.spans import Draw, Spans
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, UNK

__all__ = ["FEWEST_TOKENS", "Framed", "frame", "hide_words", "some_sentences", "whole_sentences"]

FEWEST_TOKENS = 3
"""Shorter sentences, mostly headings and list marks, say too little to be conditioned on."""


@dataclass(frozen=True, slots=True)
class Framed:
    """A batch of sentences as inputs and targets of a language model.

    Parameters
    ----------
    inputs : int64, shape (batch, time + 1): ``<eos>`` and the sentence.
    targets : the same shape: the sentence and ``<eos>``, then padding.
    mask : bool, the same shape: where there is a target.
    """

    inputs: Tensor
    targets: Tensor
    mask: Tensor


def frame(sentences: Padded) -> Framed:
    """Return sentences between two ``<eos>``, as a language model reads each alone.

    >>> framed = frame(Padded(torch.tensor([[7, 8], [9, 0]]), torch.tensor([2, 1])))
    >>> framed.inputs.tolist(), framed.targets.tolist()
    ([[3, 7, 8], [3, 9, 0]], [[7, 8, 3], [9, 3, 0]])
    """
    column = sentences.ids.new_zeros(len(sentences.ids), 1)
    inputs = torch.cat([column + EOS, sentences.ids], dim=1)
    targets = torch.cat([sentences.ids, column], dim=1).scatter(1, sentences.lengths[:, None], EOS)
    return Framed(inputs, targets, length_mask(sentences.lengths + 1, targets.shape[1]))


def hide_words(framed: Framed, p: float) -> Tensor:
    """Return the inputs with a share `p` of the words, never the first ``<eos>``, as ``<unk>`` (Bowman et al., 2016).

    Draws from torch's global generator.
    """
    if p == 0.0:
        return framed.inputs
    hidden = torch.rand(framed.inputs.shape, device=framed.inputs.device) < p
    hidden[:, 0] = False
    return framed.inputs.masked_fill(hidden, UNK)


def _usable(store: TokenStore, max_tokens: int) -> NDArray[np.int64]:
    lengths = store.lengths
    return np.flatnonzero((lengths >= FEWEST_TOKENS) & (lengths <= max_tokens))


def whole_sentences(store: TokenStore, max_tokens: int) -> tuple[Draw, float]:
    """Return how to draw sentences that are not cut, and the share of all sentences that they are.

    Raises
    ------
    NotEnoughDataError
        If no sentence of the store has from 3 to `max_tokens` tokens.
    """
    usable = _usable(store, max_tokens)
    if not len(usable):
        raise NotEnoughDataError(
            f"{store.path}: no sentence of {FEWEST_TOKENS} to {max_tokens} tokens to train on; give it more text, or "
            "raise latent.max_tokens"
        )
    offsets, lengths = store.sentence_offsets, store.lengths

    def draw(number: int, n: int, rng: np.random.Generator) -> Spans:  # noqa: ARG001
        chosen = usable[rng.integers(0, len(usable), n)]
        return Spans(offsets[chosen].astype(np.int64)[None], lengths[chosen][None], chosen)

    return draw, len(usable) / store.n_sentences


def some_sentences(
    store: TokenStore, max_tokens: int, n: int, seed: int
) -> tuple[list[NDArray[np.uint32]], NDArray[np.int64]]:
    """Return at most `n` different sentences of 3 to `max_tokens` tokens, and the number of the document of each.

    They are drawn by the seed, and stand in the order of the text.
    """
    usable = _usable(store, max_tokens)
    chosen = np.sort(np.random.default_rng(seed).choice(usable, min(n, len(usable)), replace=False))
    return [np.array(store.sentence(int(i))) for i in chosen], store.document_of_sentence[chosen]

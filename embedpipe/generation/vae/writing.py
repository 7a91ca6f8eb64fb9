"""Sentences written from points z, side by side."""

import torch
from torch import Tensor

from embedpipe.generation.decoding import Decoding, ban_, sample
from embedpipe.generation.vae.network import SentenceVAE
from embedpipe.text.vocabulary import BOS, EOS, PAD, UNK

__all__ = ["write"]

_ROWS = 256


@torch.inference_mode()
def write(
    model: SentenceVAE,
    z: Tensor,
    decoding: Decoding,
    *,
    max_tokens: int,
    generator: torch.Generator | None = None,
) -> list[list[int]]:
    """Write one sentence for each point.

    Parameters
    ----------
    z : float, shape (n, dim).
    max_tokens : a sentence ends after so many, if it has not ended before.
    generator : of the device of the model.

    Returns
    -------
    list of lists of ids, without the closing ``<eos>``; none is empty or holds another special.
    """
    texts: list[list[int]] = []
    for points in torch.split(z, _ROWS):
        texts += _write(model, points, decoding, max_tokens, generator)
    return texts


def _write(
    model: SentenceVAE, z: Tensor, decoding: Decoding, max_tokens: int, generator: torch.Generator | None
) -> list[list[int]]:
    texts: list[list[int]] = [[] for _ in z]
    going = torch.arange(len(z), device=z.device)
    state, chosen = model.state(z), torch.full((len(z),), EOS, device=z.device)
    for written in range(max_tokens):
        hidden, state = model.decoder(chosen[:, None], state)
        logits = ban_(model.decoder.logits(hidden[:, -1]), (PAD, UNK, BOS) if written else (PAD, UNK, BOS, EOS))
        chosen = sample(logits, decoding, generator)
        goes_on = chosen != EOS
        if not goes_on.all():
            going, chosen, state = going[goes_on], chosen[goes_on], state.rows(goes_on)
        for row, token in zip(going.tolist(), chosen.tolist(), strict=True):
            texts[row].append(token)
        if not len(going):
            break
    return texts

"""Prompts: what is read of them, and where the writing begins behind them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from embedpipe.errors import ConfigError
from embedpipe.generation.decoding.position import Position, Predictor
from embedpipe.generation.state import BEGINNING, State
from embedpipe.text.codec import TextCodec
from embedpipe.text.vocabulary import EOS, UNK

__all__ = ["MAX_PROMPT_TOKENS", "Prompt", "begin_prompts", "check_start", "n_rows", "read_prompt"]

MAX_PROMPT_TOKENS = 1_000
"""At most so many of the last tokens of a prompt are read."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as ids.

    Parameters
    ----------
    text : as it was given; empty where it is white space alone.
    ids : its last tokens, which are read.
    n_tokens : how many tokens it has.
    n_unknown : how many of them are outside the vocabulary.
    """

    text: str
    ids: list[int]
    n_tokens: int
    n_unknown: int

    @property
    def n_unread(self) -> int:
        """How many tokens at its beginning are left out."""
        return self.n_tokens - len(self.ids)


def read_prompt(codec: TextCodec, text: str, reach: int | None = None) -> Prompt:
    """Return a text as a prompt, of which `MAX_PROMPT_TOKENS` are read; raise `TypeError` where it is no text.

    Parameters
    ----------
    reach : how many tokens the model looks back on, where it is not all: no more are read.
    """
    if not isinstance(text, str):
        raise TypeError(f"a prompt is one string, not {type(text).__name__}")
    text = text if text.strip() else ""
    ids = codec.encode(text)
    most = MAX_PROMPT_TOKENS if reach is None else min(MAX_PROMPT_TOKENS, reach)
    return Prompt(text, ids[-most:].tolist(), len(ids), int((ids == UNK).sum()))


@torch.inference_mode()
def begin_prompts(predictor: Predictor, prompts: Sequence[Prompt], start: State = BEGINNING) -> list[Position]:
    """Return the position behind each prompt, of one row.

    Reading begins after an ``<eos>``, where every sentence began in training. A prompt that the model takes for a whole
    sentence, as it expects an ``<eos>`` with a probability above one half, is followed by a new one. Prompts of equal
    length are read in one batch.

    Parameters
    ----------
    start : what the texts are conditioned on: of one row for each prompt, of one for all of them, or nothing.

    Raises
    ------
    ConfigError
        If `start` has another number of rows.
    """
    check_start(start, len(prompts))
    device = predictor.model.device
    starts = start.to(device)
    if n_rows(start) == 1:
        starts = starts.repeat(len(prompts))
    by_length = defaultdict(list)
    for i, prompt in enumerate(prompts):
        by_length[len(prompt.ids)].append(i)
    positions: dict[int, Position] = {}
    for length, places in by_length.items():
        ids = torch.tensor([[EOS, *prompts[i].ids] for i in places], dtype=torch.int64, device=device)
        position = predictor.begin(ids, starts.rows(torch.tensor(places, device=device)))
        whole = _expects_end(position.logits) if length else torch.zeros(len(places), dtype=torch.bool)
        for one, i in enumerate(places):
            row = position.rows(torch.tensor([one], device=device))
            end = torch.tensor([EOS], device=device)
            positions[i] = predictor.go_on(row, end) if whole[one] else row
    return [positions[i] for i in range(len(prompts))]


def n_rows(state: State) -> int:
    """Return the size of a state's batch, 0 at the beginning."""
    if state.given is not None:
        return len(state.given)
    return state.layers[0][0].shape[1] if state.layers else 0


def check_start(start: State, n_prompts: int) -> None:
    """Raise `ConfigError` unless a state has no row, one, or one for each prompt."""
    if n_rows(start) not in (0, 1, n_prompts):
        raise ConfigError(f"the start has {n_rows(start)} rows for {n_prompts} prompts; give one, or one for each")


def _expects_end(logits: Tensor) -> Tensor:
    return torch.softmax(logits.float(), dim=1)[:, EOS] > 0.5

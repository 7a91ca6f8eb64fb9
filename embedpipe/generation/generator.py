"""Text in, text out: continuations of a prompt, and the probability of a text."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.errors import ConfigError
from embedpipe.generation.decoding import Decoding, ban_, sample
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.score import Score, TextScorer
from embedpipe.generation.state import State
from embedpipe.text.vocabulary import BOS, EOS, PAD, UNK

if TYPE_CHECKING:
    from embedpipe.text.codec import TextCodec

__all__ = ["MAX_PROMPT_TOKENS", "Continuations", "Score", "TextGenerator"]

MAX_PROMPT_TOKENS = 1_000
"""The model reads at most so many of the last tokens of a prompt."""

_ROWS = 256


@dataclass(frozen=True, slots=True)
class Continuations:
    """What was written, and what was read of the prompt.

    Parameters
    ----------
    texts : the prompt as it was given and a continuation of it, one for each asked.
    n_tokens : tokens written for each, the closing ``<eos>`` not counted.
    n_prompt_tokens : tokens of the prompt.
    n_unknown : how many of them are outside the vocabulary.
    n_unread : how many at the beginning were left out because the prompt is too long.
    """

    texts: list[str]
    n_tokens: list[int]
    n_prompt_tokens: int
    n_unknown: int
    n_unread: int


class TextGenerator:
    """Writes text with a language model.

    Parameters
    ----------
    codec : the codec of the vocabulary that the model was trained on.
    model : the language model, on any device.
    """

    def __init__(self, codec: "TextCodec", model: LanguageModel) -> None:
        self.codec, self.model = codec, model.eval()

    def generate(
        self,
        prompt: str = "",
        *,
        n: int = 3,
        max_tokens: int = 40,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 0.95,
        seed: int | None = None,
    ) -> list[str]:
        """Return `n` texts that begin with the prompt, as it was given, and go on to the end of a sentence.

        Parameters
        ----------
        prompt : may be empty. A prompt that the model takes for a whole sentence is followed by a new one.
        max_tokens : a text ends after so many new tokens, if no sentence has ended before.
        temperature, top_k, top_p : see `Decoding`.
        seed : the same seed and arguments give the same texts; None draws one.

        Raises
        ------
        ConfigError
            If an argument is out of its range.
        """
        decoding = Decoding(temperature, top_k, top_p)
        return self.continuations(prompt, decoding, n=n, max_tokens=max_tokens, seed=seed).texts

    @torch.inference_mode()
    def continuations(
        self, prompt: str, decoding: Decoding, *, n: int = 3, max_tokens: int = 40, seed: int | None = None
    ) -> Continuations:
        """Return what `generate` does, with counts of what was read and written."""
        if not isinstance(prompt, str):
            raise TypeError(f"a prompt is one string, not {type(prompt).__name__}")
        if n < 1 or max_tokens < 1:
            raise ConfigError(f"n and max_tokens are at least 1, not {n} and {max_tokens}")
        generator = torch.Generator(self.model.device)
        generator.manual_seed(secrets.randbits(32) if seed is None else seed % 2**63)
        ids = np.asarray(self.codec.encode(prompt), dtype=np.int64)
        read = ids[-MAX_PROMPT_TOKENS:]
        first, state = self._read(read)
        written: list[list[int]] = []
        while len(written) < n:
            rows = min(_ROWS, n - len(written))
            written += self._write(first, state, rows, max_tokens, decoding, generator)
        return Continuations(
            texts=[self._join(prompt, read, new) for new in written],
            n_tokens=[len(new) for new in written],
            n_prompt_tokens=len(ids),
            n_unknown=int((ids == UNK).sum()),
            n_unread=len(ids) - len(read),
        )

    def score(self, text: str) -> Score:
        """Return the log-probability of a text read as one sentence; unknown words are scored as ``<unk>``."""
        return TextScorer(self.codec, self.model).score(text)

    def scores(self, texts: Sequence[str]) -> list[Score]:
        """Return what `score` does for each of many texts, read side by side."""
        return TextScorer(self.codec, self.model).scores(texts)

    def _read(self, ids: NDArray[np.int64]) -> tuple[Tensor, State]:
        """Return the logits of the first new token, shape (1, n_tokens), and the state after the prompt.

        Reading begins after an ``<eos>``, where every sentence began in training.
        """
        hidden, state = self.model(self._tensor([EOS, *ids.tolist()])[None])
        logits = self.model.logits(hidden[:, -1])
        if len(ids) and float(torch.softmax(logits.float(), dim=1)[0, EOS]) > 0.5:
            hidden, state = self.model(self._tensor([EOS])[None], state)
            logits = self.model.logits(hidden[:, -1])
        return logits, state

    def _write(
        self,
        first: Tensor,
        state: State,
        n: int,
        max_tokens: int,
        decoding: Decoding,
        generator: torch.Generator,
    ) -> list[list[int]]:
        """Write `n` continuations side by side; finished ones leave the batch."""
        texts: list[list[int]] = [[] for _ in range(n)]
        rows = list(range(n))
        state = state.repeat(n)
        logits = ban_(first.repeat(n, 1), (PAD, UNK, BOS, EOS))
        for written in range(1, max_tokens + 1):
            chosen = sample(logits, decoding, generator)
            going = chosen != EOS
            ids = chosen.tolist()
            for row, token in zip(rows, ids, strict=True):
                if token != EOS:
                    texts[row].append(token)
            if written == max_tokens or not going.any():
                break
            if not going.all():
                rows = [row for row, token in zip(rows, ids, strict=True) if token != EOS]
                chosen, state = chosen[going], state.rows(going)
            hidden, state = self.model(chosen[:, None], state)
            logits = ban_(self.model.logits(hidden[:, -1]), (PAD, UNK, BOS))
        return texts

    def _join(self, prompt: str, read: NDArray[np.int64], new: Sequence[int]) -> str:
        """Return the prompt as it was given and the new tokens, spaced as the codec spaces them together."""
        before = np.asarray(read, dtype=np.uint32)
        after = np.asarray(new, dtype=np.uint32)
        alone = self.codec.decode(before)
        together = self.codec.decode(np.concatenate([before, after]))
        if alone and together.startswith(alone):
            added = together[len(alone) :]
        else:
            added = self.codec.decode(after)
            added = f" {added}" if prompt else added
        if added[:1].isspace() and (not prompt or prompt[-1].isspace()):
            added = added[1:]
        return prompt + added

    def _tensor(self, ids: Sequence[int]) -> Tensor:
        return torch.tensor(ids, dtype=torch.int64, device=self.model.device)

"""What was written as text: joined to its prompt, cut at a stop, and streamed as far as it can no longer change."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from embedpipe.generation.decoding.rules import Draft, Rules
from embedpipe.text.codec import TextCodec
from embedpipe.text.vocabulary import SPECIALS

__all__ = ["Shown"]

_WORD = "x"
_BROKEN = "\ufffd"
"""Stands for bytes that are no whole character yet."""


class Shown:
    """Drafts of one prompt as text.

    Parameters
    ----------
    codec : of the vocabulary.
    rules : hold the stop sequences.
    prompt : as it was given.
    read : the ids of its end that the model read.
    """

    def __init__(self, codec: TextCodec, rules: Rules, prompt: str, read: Sequence[int]) -> None:
        self.codec, self.rules, self.prompt = codec, rules, prompt
        self._before = np.asarray(read, dtype=np.uint32)
        self._alone = codec.decode(self._before)

    def added(self, ids: Sequence[int]) -> str:
        """Return new tokens as text, spaced as the codec spaces them behind the prompt; stops are not looked for."""
        after = np.asarray(ids, dtype=np.uint32)
        together = self.codec.decode(np.concatenate([self._before, after])) if self._alone else ""
        if self._alone and together.startswith(self._alone):
            added = together[len(self._alone) :]
        else:  # a prompt of unknown words, or one whose own spaces the new tokens would change
            added = self._behind_a_word(after) if self.prompt else self.codec.decode(after)
        if added[:1].isspace() and (not self.prompt or self.prompt[-1].isspace()):
            added = added[1:]
        return added

    def _behind_a_word(self, ids: NDArray[np.uint32]) -> str:
        tokens = self.codec.vocabulary.tokens
        known = [tokens[i] for i in ids.tolist() if i >= len(SPECIALS)]
        return self.codec.tokenizer.detokenize([_WORD, *known])[len(_WORD) :]

    def written(self, draft: Draft) -> str:
        """Return all that was written of a draft, a stop sequence included."""
        return self.added(draft.ids)

    def text(self, draft: Draft) -> str:
        """Return prompt and finished draft as one text, which ends before a stop sequence."""
        added = self.written(draft)
        at = self.rules.find_stop(added)
        return self.prompt + (added if at < 0 else added[:at].rstrip())

    def pieces(self, draft: Draft, steps: Iterator[None]) -> Iterator[str]:
        """Yield the text of one draft while `steps` write it: first the prompt, then what can no longer change.

        How a token is spaced may depend on the one behind it, and several may be needed for one character, so the
        pieces come one token late; together they are what `text` gives.
        """
        if self.prompt:
            yield self.prompt
        given, before = 0, ""
        for _ in steps:
            if draft.ended:
                continue
            now = self.added(draft.ids)
            if now == before:  # the end of a sentence settles nothing: what stands before it may still be spaced anew
                continue
            settled = self._settled(now[: _shared(before, now)])
            if len(settled) > given:
                yield settled[given:]
                given = len(settled)
            before = now
        rest = self.text(draft)[len(self.prompt) + given :]
        if rest:
            yield rest

    def _settled(self, text: str) -> str:
        """Return `text` without an end that may yet become a stop sequence, a space before one, or a character."""
        text = text.rstrip(_BROKEN)
        for stop in self.rules.stops:
            longest = min(len(stop) - 1, len(text))
            held = next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
            text = text[: len(text) - held]
        return text.rstrip() if self.rules.stops else text


def _shared(before: str, now: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    pairs = enumerate(zip(before, now, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(before), len(now)))

"""What a text may and may not hold, put to the logits of a batch: bans, ends, openings, repeats."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from embedpipe.errors import ConfigError
from embedpipe.generation.decoding.filters import ban_, block_ngrams_, penalise_repeats_
from embedpipe.generation.decoding.opening import Opening, spell
from embedpipe.generation.decoding.settings import Beam, Decoding, Limits
from embedpipe.text.codec import TextCodec
from embedpipe.text.normalise import fold, normalise
from embedpipe.text.vocabulary import BOS, EOS, PAD, SPECIALS, UNK

__all__ = ["Draft", "Rules"]


@dataclass(slots=True)
class Draft:
    """A text that is being written.

    Parameters
    ----------
    before : ids of the prompt that were read.
    ids : ids that were written; an ``<eos>`` stands between sentences, not at the end.
    n_sentences : how many have ended.
    opened : how much of the opening stands there, in bytes of its spelling.
    log_probability : of what was written and, where it ended by itself, of its end, in nats; only where asked for.
    score : what a beam search ranks by.
    ended : why: ``sentence``, ``stop``, ``length``, or ``stuck`` where nothing was allowed to follow; empty as long as
        it goes on.
    """

    before: Sequence[int] = ()
    ids: list[int] = field(default_factory=list)
    n_sentences: int = 0
    opened: int = 0
    log_probability: float = 0.0
    score: float = 0.0
    ended: str = ""

    @property
    def n_tokens(self) -> int:
        """How many tokens were written, ends of sentences not counted."""
        return len(self.ids) - self.n_sentences + (self.ended == "sentence")


class Rules:
    """The limits of a text and the penalties, in terms of one vocabulary.

    Parameters
    ----------
    codec : of the vocabulary.
    limits : what a text must be.
    choice : holds the penalties.
    device : of the logits.

    Raises
    ------
    ConfigError
        If the opening cannot be written.
    """

    def __init__(self, codec: TextCodec, limits: Limits, choice: Decoding | Beam, device: torch.device) -> None:
        self.limits, self.choice = limits, choice
        runs = [codec.encode(text).tolist() for text in limits.ban]
        self.banned_runs = [run for run in runs if len(run) > 1 and UNK not in run]
        self.banned = sorted({i for text in limits.ban for i in _holding(codec, text)})
        self.stops = [fold(normalise(text), codec.tokenizer.case).strip() for text in limits.stop]
        if not all(self.stops):
            raise ConfigError("stop holds a text without a visible character, which stands everywhere: leave it out")
        self.opening = Opening(codec, limits.begin_with, set(self.banned), limits.max_tokens)
        self._never = torch.tensor([PAD, UNK, BOS, *self.banned], dtype=torch.int64, device=device)

    @cached_property
    def looks_back(self) -> bool:
        """Whether the tokens before change what may follow."""
        return self.choice.repetition_penalty != 1.0 or self.choice.no_repeat_ngram > 0

    def put_to_(self, logits: Tensor, drafts: Sequence[Draft]) -> list[int]:
        """Change the logits of the next token of each draft in place.

        Returns
        -------
        the rows where nothing was allowed any more, and ``<eos>`` is.
        """
        if self.looks_back:
            history = _history(drafts, logits.device)
            if self.choice.repetition_penalty != 1.0:
                penalise_repeats_(logits, history, self.choice.repetition_penalty)
            if self.choice.no_repeat_ngram:
                block_ngrams_(logits, history, self.choice.no_repeat_ngram)
        for row, draft in enumerate(drafts):
            allowed = self.opening.allowed(draft.opened)
            if allowed is not None:
                only = logits[row, allowed].clamp(min=-1e4)  # an opening is stronger than a ban of repeats
                logits[row] = -torch.inf
                logits[row, allowed] = only
        ban_(logits, self._never)
        for run in self.banned_runs:
            rows = [row for row, draft in enumerate(drafts) if _ends_with(draft, run[:-1])]
            logits[rows, run[-1]] = -torch.inf
        early = [row for row, draft in enumerate(drafts) if self._too_early(draft)]
        if early:
            logits[early, EOS] = -torch.inf
        if not (self.looks_back or self.limits.ban):
            return []
        stuck: list[int] = logits.amax(dim=1).isneginf().nonzero()[:, 0].tolist()
        if stuck:
            logits[stuck, EOS] = 0.0
        return stuck

    def take(self, draft: Draft, token: int, *, stuck: bool = False) -> None:
        """Add a token to a draft and say whether it ended; stops are looked for by `find_stop`."""
        if stuck:
            draft.ended = "stuck"
        elif token == EOS and draft.n_sentences + 1 >= self.limits.sentences:
            draft.n_sentences += 1
            draft.ended = "sentence"
        else:
            draft.n_sentences += token == EOS
            draft.opened = self.opening.after(draft.opened, token)
            draft.ids.append(token)
            if draft.n_tokens >= self.limits.max_tokens:
                draft.ended = "length"

    def find_stop(self, text: str) -> int:
        """Return where the first stop sequence begins in what was written, or -1."""
        return min((at for at in map(text.find, self.stops) if at >= 0), default=-1)

    def _too_early(self, draft: Draft) -> bool:
        """Return whether a sentence may not end yet."""
        fresh = not draft.ids or draft.ids[-1] == EOS
        return fresh or draft.n_tokens < self.limits.min_tokens


def _holding(codec: TextCodec, text: str) -> list[int]:
    """Return the tokens that a banned text rules out: itself, and phrases that hold it."""
    tokens = codec.tokenize(text)
    if codec.vocabulary.holds_pieces:
        return codec.vocabulary.ids(tokens, oov="skip").tolist() if len(tokens) == 1 else []
    wanted = b"\0" + spell(codec, tokens)
    all_tokens = codec.vocabulary.tokens
    return [i for i in range(len(SPECIALS), len(all_tokens)) if wanted in b"\0" + spell(codec, [all_tokens[i]])]


def _ends_with(draft: Draft, run: Sequence[int]) -> bool:
    if len(draft.ids) >= len(run):
        return draft.ids[-len(run) :] == list(run)
    return [*draft.before[-len(run) :], *draft.ids][-len(run) :] == list(run)


def _history(drafts: Sequence[Draft], device: torch.device) -> Tensor:
    """Return the tokens of prompt and draft, int64 of shape (drafts, length), padded on the left by -1."""
    rows = [torch.tensor([-1, *draft.before, *draft.ids], dtype=torch.int64).flip(0) for draft in drafts]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
    return padded.flip(1).to(device)

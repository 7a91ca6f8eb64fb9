"""What was written as text: joined to its prompt, cut at a stop, and streamed as far as it can no longer change."""

from collections.abc import Iterator, Sequence

from embedpipe.generation.decoding.rules import Draft, Rules
from embedpipe.text.codec import TextCodec
from embedpipe.text.vocabulary import SPECIALS

__all__ = ["Shown"]

_WORD = "x"
_BROKEN = "\ufffd"
"""Stands for bytes that are no whole character yet."""
_PARTS = 4
"""A character has at most so many bytes, each of which may be a token."""
_LONG, _KEPT = 64, 16
"""When so many tokens are there, all but the last few are settled."""
_NEWEST = 4
"""Tokens at the end that may space each other anew."""


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
        self.before = self.tokens(read)
        self._alone = self.joined(self.before)

    def added(self, ids: Sequence[int]) -> str:
        """Return new tokens as text, spaced as the codec spaces them behind the prompt; stops are not looked for."""
        _, added = self.behind(ids)
        if added[:1].isspace() and (not self.prompt or self.prompt[-1].isspace()):
            added = added[1:]
        return added

    def behind(self, ids: Sequence[int]) -> tuple[list[str], str]:
        """Return the tokens behind which new ones are spaced, those of the prompt or a word in their place, and these
        new ones as text.
        """
        new = self.tokens(ids)
        if self._alone and (text := self.joined([*self.before, *new])).startswith(self._alone):
            return self.before, text[len(self._alone) :]
        # a prompt of unknown words, or one whose own spaces the new tokens would change
        behind = _WORD if self.prompt else ""
        return [*behind], self.joined([*behind, *new])[len(behind) :]

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens of ids, the specials left out."""
        tokens = self.codec.vocabulary.tokens
        return [tokens[i] for i in ids if i >= len(SPECIALS)]

    def joined(self, tokens: Sequence[str]) -> str:
        """Return tokens as text."""
        return self.codec.tokenizer.detokenize(tokens)

    def is_stopped(self, draft: Draft) -> bool:
        """Return whether the last token of a draft has brought a stop sequence about.

        Only spaces depend on what stands further before. Where the end of what was written does not hold a stop even
        without its spaces, nothing else is made into text.
        """
        return self._may_be_stopped(draft.ids) and self.rules.find_stop(self.written(draft)) >= 0

    def _may_be_stopped(self, ids: Sequence[int]) -> bool:
        stops = [_bare(stop) for stop in self.rules.stops]
        longest, n = max(map(len, stops)), 0
        while True:  # the last token may still space the one before it anew, and an <eos> stand between them
            n = 2 * n + longest + _NEWEST
            end = ids[-n:]
            if n >= len(ids) or len(_bare(self.codec.decode(end[:-_NEWEST]))) >= longest + _PARTS:
                break
        text = _bare(self.codec.decode(end))
        return any(stop in text for stop in stops)

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
        end, left_out, given, before = _End(self), 0, 0, ""
        for _ in steps:
            if draft.ended:
                continue
            now = end.text(draft.ids)
            if now == before:  # the end of a sentence settles nothing: what stands before it may still be spaced anew
                continue
            settled = self._settled(now[: _shared(before, now)])
            if len(settled) > given:
                yield settled[given:]
                given = len(settled)
            gone = end.shorten(draft.ids, now, given)
            left_out, given, before = left_out + gone, given - gone, end.text(draft.ids) if gone else now
        rest = self.text(draft)[len(self.prompt) + left_out + given :]
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


class _End:
    """The end of what is written, made into text behind a few tokens that stand for all before it."""

    def __init__(self, shown: Shown) -> None:
        self.shown, self.first = shown, 0
        self.behind: list[str] | None = None

    def text(self, ids: Sequence[int]) -> str:
        """Return the end of what was written, the tokens before it included."""
        if self.behind is None:
            return self.shown.added(ids)
        return self.shown.joined([*self.behind, *self.shown.tokens(ids[self.first :])])

    def shorten(self, ids: Sequence[int], text: str, given: int) -> int:
        """Leave tokens out where many have come; return by how many characters the text is shorter.

        Parameters
        ----------
        text : what `text` gives for `ids`.
        given : how many characters of it have been given out; what comes behind them stays.
        """
        n_behind = len(self.shown.before) if self.behind is None else 0
        if n_behind + len(ids) - self.first < _LONG:
            return 0
        first = max(self.first, len(ids) - _KEPT)
        behind = self.shown.behind(ids)[0] if self.behind is None else self.behind
        behind = self.shown.codec.tokenizer.shortened([*behind, *self.shown.tokens(ids[self.first : first])])
        shorter = len(text) - len(self.shown.joined([*behind, *self.shown.tokens(ids[first:])]))
        if not shorter or given - shorter <= len(self.shown.joined(behind)):
            return 0
        self.behind, self.first = behind, first
        return shorter


def _bare(text: str) -> str:
    """Return a text without its white space."""
    return "".join(text.split())


def _shared(before: str, now: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    pairs = enumerate(zip(before, now, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(before), len(now)))

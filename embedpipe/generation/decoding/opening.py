"""Texts that must begin in a given way: which tokens may come next until they do.

Tokens are compared as they are spelt, letter by letter, so that an opening need not end where a token ends: after
``the phys`` may come ``the physics``. Words are compared with a mark behind each, so that they end where they end;
pieces of words by the bytes they stand for, however the opening would be cut into pieces.
"""

from bisect import bisect_left
from collections.abc import Collection
from functools import lru_cache
from unicodedata import category

from embedpipe.errors import ConfigError
from embedpipe.text.codec import TextCodec
from embedpipe.text.tokenizer_bpe import piece_bytes
from embedpipe.text.tokenizer_phrases import PhraseTokenizer
from embedpipe.text.vocabulary import SPECIALS

__all__ = ["Opening", "spell"]

_END = b"\0"
_LAST = b"\xff" * 4


def spell(codec: TextCodec, tokens: list[str]) -> bytes:
    """Return how tokens are spelt: their bytes, or their words, each of them closed by a mark.

    >>> from embedpipe.text.tokenizer import RegexTokenizer
    >>> from embedpipe.text.vocabulary import Vocabulary
    >>> spell(TextCodec(RegexTokenizer(), Vocabulary.from_counts({"salt": 1})), ["salt", "sea"])
    b'salt\\x00sea\\x00'
    """
    if codec.vocabulary.holds_pieces:
        return b"".join(map(piece_bytes, tokens))
    if isinstance(codec.tokenizer, PhraseTokenizer):
        tokens = [word for token in tokens for word in codec.tokenizer.phrases.words(token)]
    return b"".join(token.encode("utf-8", "surrogatepass") + _END for token in tokens)


class Opening:
    """What a text must begin with.

    Parameters
    ----------
    codec : of the vocabulary.
    text : what to begin with. Its last word may be unfinished unless a space or a punctuation mark closes it.
    banned : ids that may not be used.
    most : how many tokens a text may have.

    Raises
    ------
    ConfigError
        If no tokens of the vocabulary begin so, or too many are needed.

    Examples
    --------
    >>> from embedpipe.text.tokenizer import RegexTokenizer
    >>> from embedpipe.text.vocabulary import Vocabulary
    >>> codec = TextCodec(RegexTokenizer(), Vocabulary.from_counts({"the": 5, "physics": 3, "physical": 2, "sea": 1}))
    >>> opening = Opening(codec, "The phys")
    >>> opening.allowed(0), opening.after(0, 4), sorted(opening.allowed(4)), opening.allowed(opening.after(4, 5))
    ([4], 4, [5, 6], None)
    """

    def __init__(self, codec: TextCodec, text: str, banned: Collection[int] = (), most: int = 100_000) -> None:
        tokens = codec.vocabulary.tokens
        self._codec, self._banned = codec, bool(banned)
        self._lengths: dict[int, int] = {}
        self.target = self._target(text)
        if len(self.target) > 100 * most:
            raise ConfigError(f"begin_with is longer than the {most:,} tokens that a text may have (max_tokens)")
        usable = [i for i in range(len(SPECIALS), len(tokens)) if i not in banned] if self.target else []
        self._keys = sorted(key for key in ((spell(codec, [tokens[i]]), i) for i in usable) if key[0])
        self._longest = max((len(key) for key, _ in self._keys), default=0)
        self.allowed = lru_cache(maxsize=1_024)(self._allowed)
        self._fewest = self._count_tokens(text)
        if self._fewest > most:
            raise ConfigError(
                f"begin_with takes at least {self._fewest} tokens, but a text ends after {most} (max_tokens)"
            )

    def after(self, done: int, token: int) -> int:
        """Return how much of the opening stands there when `token` has followed on `done` of it."""
        if done >= len(self.target):
            return done
        if token not in self._lengths:
            self._lengths[token] = len(spell(self._codec, [self._codec.vocabulary.tokens[token]]))
        return done + self._lengths[token]

    def _allowed(self, done: int) -> list[int] | None:
        """Return the tokens that may follow, or None where all may: the opening is complete."""
        if done >= len(self.target):
            return None
        return [i for key, i in self._fitting(done) if self._ends[min(done + len(key), len(self.target))] >= 0]

    def _fitting(self, done: int) -> list[tuple[bytes, int]]:
        """Return the tokens that go on with the opening, or complete it and may go beyond."""
        rest = self.target[done:]
        found = []
        if len(rest) <= self._longest:
            found += self._keys[bisect_left(self._keys, (rest, 0)) : bisect_left(self._keys, (rest + _LAST, 0))]
        for length in range(1, min(len(rest) - 1, self._longest) + 1):
            part = rest[:length]
            at = bisect_left(self._keys, (part, 0))
            while at < len(self._keys) and self._keys[at][0] == part:
                found.append(self._keys[at])
                at += 1
        return found

    def _count_tokens(self, text: str) -> int:
        """Find from which places the opening can be completed; return the fewest tokens that it takes."""
        size = len(self.target)
        self._ends = [-1] * size + [0]
        for done in range(size - 1, -1, -1):
            steps = [self._ends[min(done + len(key), size)] for key, _ in self._fitting(done)]
            self._ends[done] = min((1 + n for n in steps if n >= 0), default=-1)
        if self._ends[0] < 0:
            self._refuse(text)
        return self._ends[0]

    def _target(self, text: str) -> bytes:
        tokens = self._codec.tokenize(text)
        target = spell(self._codec, tokens)
        closed = not text or category(text[-1])[0] in "PSZC"
        if self._codec.vocabulary.holds_pieces:
            return target + b" " if text[-1:].isspace() and target else target
        return target if closed else target.removesuffix(_END)

    def _refuse(self, text: str) -> None:
        vocabulary = self._codec.vocabulary
        unknown = [token for token in self._codec.tokenize(text) if token not in vocabulary]
        word = unknown[0] if unknown else text
        near = vocabulary.near_spellings(word)
        hint = f"; near spellings: {', '.join(near)}" if near else ""
        banned = ", or it is banned" if self._banned else ""
        raise ConfigError(
            f"begin_with '{text:.80}': the vocabulary cannot spell '{word:.40}'{banned}; give words that it holds, the "
            f"last one may be a beginning{hint}"
        )

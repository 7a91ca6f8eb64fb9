"""What is said on stderr of words that a bundle does not know."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from embedpipe.cli.output import say

if TYPE_CHECKING:
    from embedpipe.text.codec import TextCodec

__all__ = ["say_unknown", "say_unknown_in"]


def say_unknown(n_unknown: int, n_tokens: int, what: str, then: str = "") -> None:
    """Say how many of some tokens are unknown, if any; `what` names them, `then` says what follows from it."""
    if n_unknown:
        say(f"{n_unknown:,} of {n_tokens:,} {what} are not in the vocabulary{then}")


def say_unknown_in(codec: "TextCodec", texts: Sequence[str], what: str, then: str = "") -> None:
    """Do what `say_unknown` does for the tokens of texts."""
    from embedpipe.text.vocabulary import UNK

    ids, _ = codec.encode_flat(texts)
    say_unknown(int((ids == UNK).sum()), len(ids), what, then)

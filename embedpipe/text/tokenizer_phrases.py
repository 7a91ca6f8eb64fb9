"""A tokenizer of words whose phrases are tokens."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from embedpipe.text.phrases import Phrases
from embedpipe.text.tokenizer import FORMAT, Tokenizer

__all__ = ["PhraseTokenizer"]


class PhraseTokenizer:
    """Tokens of another tokenizer, joined where they are a phrase (Mikolov et al., 2013).

    Parameters
    ----------
    tokenizer : makes the words.
    phrases : joins them.

    Examples
    --------
    >>> from embedpipe.text.tokenizer import RegexTokenizer
    >>> tokenizer = PhraseTokenizer(RegexTokenizer(), Phrases((frozenset({("new", "york")}),)))
    >>> tokenizer.tokenize("New York, new_york")
    ['new_york', ',', 'new', '_', 'york']
    >>> tokenizer.detokenize(["in", "new_york", ",", "_"])
    'in new york, _'
    """

    spaced = False

    def __init__(self, tokenizer: Tokenizer, phrases: Phrases) -> None:
        self.case = tokenizer.case
        self.words, self.phrases = tokenizer, phrases

    def split(self, text: str) -> list[str]:
        """Return the tokens of text that is normalised and folded already."""
        return self.phrases.merge(self.words.split(text))

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of `text`, phrases as one; ``[]`` for blank text."""
        return self.phrases.merge(self.words.tokenize(text))

    def detokenize(self, tokens: Sequence[str]) -> str:
        """Return `tokens` as text, each phrase as the words that it is made of."""
        return self.words.detokenize(self._words(tokens))

    def shortened(self, tokens: Sequence[str]) -> list[str]:
        """Return a few words behind which tokens read as they do behind `tokens`."""
        return self.words.shortened(self._words(tokens))

    def _words(self, tokens: Sequence[str]) -> list[str]:
        return list(chain.from_iterable(map(self.phrases.words, tokens)))

    def spec(self) -> dict[str, Any]:
        """Return the description that `load_tokenizer` takes: that of the words with the phrases in it."""
        return {**self.words.spec(), "format": FORMAT, "phrases": self.phrases.spec()}

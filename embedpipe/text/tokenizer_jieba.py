"""Chinese words by jieba (extra ``zh``), with a dictionary of its own and no cache file.

jieba keeps a marshalled copy of its dictionary in the shared temporary directory, where anyone may put one; here the
dictionary is read from the installed package each time (about a second).
"""

import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from embedpipe.errors import MissingExtraError
from embedpipe.text.normalise import Case, fold, normalise
from embedpipe.text.tokenizer import join_tokens, shorten_tokens

__all__ = ["JiebaTokenizer"]


class JiebaTokenizer:
    """Words of Chinese text; Latin words and numbers inside it stay whole.

    Raises
    ------
    MissingExtraError
        If jieba is not installed.
    """

    spaced = False

    def __init__(self, case: Case = "lower") -> None:
        self.case: Case = case
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import jieba
        except ImportError as error:
            raise MissingExtraError("jieba", "zh") from error
        self._jieba = jieba

    @cached_property
    def _segmenter(self) -> Any:
        segmenter = self._jieba.Tokenizer()
        segmenter.FREQ, segmenter.total = segmenter.gen_pfdict(segmenter.get_dict_file())
        segmenter.initialized = True
        return segmenter

    def split(self, text: str) -> list[str]:
        """Return the tokens of text that is normalised and folded already."""
        return [token for token in self._segmenter.cut(text) if not token.isspace()]

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of `text`; ``[]`` for blank text."""
        return self.split(fold(normalise(text), self.case))

    def detokenize(self, tokens: Sequence[str]) -> str:
        """Return `tokens` as text: Chinese without spaces, all else with them."""
        return join_tokens(tokens)

    def shortened(self, tokens: Sequence[str]) -> list[str]:
        """Return a few tokens behind which others are spaced as they are behind `tokens`."""
        return shorten_tokens(tokens)

    def spec(self) -> dict[str, Any]:
        """Return the description that `load_tokenizer` takes."""
        return {"format": 1, "kind": "jieba", "case": self.case}

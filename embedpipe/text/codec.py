"""Text to ids and back: the tokenizer and the vocabulary of one bundle together."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import BundleError
from embedpipe.text.numbering import number_texts
from embedpipe.text.tokenizer import Tokenizer, load_tokenizer
from embedpipe.text.vocabulary import SPECIALS, Vocabulary

__all__ = ["TextCodec", "check_texts"]


def check_texts(texts: Sequence[object]) -> None:
    """Raise `TypeError` unless `texts` is a sequence of strings.

    >>> check_texts(["a", None])
    Traceback (most recent call last):
    TypeError: expected texts, but item 1 is NoneType: None
    """
    if isinstance(texts, str | bytes):
        raise TypeError("expected a sequence of texts, not one text: wrap it in a list")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"expected texts, but item {i} is {type(text).__name__}: {text!r:.60}")


class TextCodec:
    """Encode text as token ids by the rules that the corpus was prepared with.

    Parameters
    ----------
    tokenizer : splits text.
    vocabulary : numbers the tokens.

    Examples
    --------
    >>> from embedpipe.text.tokenizer import RegexTokenizer
    >>> codec = TextCodec(RegexTokenizer(), Vocabulary.from_counts({"the": 3, "cat": 2, ".": 2}))
    >>> codec.encode("The cat slept.").tolist(), codec.decode([5, 4, 3])
    ([4, 6, 1, 5], '. the')
    """

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
        self.tokenizer, self.vocabulary = tokenizer, vocabulary

    @classmethod
    def load(cls, spec_path: Path, vocabulary: Vocabulary) -> "TextCodec":
        """Return the codec whose tokenizer is described by the JSON file `spec_path`.

        Raises
        ------
        BundleError
            If the file is missing, damaged or newer than this program.
        """
        try:
            spec = json.loads(spec_path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BundleError(f"{spec_path}: not a tokenizer description: {error}") from error
        if not isinstance(spec, dict):
            raise BundleError(f"{spec_path}: not a tokenizer description: expected a JSON object")
        try:
            return cls(load_tokenizer(spec), vocabulary)
        except BundleError as error:
            raise BundleError(f"{spec_path}: {error}") from error

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of `text`, known or not."""
        return self.tokenizer.tokenize(text)

    def encode(self, text: str) -> NDArray[np.uint32]:
        """Return the ids of `text` as uint32, 1 for each unknown token, nothing added at the ends."""
        return self.vocabulary.ids(self.tokenizer.tokenize(text), oov="unk")

    def encode_many(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """Return one array of ids for each text.

        Raises
        ------
        TypeError
            If `texts` is one string, or holds anything but strings.
        """
        ids, lengths = self.encode_flat(texts)
        ends = np.cumsum(lengths).tolist()
        return [ids[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def encode_flat(self, texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the ids of all texts, one after the other, and how many each text has.

        Several texts are read as one, so that a tokenizer of spaced words splits each distinct word once.

        Returns
        -------
        ids : uint32, shape (n_tokens,), as `encode` gives them.
        lengths : int64, shape (len(texts),), which add up to n_tokens.

        Raises
        ------
        TypeError
            If `texts` is one string, or holds anything but strings.

        Examples
        --------
        >>> from embedpipe.text.tokenizer import RegexTokenizer
        >>> codec = TextCodec(RegexTokenizer(), Vocabulary.from_counts({"the": 3, "cat": 2, ".": 2}))
        >>> [part.tolist() for part in codec.encode_flat(["The cat.", "", "A cat"])]
        [[4, 6, 5, 1, 6], [3, 0, 2]]
        """
        check_texts(texts)
        if len(texts) == 1:
            ids = self.encode(texts[0])
            return ids, np.array([len(ids)], dtype=np.int64)
        types, numbers, lengths = number_texts(texts, self.tokenizer)
        return self.vocabulary.ids(types)[numbers], lengths

    def decode(self, ids: Sequence[int] | NDArray[np.integer]) -> str:
        """Return readable text for `ids`, the four specials left out."""
        tokens = self.vocabulary.tokens
        return self.tokenizer.detokenize([tokens[int(i)] for i in ids if i >= len(SPECIALS)])

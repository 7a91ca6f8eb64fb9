"""Marked text to numbered tokens: a word is folded and split once, however often it stands in the text."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.normalise import DOCUMENT_MARK, SENTENCE_MARK, fold, normalise_marked, without_marks
from embedpipe.text.tokenizer import Tokenizer

__all__ = ["number_texts", "number_tokens", "take_rows"]

_Number = TypeVar("_Number", bound=np.integer)
_N_MARKS = 2
_SENTENCE = 1
# Words that are counted and dropped a few hundred at a time stay in the processor's cache.
_WINDOW = 4_096


def number_tokens(text: str, tokenizer: Tokenizer) -> tuple[list[str], NDArray[np.uint32]]:
    """Return the distinct tokens of `text` and the number of each of its tokens, in order.

    Parameters
    ----------
    text : normalised, not folded, with marks between spaces.
    tokenizer : folds and splits it.

    Returns
    -------
    types : the distinct tokens, the document mark first and the sentence mark second.
    numbers : uint32, the position in `types` of every token.

    Examples
    --------
    >>> from embedpipe.text.tokenizer import RegexTokenizer
    >>> types, numbers = number_tokens(f"No, no. {SENTENCE_MARK} No!", RegexTokenizer())
    >>> types[2:], numbers.tolist()
    (['no', ',', '.', '!'], [2, 3, 2, 4, 1, 2, 5])
    """
    if not tokenizer.spaced:
        return _number(tokenizer.split(fold(text, tokenizer.case)))
    words, order = _number(chain.from_iterable(map(str.split, _windows(text))))
    distinct = f" {SENTENCE_MARK} ".join(words[_N_MARKS:])
    types, pieces = _number(tokenizer.split(fold(distinct, tokenizer.case)))
    is_piece = pieces >= _N_MARKS
    n_pieces = np.diff(np.flatnonzero(~is_piece), prepend=-1, append=len(pieces)) - 1
    marks = np.arange(_N_MARKS, dtype=np.uint32)
    return types, take_rows(np.append(marks, pieces[is_piece]), np.append(np.ones_like(marks), n_pieces), order)


def number_texts(texts: Sequence[str], tokenizer: Tokenizer) -> tuple[list[str], NDArray[np.uint32], NDArray[np.int64]]:
    """Return the distinct tokens of several texts, the number of each token, and how many each text has.

    Parameters
    ----------
    texts : as they are, not normalised.
    tokenizer : splits them.

    Returns
    -------
    types : the distinct tokens; the first two are marks that no text holds.
    numbers : uint32, the position in `types` of every token, text after text.
    lengths : int64, shape (len(texts),).

    Examples
    --------
    >>> from embedpipe.text.tokenizer import RegexTokenizer
    >>> types, numbers, lengths = number_texts(["No, no.", "", "No!"], RegexTokenizer())
    >>> types[2:], numbers.tolist(), lengths.tolist()
    (['no', ',', '.', '!'], [2, 3, 2, 4, 2, 5], [4, 0, 2])
    """
    joined = f" {SENTENCE_MARK} ".join(map(without_marks, texts))
    types, numbers = number_tokens(normalise_marked(joined), tokenizer)
    is_mark = numbers == _SENTENCE
    lengths = np.diff(np.flatnonzero(is_mark), prepend=-1, append=len(numbers))[: len(texts)] - 1
    return types, numbers[~is_mark], lengths


def take_rows(content: NDArray[_Number], sizes: NDArray[np.integer], order: NDArray[np.integer]) -> NDArray[_Number]:
    """Return the rows `order` of a table whose rows, of these `sizes`, lie one after the other in `content`.

    Examples
    --------
    >>> take_rows(np.array([7, 8, 9], dtype=np.uint32), np.array([2, 1]), np.array([1, 0, 1])).tolist()
    [9, 7, 8, 9]
    """
    starts = np.cumsum(sizes, dtype=np.int64) - sizes
    chosen = sizes[order]
    stops = np.cumsum(chosen, dtype=np.int64)
    shift = starts[order] - (stops - chosen)
    found: NDArray[_Number] = content[np.arange(stops[-1] if len(stops) else 0) + np.repeat(shift, chosen)]
    return found


def _windows(text: str) -> Iterator[str]:
    """Yield `text` in pieces that end before a space."""
    start = 0
    while (stop := text.find(" ", start + _WINDOW)) >= 0:
        yield text[start:stop]
        start = stop
    yield text[start:]


def _number(tokens: Iterable[str]) -> tuple[list[str], NDArray[np.uint32]]:
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    numbers[DOCUMENT_MARK], numbers[SENTENCE_MARK]  # take the numbers 0 and 1
    order = np.frombuffer(array("I", map(numbers.__getitem__, tokens)), dtype=np.uint32)
    return list(numbers), order

"""Decimal numbers as text to float32, whole blocks at once.

Parsing a number at a time makes hundreds of millions of Python or C calls of one large file. Here the digits of all
numbers of a block are gathered eight bytes at a time and added up by three multiplications (Lemire, 2021, "Number
Parsing at a Gigabyte per Second", after Johnny Lee); what is not plainly written goes to Python's `float`.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["parse_numbers"]

_SPACE, _DOT, _MINUS = b" .-"
_MOST_DIGITS = 15
"""Whole numbers of so many digits, and the powers of ten they are divided by, are exact in float64."""
_POWERS = 10 ** np.arange(_MOST_DIGITS + 1, dtype=np.uint64)
_PADDING = b" " * 16


def parse_numbers(text: bytes) -> NDArray[np.float32]:
    """Return the numbers in `text`, each separated from the next by one space: the float32 nearest to its float64.

    Parameters
    ----------
    text : ASCII, as in ``b"0.5 -1.25e-3 7"``; no space at its ends.

    Returns
    -------
    float32 array of shape (n,), in the order of the text; ``nan`` and ``inf`` where the text says so or a number is
        too large.

    Raises
    ------
    ValueError
        Naming the first piece that is no number.

    Examples
    --------
    >>> parse_numbers(b"0.5 -1.25e-3 7").tolist()
    [0.5, -0.0012499999720603228, 7.0]
    """
    padded = text + b" " + _PADDING[: 8 - (len(text) + 1) % 8] + _PADDING
    data = np.frombuffer(padded, dtype=np.uint8)
    marks = np.flatnonzero((data[: len(text) + 1] - 48) > 9)
    kinds = data[marks]
    last = np.flatnonzero(kinds == _SPACE)
    ends = marks[last]
    n_marks = np.diff(last, prepend=-1) - 1
    starts = np.concatenate([[0], ends[:-1] + 1])
    dotted = (kinds[last - 1] == _DOT) & (n_marks > 0)
    negative = data[starts] == _MINUS
    n_fraction = np.where(dotted, ends - marks[last - 1] - 1, 0)
    n_whole = ends - starts - negative - n_fraction - dotted
    plain = (n_marks == dotted.astype(np.int64) + negative) & (n_whole > 0) & (n_whole <= 8)
    plain &= n_whole + n_fraction <= _MOST_DIGITS
    n_whole, n_fraction = np.where(plain, n_whole, 0), np.where(plain, n_fraction, 0)

    words = np.frombuffer(padded, dtype="<u8")
    digits = _digits(words, starts + negative, n_whole)
    first = np.minimum(n_fraction, 8)
    digits = digits * _POWERS[first] + _digits(words, ends - n_fraction, first)
    if (long := np.flatnonzero(n_fraction > 8)).size:
        rest = n_fraction[long] - 8
        digits[long] = digits[long] * _POWERS[rest] + _digits(words, ends[long] - rest, rest)
    values = digits.astype(np.float64) / _POWERS.astype(np.float64)[n_fraction]
    np.negative(values, out=values, where=negative)
    for i in np.flatnonzero(~plain).tolist():
        values[i] = _number(text[starts[i] : ends[i]])
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _digits(words: NDArray[np.uint64], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the numbers that up to eight digits from each of `starts` on spell; 0 for no digits."""
    at, within = starts >> 3, ((starts & 7) << 3).astype(np.uint64)
    eight: NDArray[np.uint64] = words[at] >> within
    eight |= (words[at + 1] << np.uint64(1)) << (np.uint64(63) - within)
    # Shifted up, the digits end in the last byte and zeros stand before them; by 64 in two steps.
    unused = ((8 - lengths) << 2).astype(np.uint64)
    eight = (eight << unused) << unused
    eight = ((eight & np.uint64(0x0F0F0F0F0F0F0F0F)) * np.uint64(2561)) >> np.uint64(8)
    eight = ((eight & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
    eight = (eight & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)
    eight >>= np.uint64(32)
    return eight


def _number(piece: bytes) -> float:
    if b"_" in piece or piece.strip() != piece:
        raise ValueError(f"not a number: {piece!r}")
    try:
        return float(piece)
    except ValueError as error:
        raise ValueError(f"not a number: {piece!r}") from error

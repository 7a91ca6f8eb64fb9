"""Whether one string is another word with a slip of the keyboard in it, or rather a word of its own."""

__all__ = ["is_slip"]

_LEAST = 5
"""Characters of the longer of the two: short words are one slip from too many others."""


def is_slip(word: str, other: str) -> bool:
    """Return whether `word` may be `other` with one slip: a character left out, put in or replaced, or two swapped.

    First and last character must be the same, and one of the words must have five or more: a word that differs from
    another at its end or beginning is mostly a form of it (``docs/words.md`` has the measurement).

    Examples
    --------
    >>> [is_slip(word, "queen") for word in ("quen", "qeuen", "queeen", "quern", "queens", "quee", "queen")]
    [True, True, True, True, False, False, False]
    """
    if word == other or max(len(word), len(other)) < _LEAST or word[:1] != other[:1] or word[-1:] != other[-1:]:
        return False
    shorter = min(len(word), len(other))
    begin = next((i for i in range(shorter) if word[i] != other[i]), shorter)
    same = next((i for i in range(shorter - begin) if word[-1 - i] != other[-1 - i]), shorter - begin)
    ours, theirs = word[begin : len(word) - same], other[begin : len(other) - same]
    return max(len(ours), len(theirs)) == 1 or (len(ours) == 2 and ours == theirs[::-1])

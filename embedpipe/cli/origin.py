"""Where the vectors of the words asked for came from: sentences for people, columns for programs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from embedpipe.cli.output import say

if TYPE_CHECKING:
    from embedpipe.words.lookup import Found

__all__ = ["origin_columns", "say_origins"]

_SOURCES = ("vocabulary", "subwords", "spelling")
"""From the most to the least to be relied on."""


def say_origins(found: "Sequence[Found]") -> None:
    """Say on stderr, a line for each word outside the vocabulary, whose vector stands for it and how surely."""
    for one in found:
        if one.source != "vocabulary":
            say(_sentence(one))


def origin_columns(found: "Sequence[Found]") -> dict[str, object]:
    """Return source, confidence and via of a whole query: those of the word that is least to be relied on.

    They are named ``query_…``, for they stand beside what answers it. The confidence is None where that of a word is
    not known; via is None where no other word stands for this one.
    """
    least = max(found, key=lambda one: (_SOURCES.index(one.source), -(one.confidence or 0.0)))
    confidences = [one.confidence for one in found if one.confidence is not None]
    known = len(confidences) == len(found)
    return {
        "query_source": least.source,
        "query_confidence": round(min(confidences), 6) if known else None,
        "query_via": least.via,
    }


def _sentence(found: "Found") -> str:
    if found.source == "subwords":
        of = "its vector is the mean of its character n-grams (source subwords"
        chance = "the chance that training on such a word would have put it among the ten nearest of a vector so made"
    else:
        of = f"its vector is that of the nearest spelling '{found.via}' (source spelling"
        chance = (
            f"the chance that another word spelt like this is among the ten nearest of '{found.via}'; of a slip of the "
            "keyboard it says nothing"
        )
    sure = "confidence unknown: none was calibrated" if found.confidence is None else _chance(found.confidence, chance)
    near = "" if found.near is None else f"; near spelling: {found.near}"
    return f"{found.word}: not in the vocabulary; {of}, {sure}){near}"


def _chance(confidence: float, meaning: str) -> str:
    # Never 1.00: nothing that was estimated on a sample is certain.
    shown = "above 0.99" if confidence > 0.99 else "below 0.01" if confidence < 0.01 else f"{confidence:.2f}"
    return f"confidence {shown}: {meaning}"

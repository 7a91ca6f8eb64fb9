"""Paraphrases by translating there and back (Sennrich et al., 2016; Wieting and Gimpel, 2018), with any translator."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedpipe.bundle.whole import temporary_sibling
from embedpipe.errors import InputError

__all__ = ["BackTranslated", "Translate", "back_translate", "write_pairs"]

Translate = Callable[[list[str]], list[str]]
"""Texts of one language to as many texts of another, in the same order."""


@dataclass(frozen=True, slots=True)
class BackTranslated:
    """Texts beside what came back of them.

    Parameters
    ----------
    pairs : those that came back changed.
    n_unchanged : texts that came back as they were, but for case and spaces, so that nothing can be learnt from them.
    n_lost : texts of which nothing came back, or that were empty.
    """

    pairs: list[tuple[str, str]]
    n_unchanged: int
    n_lost: int


def back_translate(texts: Sequence[str], there: Translate, back: Translate) -> BackTranslated:
    """Translate `texts` to another language and back, and return the pairs that this makes.

    Parameters
    ----------
    texts : any number, given to the translators as one list.
    there, back : the translators.

    Raises
    ------
    InputError
        If a translator gives another number of texts than it was given.

    Examples
    --------
    >>> there, back = {"a cat": "un chat", "Hi": "Salut"}, {"un chat": "one cat", "Salut": "hi"}
    >>> made = back_translate(["a cat", "Hi"], lambda x: [there[t] for t in x], lambda x: [back[t] for t in x])
    >>> made.pairs, made.n_unchanged, made.n_lost
    ([('a cat', 'one cat')], 1, 0)
    """
    texts = [" ".join(text.split()) for text in texts]
    returned = [" ".join(text.split()) for text in _translated(_translated(texts, there, "there"), back, "back")]
    both = [pair for pair in zip(texts, returned, strict=True) if all(pair)]
    pairs = [(text, other) for text, other in both if text.casefold() != other.casefold()]
    return BackTranslated(pairs, len(both) - len(pairs), len(texts) - len(both))


def write_pairs(path: Path, pairs: Sequence[tuple[str, str]]) -> None:
    """Write pairs as a file that ``sentences.pairs`` and ``--pairs`` take; it appears when it is whole.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with temporary_sibling(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.write("text_a\ttext_b\n")
        file.writelines(f"{' '.join(first.split())}\t{' '.join(second.split())}\n" for first, second in pairs)


def _translated(texts: list[str], translate: Translate, which: str) -> list[str]:
    found = list(translate(texts))
    if len(found) != len(texts):
        raise InputError(f"the translator {which} gave {len(found):,} texts for {len(texts):,}; it is to give one each")
    return found

"""Association tests: two sets of target words and two of attribute words, and the file that a user writes them in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedpipe.errors import InputError
from embedpipe.text.read_types import did_you_mean

__all__ = ["AssociationTest", "Associations", "WordSet", "read_associations"]

_SETS = ("target_a", "target_b", "attribute_a", "attribute_b")


@dataclass(frozen=True, slots=True)
class WordSet:
    """Words that stand for one concept, and its name."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssociationTest:
    """One question of the Word Embedding Association Test (WEAT; Caliskan et al., 2017).

    Are the first targets nearer to the first attributes than the second targets are, the second attributes taken
    into account?
    """

    name: str
    targets: tuple[WordSet, WordSet]
    attributes: tuple[WordSet, WordSet]

    @property
    def described(self) -> str:
        """The names of the four sets in one line: targets, then attributes."""
        (a, b), (c, d) = self.targets, self.attributes
        return f"{a.name}, {b.name} / {c.name}, {d.name}"


@dataclass(frozen=True, eq=False)
class Associations:
    """Association tests under one name; they have no right answers, so that they give no score."""

    name: str
    tests: Sequence[AssociationTest]


def read_associations(name: str, path: Path, rows: Sequence[tuple[int, list[str]]]) -> Associations:
    """Return the one test in rows of ``set, word``.

    A set is ``target_a``, ``target_b``, ``attribute_a`` or ``attribute_b``; what follows a colon in one of its rows is
    its name (``target_a: flowers``).

    Raises
    ------
    InputError
        For another set, a set with two names, a word twice in one set, or a set without words; with path and line.
    """
    words: dict[str, list[str]] = {place: [] for place in _SETS}
    names: dict[str, str] = {}
    for number, (label, word) in rows:
        place, _, called = (part.strip() for part in label.partition(":"))
        word = word.strip()
        if place not in words:
            raise InputError(f"no set '{place}'; a set is one of {', '.join(_SETS)}{_hint(place)}", path, number)
        if called and names.setdefault(place, called) != called:
            raise InputError(f"{place} is called '{names[place]}' further up and '{called}' here", path, number)
        if word in words[place]:
            raise InputError(f"the word '{word}' stands in {place} already; remove one of the two", path, number)
        words[place].append(word)
    if empty := [place for place in _SETS if not words[place]]:
        raise InputError(f"no words for {', '.join(empty)}; a test needs all of {', '.join(_SETS)}", path)
    a, b, c, d = (WordSet(names.get(place, place.replace("_", " ")), tuple(words[place])) for place in _SETS)
    return Associations(name, [AssociationTest(name, (a, b), (c, d))])


def _hint(place: str) -> str:
    return did_you_mean(place.lower(), _SETS)

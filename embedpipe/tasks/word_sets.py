"""Rows of task files that put words in categories, sets and relations."""

from collections.abc import Sequence
from pathlib import Path

from embedpipe.errors import InputError
from embedpipe.tasks.shapes import Categories, Outliers, OutlierSet, Relations

__all__ = ["RANDOM", "Rows", "read_categories", "read_outliers", "read_relations"]

Rows = Sequence[tuple[int, list[str]]]
"""The number of each line and its cells."""
RANDOM = "random"
"""Begins the name of a relation whose words are not related."""

_YES_NO = {"yes": True, "no": False}


def read_categories(name: str, path: Path, rows: Rows) -> Categories:
    """Return the categories in rows of ``word, category``.

    Raises
    ------
    InputError
        If all words are of one category.
    """
    categories = [row[1].strip() for _, row in rows]
    if len(set(categories)) == 1:
        raise InputError(f"every word is of the category '{categories[0]}'; a task needs two at least", path)
    return Categories(name, [row[0].strip() for _, row in rows], categories)


def read_outliers(name: str, path: Path, rows: Rows) -> Outliers:
    """Return the sets in rows of ``set, word, outlier``, the last of which is ``yes`` or ``no``.

    Raises
    ------
    InputError
        For a row whose last cell is neither, a word twice in a set, a set of fewer than two words that belong together
        or without an outlier; with path and line.
    """
    found: dict[str, tuple[list[str], list[str]]] = {}
    first_line: dict[str, int] = {}
    seen: dict[tuple[str, str], int] = {}
    for number, row in rows:
        group, word, outlier = (cell.strip() for cell in row)
        if (group, word) in seen:
            raise InputError(
                f"'{word}' stands in the set '{group}' already, in line {seen[group, word]}; leave one out",
                path,
                number,
            )
        seen[group, word] = number
        if outlier.lower() not in _YES_NO:
            raise InputError(f"the column outlier holds '{outlier}'; write yes or no", path, number)
        members, outliers = found.setdefault(group, ([], []))
        first_line.setdefault(group, number)
        (outliers if _YES_NO[outlier.lower()] else members).append(word)
    for group, (members, outliers) in found.items():
        if len(members) < 2 or not outliers:
            raise InputError(
                f"the set '{group}' has {len(members)} words that belong together and {len(outliers)} outliers; "
                "it needs two and one",
                path,
                first_line[group],
            )
    return Outliers(name, [OutlierSet(group, tuple(found[group][0]), tuple(found[group][1])) for group in found])


def read_relations(name: str, path: Path, rows: Rows) -> Relations:
    """Return the relations in rows of ``word_a, relation, word_b``.

    Raises
    ------
    InputError
        If there is one relation only, with nothing to compare it with.
    """
    concepts, relations, words = ([row[i].strip() for _, row in rows] for i in range(3))
    if len(set(relations)) == 1:
        raise InputError(
            f"every row is of the relation '{relations[0]}'; add rows of another one to compare with, such as {RANDOM}",
            path,
        )
    return Relations(name, concepts, relations, words)

"""Files of texts that mean the same: tab-separated under a header, or several files whose lines belong together."""

from collections.abc import Sequence
from pathlib import Path

from embedpipe.errors import InputError
from embedpipe.tasks.files import Line, read_every_line, read_lines, split_rows
from embedpipe.tasks.shapes import Paraphrases

__all__ = ["is_pair_header", "pair_files", "read_pairs"]

_PAIR_HEADERS = (("text_a", "text_b"), ("text_a", "text_b", "negative"), ("source", "target"))
_EXPECTED = (
    "expected a tab-separated header, 'text_a text_b', 'text_a text_b negative', 'source target' or 'text text ...', "
    "or a pattern such as 'captions.*.txt' that names several files whose lines belong together"
)


def pair_files(pattern: str) -> list[Path]:
    """Return the files that a path or a pattern with ``*``, ``?`` or ``[...]`` names, in the order of their names.

    Raises
    ------
    InputError
        If there is none, or the pattern is none.
    """
    if Path(pattern).exists():
        return [Path(pattern)]
    anchor = Path(pattern).anchor
    try:
        found = sorted(path for path in Path(anchor or ".").glob(pattern.removeprefix(anchor)) if path.is_file())
    except ValueError as error:
        raise InputError(f"is no pattern of files ({error}); use *, ? and [...] within a name", pattern) from error
    if not found:
        raise InputError("no such file, and no file that this names as a pattern", pattern)
    return found


def read_pairs(pattern: str) -> Paraphrases:
    """Return the paraphrases in a file, or in the line-aligned files that a pattern names.

    ============================================ ======================================================
    header (tab-separated), or files             a row is
    ============================================ ======================================================
    ``text_a text_b``                             two texts that mean the same
    ``text_a text_b negative``                    and one that means something else than the first
    ``source target``                             a sentence and its translation; the vocabulary is one
    ``text text`` or more columns, all ``text``   a group of as many texts as there are cells filled
    a pattern of several files without header     line *i* of all files is a group; an empty line is none
    ============================================ ======================================================

    Files that end in ``.gz`` are decompressed. A group with one text is left out and counted. The name is that of
    the first file up to its first dot.

    Raises
    ------
    InputError
        With path and line: for a file that cannot be read, no known header, a row with another number of columns
        than the header, an empty cell outside ``text`` columns, files of different numbers of lines, or no group.
    """
    paths = pair_files(pattern)
    if len(paths) > 1:
        return _aligned(paths)
    path = paths[0]
    lines = read_lines(path)
    columns = _columns(lines)
    if columns is None:
        raise InputError(_EXPECTED, path, lines[0][0] if lines else None)
    grouped = set(columns) == {"text"}
    cells = [row for _, row in split_rows(path, lines[1:], columns, empty=grouped)]
    if grouped:
        return _groups(path, cells)
    negatives = [row[2] for row in cells] if len(columns) == 3 else None
    return Paraphrases(_name(path), [(row[0], row[1]) for row in cells], negatives)


def is_pair_header(columns: tuple[str, ...]) -> bool:
    """Return whether rows under these columns are texts that mean the same.

    >>> is_pair_header(("text", "text", "text")), is_pair_header(("label", "text"))
    (True, False)
    """
    return columns in _PAIR_HEADERS or (len(columns) > 1 and set(columns) == {"text"})


def _columns(lines: Sequence[Line]) -> tuple[str, ...] | None:
    columns = tuple(cell.strip() for cell in lines[0][1].split("\t")) if lines else ()
    return columns if is_pair_header(columns) else None


def _aligned(paths: Sequence[Path]) -> Paraphrases:
    texts: list[list[str]] = []
    for path in paths:
        lines = read_every_line(path)
        if _columns(lines):
            raise InputError("has a header, so it stands for itself: name such files one by one", path, 1)
        if texts and len(lines) != len(texts[0]):
            raise InputError(
                f"{len(lines):,} lines beside {len(texts[0]):,} in {paths[0]}: line i of all files is one group",
                path,
                min(len(lines), len(texts[0])),
            )
        texts.append([line for _, line in lines])
    return _groups(paths[0], list(zip(*texts, strict=True)))


def _groups(path: Path, rows: Sequence[Sequence[str]]) -> Paraphrases:
    filled = [tuple(cell for cell in row if cell.strip()) for row in rows]
    groups = [group for group in filled if len(group) > 1]
    if not groups:
        raise InputError("no row holds two texts", path)
    return Paraphrases(_name(path), groups, n_single=sum(len(row) == 1 for row in filled))


def _name(path: Path) -> str:
    return path.name.split(".")[0]

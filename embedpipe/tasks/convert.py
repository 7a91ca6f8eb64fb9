"""Files of publishers to task files, as the parts of a card say."""

import csv
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from embedpipe.errors import InputError
from embedpipe.tasks.catalogue import KINDS, TaskCard, TaskPart

__all__ = ["member_bytes", "part_rows", "task_text"]

_LARGEST = 1 << 30
"""Bytes; no task is larger, and what an archive claims to hold is not believed beyond it."""


def task_text(card: TaskCard, parts: Sequence[tuple[TaskPart, Path]]) -> tuple[str, int]:
    """Return the text of one task file, and how many rows were left out for an empty cell.

    Parameters
    ----------
    card : of the task.
    parts : its parts that are joined in this file, each with the file that was downloaded.

    Raises
    ------
    InputError
        If a file is not what the card says.
    """
    if card.kind == "analogies":
        return "".join(_text(part, path, part.member) for part, path in parts), 0
    named = ("source",) if any("source" in {*part.columns, *part.constants} for part, _ in parts) else ()
    header = (*KINDS[card.kind], *named)
    rows, left_out = ["\t".join(header)], 0
    for part, path in parts:
        for row in part_rows(part, path, header):
            cells = [" ".join(cell.split()) for cell in row]
            if all(cells):
                rows.append("\t".join(cells))
            else:
                left_out += 1
    return "\n".join(rows) + "\n", left_out


def part_rows(part: TaskPart, path: Path, header: Sequence[str]) -> list[list[str]]:
    """Return the rows of one part, a cell for each column of `header`.

    Raises
    ------
    InputError
        If a line has fewer cells than the card says, or there are not as many scores as lines.
    """
    lines = _lines(part, path, part.member)[part.header :]
    scores = _lines(part, path, part.scores) if part.scores else []
    if part.scores and len(scores) != len(lines):
        raise InputError(f"{part.scores} has {len(scores):,} lines, {part.member} has {len(lines):,}", path)
    rows = []
    for number, cells in enumerate(_cells(lines, part.separator), start=1):
        if not cells:
            continue
        found = dict(part.constants)
        for name, place in part.columns.items():
            if place >= len(cells):
                line = number + part.header
                raise InputError(f"expected {place + 1} cells at least, found {len(cells)}", path, line)
            found[name] = cells[place]
        if scores:
            found["score"] = scores[number - 1].strip()
        for name, end in part.until.items():
            found[name] = found[name].rsplit(end, 1)[0]
        rows.append([found[name] for name in header])
    return rows


def member_bytes(path: Path, member: str) -> bytes:
    """Return the content of one file inside an archive (zip, or tar with or without compression), or of the file.

    Nothing is unpacked to disk, so no name inside an archive is ever a path here.

    Parameters
    ----------
    path : the archive; the file itself where `member` is empty.
    member : the path inside, or the end of it after a ``/`` where only one path ends like that.

    Raises
    ------
    InputError
        If the archive cannot be read, or has no such file, or one larger than a gigabyte.
    """
    if not member:
        return path.read_bytes()
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                name = _found(archive.namelist(), member, path)
                with archive.open(name) as file:
                    return _bounded(file.read(_LARGEST + 1), path, member)
        with tarfile.open(path) as tar:
            name = _found([entry.name for entry in tar if entry.isfile()], member, path)
            inside = tar.extractfile(name)
            assert inside is not None
            return _bounded(inside.read(_LARGEST + 1), path, member)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"is no archive that can be read: {error}", path) from error


def _bounded(content: bytes, path: Path, member: str) -> bytes:
    if len(content) > _LARGEST:
        raise InputError(f"{member} is larger than {_LARGEST >> 30} GB; no task is", path)
    return content


def _found(names: Sequence[str], member: str, path: Path) -> str:
    if member in names:
        return member
    alike = [name for name in names if name.endswith("/" + member)]
    if len(alike) != 1:
        raise InputError(f"holds {len(alike) or 'no'} files that end in '{member}'; expected one", path)
    return alike[0]


def _text(part: TaskPart, path: Path, member: str) -> str:
    content = member_bytes(path, member)
    try:
        text = content.decode(part.encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{member or 'the file'} is not {part.encoding}: byte {error.start + 1}", path) from error
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def _lines(part: TaskPart, path: Path, member: str) -> list[str]:
    """Return lines as a line feed ends them: a text may hold other characters that Python takes for line ends."""
    return _text(part, path, member).removesuffix("\n").split("\n")


def _cells(lines: Sequence[str], separator: str) -> list[list[str]]:
    if separator == "comma":
        return list(csv.reader(lines))
    if separator == "space":
        return [line.split() for line in lines]
    if separator == "first space":
        return [line.split(" ", 1) for line in lines]
    return [line.split("\t") if separator == "tab" and line.strip() else [line] * bool(line.strip()) for line in lines]

"""Public tasks brought to this machine: downloaded where that is allowed, checked, and written as task files."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from embedpipe.errors import InputError, OutputError
from embedpipe.runtime import Listener, Saved, StageStarted, Step, silent
from embedpipe.tasks.catalogue import TaskCard, TaskPart
from embedpipe.tasks.convert import task_text
from embedpipe.tasks.files import read_task
from embedpipe.tasks.suite import n_questions

__all__ = ["STAGE", "Fetched", "fetch_task"]

STAGE = "tasks"

_LARGEST = 1 << 30
_AT_ONCE = 1 << 18
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Fetched:
    """One task file that was written.

    Parameters
    ----------
    path : the file.
    rows : pairs, texts or questions in it.
    left_out : rows of the publisher that were left out, for a cell without content.
    unchecked : names of the publisher's files for which the card has no checksum.
    """

    path: Path
    rows: int
    left_out: int
    unchecked: tuple[str, ...]


def fetch_task(
    card: TaskCard,
    folder: Path,
    *,
    download: bool = False,
    source: Path | None = None,
    listener: Listener = silent,
) -> list[Fetched]:
    """Write the task files of a card into a folder; all of them, or none.

    Parameters
    ----------
    card : as `tasks.catalogue.task_card` returns it.
    folder : where the files are written; made where it is not there.
    download : whether the network may be used.
    source : a folder that holds the publisher's files, which are then not downloaded.
    listener : is called with progress in bytes.

    Raises
    ------
    InputError
        If the card describes no files, nothing may be downloaded, a download fails, a checksum is another, or a file is
        not what the card says.
    OutputError
        If a file is there already, or the folder cannot be written.
    """
    if not card.parts:
        raise InputError(f"the card describes no files; {card.where}", card.name)
    if source is None and not card.can_download:
        raise InputError(f"no address is known for certain; {card.where}; then: --from FOLDER", card.name)
    if source is None and not download:
        addresses = ", ".join(dict.fromkeys(part.address for part in card.parts))
        raise InputError(f"is fetched from {addresses}: allow that with --download", card.name)
    by_split: dict[str, list[TaskPart]] = {}
    for part in card.parts:
        by_split.setdefault(part.to, []).append(part)
    ending = ".txt" if card.kind == "analogies" else ".tsv"
    targets = {to: folder / (card.name + (f"_{to}" if to else "") + ending) for to in by_split}
    for target in targets.values():
        if target.exists():
            raise OutputError(f"{target}: is there already; move it away to fetch it again")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{card.name}.", dir=folder) as name:
            inside = Path(name)
            files = _downloaded(card, inside, listener) if source is None else _in_folder(card, source)
            written = [_write(card, by_split[to], files, inside / path.name) for to, path in targets.items()]
            for fetched, target in zip(written, targets.values(), strict=True):
                fetched.path.replace(target)
                listener(Saved(STAGE, str(target)))
    except OSError as error:
        raise OutputError(f"{error.filename or folder}: {error.strerror or error}") from error
    return [
        Fetched(target, one.rows, one.left_out, one.unchecked)
        for target, one in zip(targets.values(), written, strict=True)
    ]


def _write(card: TaskCard, parts: Sequence[TaskPart], files: dict[str, Path], path: Path) -> Fetched:
    text, left_out = task_text(card, [(part, files[part.file_name]) for part in parts])
    path.write_text(text, encoding="utf-8")
    unchecked = tuple(dict.fromkeys(part.file_name for part in parts if not part.checksum))
    return Fetched(path, n_questions(read_task(path)), left_out, unchecked)


def _downloaded(card: TaskCard, folder: Path, listener: Listener) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for part in card.parts:
        if part.file_name not in files:
            files[part.file_name] = _download(part, folder / f"download-{len(files)}", card, listener)
    return files


def _download(part: TaskPart, path: Path, card: TaskCard, listener: Listener) -> Path:
    by_hand = f"fetch it by hand{f' ({card.homepage})' if card.homepage else ''}, then: --from FOLDER"
    request = Request(part.address, headers={"User-Agent": "embedpipe"})
    try:
        with urlopen(request, timeout=_SECONDS) as reply, open(path, "wb") as file:
            total = reply.headers.get("Content-Length")
            listener(StageStarted(STAGE, int(total) if total else None, "byte"))
            done = 0
            while block := reply.read(_AT_ONCE):
                done += file.write(block)
                listener(Step(STAGE, done, part.file_name))
                if done > _LARGEST:
                    raise InputError(f"is larger than {_LARGEST >> 30} GB; {by_hand}", part.address)
    except (OSError, HTTPException, ValueError) as error:
        raise InputError(f"cannot be fetched: {error}; {by_hand}", part.address) from error
    _check(part, path, part.address)
    return path


def _in_folder(card: TaskCard, source: Path) -> dict[str, Path]:
    files = {}
    for part in card.parts:
        path = source / part.file_name
        if not path.is_file():
            there = f"; it is at {part.address}" if part.address else f"; {card.where}" if card.where else ""
            raise InputError(f"is not there{there}", path)
        _check(part, path, str(path))
        files[part.file_name] = path
    return files


def _check(part: TaskPart, path: Path, origin: str) -> None:
    if not part.checksum:
        return
    algorithm, _, digits = part.checksum.partition(":")
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != digits:
        raise InputError(f"has the {algorithm} {found}, the card says {digits}: it is another file", origin)

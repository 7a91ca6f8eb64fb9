"""The catalogue of public tasks: one TOML card each, in ``public_tasks/`` of a checkout and in an installed package.

A card holds facts and addresses, no data and no code: how the publisher's files become a task file is declared in
columns.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from embedpipe.errors import InputError
from embedpipe.text.cards import card_folder, checked_values, read_toml, toml_files
from embedpipe.text.read_types import did_you_mean

__all__ = ["KINDS", "SEPARATORS", "TaskCard", "TaskPart", "load_task_cards", "read_task_card", "task_card"]

KINDS: dict[str, tuple[str, ...]] = {
    "word similarity": ("word_a", "word_b", "score"),
    "analogies": (),
    "categories": ("word", "category"),
    "outliers": ("set", "word", "outlier"),
    "relations": ("word_a", "relation", "word_b"),
    "sentence similarity": ("score", "text_a", "text_b"),
    "classification": ("label", "text"),
    "inference": ("label", "text_a", "text_b"),
}
"""The header of a task file of each kind; analogies have lines of their own."""

SEPARATORS = ("tab", "comma", "space", "first space", "none")
_SPLITS = ("", "train", "dev", "test")
_CHECKSUM = re.compile(r"(sha256:[0-9a-f]{64}|sha1:[0-9a-f]{40}|md5:[0-9a-f]{32})\Z")
_TABLES = ("columns", "constants", "until")


@dataclass(frozen=True, slots=True)
class TaskPart:
    """One file of a publisher, and how its lines become rows of a task file.

    Parameters
    ----------
    to : ``train``, ``dev`` or ``test``; empty where the task has no given parts. Parts of one name are joined.
    address : of the file or the archive; empty where none is known for certain.
    file : its name once it is downloaded; by default the last part of the address.
    checksum : ``sha256:``, ``sha1:`` or ``md5:`` and its digits, as it was published somewhere; empty if it was not.
    member : the file inside the archive, or the end of its path there.
    scores : a second file inside the archive, with the score of each line.
    separator : of the cells: ``tab``, ``comma`` (with quotes), ``space``, ``first space``, or ``none``.
    header : lines to pass over at the beginning.
    encoding : of the text.
    columns : where each column of the task file stands, counted from 0.
    constants : columns that are the same in all rows of this part.
    until : columns of which only what stands before the last of these characters is kept.
    """

    to: str = ""
    address: str = ""
    file: str = ""
    checksum: str = ""
    member: str = ""
    scores: str = ""
    separator: str = "tab"
    header: int = 0
    encoding: str = "utf-8"
    columns: Mapping[str, int] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    until: Mapping[str, str] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """Name of the downloaded file."""
        return self.file or PurePosixPath(urlsplit(self.address).path).name


@dataclass(frozen=True, slots=True)
class TaskCard:
    """What is known of a public task; what is not known is None.

    Parameters
    ----------
    kind : one of `KINDS`.
    paper : who made it, and when.
    rows : pairs, texts or questions in all of its parts, as published.
    licence : as its publisher states it.
    where : in words, how to come by it, where no address is known for certain.
    parts : its files; none where they are not described.
    """

    name: str
    title: str
    kind: str
    language: str
    paper: str
    rows: int | None = None
    licence: str | None = None
    homepage: str | None = None
    where: str | None = None
    note: str | None = None
    parts: tuple[TaskPart, ...] = ()

    @property
    def can_download(self) -> bool:
        """Whether every part has an address."""
        return bool(self.parts) and all(part.address for part in self.parts)


def load_task_cards() -> dict[str, TaskCard]:
    """Return all cards by name, in alphabetical order.

    Examples
    --------
    >>> card = load_task_cards()["simlex999"]
    >>> card.kind, card.rows, card.paper
    ('word similarity', 999, 'Hill, Reichart and Korhonen (2015)')
    """
    found = toml_files(card_folder("task_cards", "public_tasks"))
    cards = [read_task_card(entry.read_text(encoding="utf-8"), entry.name) for entry in found]
    return {card.name: card for card in cards}


def task_card(name: str) -> TaskCard:
    """Return the card of one task, or raise `InputError` with the nearest name."""
    cards = load_task_cards()
    if name not in cards:
        raise InputError(f"no task '{name}' in the catalogue; there are {', '.join(cards)}{did_you_mean(name, cards)}")
    return cards[name]


def read_task_card(content: str, origin: str) -> TaskCard:
    """Return the card that a TOML text describes; `origin` names it in errors.

    Raises
    ------
    InputError
        If the text is not TOML, a key is unknown or missing, a value has the wrong type or is none that there is, or
        the columns are not those of the task's kind.
    """
    values = read_toml(content, origin)
    of_parts = values.pop("parts", [])
    types = {one.name: int if one.name == "rows" else str for one in fields(TaskCard) if one.name != "parts"}
    checked = checked_values(values, origin, types, ("name", "title", "kind", "language", "paper"))
    if checked["kind"] not in KINDS:
        raise InputError(f"unknown kind '{checked['kind']}'; there are {', '.join(KINDS)}", origin)
    parts = tuple(_part(part, checked["kind"], f"{origin}, part {i}") for i, part in enumerate(of_parts, start=1))
    if not parts and "where" not in checked:
        raise InputError("has neither parts nor 'where', which says how to come by the task", origin)
    return TaskCard(**checked, parts=parts)


def _part(values: Mapping[str, Any], kind: str, origin: str) -> TaskPart:
    types: dict[str, type] = {one.name: dict if one.name in _TABLES else str for one in fields(TaskPart)}
    part = TaskPart(**checked_values(values, origin, {**types, "header": int}, ()))
    if part.to not in _SPLITS:
        raise InputError(f"'to' is '{part.to}', expected one of train, dev, test", origin)
    if part.separator not in SEPARATORS:
        raise InputError(f"unknown separator '{part.separator}'; there are {', '.join(SEPARATORS)}", origin)
    if part.address and urlsplit(part.address).scheme not in ("http", "https"):
        raise InputError(f"the address '{part.address}' does not begin with https:// or http://", origin)
    if part.checksum and not _CHECKSUM.match(part.checksum):
        raise InputError(
            f"the checksum '{part.checksum}' is none: sha256:, sha1: or md5: and hexadecimal digits", origin
        )
    if not part.file_name or "/" in part.file_name or "\\" in part.file_name:
        raise InputError("has neither an address that ends in the name of a file nor a 'file'", origin)
    header = KINDS[kind]
    given = {*part.columns, *part.constants, *(["score"] if part.scores else [])}
    if header and given - {"source"} != set(header):
        raise InputError(
            f"has the columns {', '.join(sorted(given))}; a task of its kind has {', '.join(header)}", origin
        )
    return part

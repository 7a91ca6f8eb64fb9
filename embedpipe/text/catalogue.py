"""The catalogue of known corpora: one TOML card each, in ``corpora/`` of a checkout and inside an installed package."""

import hashlib
from dataclasses import dataclass, fields

from embedpipe.errors import InputError
from embedpipe.text.cards import card_folder, checked_values, read_toml, toml_files
from embedpipe.text.read_named import BUILTIN_FILES, builtin_file
from embedpipe.text.read_types import ReadOptions, did_you_mean
from embedpipe.text.readers import read_documents

__all__ = ["Card", "corpus_card", "fetch_corpus", "load_cards", "read_card"]


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a corpus; what is not known is None.

    Parameters
    ----------
    source : how the corpus is named as a SOURCE.
    reader : which of the readers reads it.
    tokens : words, as its publisher or, for a built-in corpus, ``\\\\w+`` counts them.
    bytes : size of the file that is installed.
    checksum : SHA-256 of that file.
    """

    name: str
    title: str
    source: str
    language: str
    reader: str
    licence: str | None = None
    documents: int | None = None
    tokens: int | None = None
    bytes: int | None = None
    checksum: str | None = None
    homepage: str | None = None
    note: str | None = None

    @property
    def needs_download(self) -> bool:
        """Whether the corpus comes over the network; the built-in ones do not."""
        return not self.source.startswith("builtin:")


def load_cards() -> dict[str, Card]:
    """Return all cards by name, in alphabetical order.

    Examples
    --------
    >>> load_cards()["lee"].source
    'builtin:lee'
    """
    found = toml_files(card_folder("corpora_cards", "corpora"))
    cards = [read_card(entry.read_text(encoding="utf-8"), entry.name) for entry in found]
    return {card.name: card for card in cards}


def corpus_card(name: str) -> Card:
    """Return the card of one corpus, or raise `InputError` with the nearest name."""
    cards = load_cards()
    if name not in cards:
        raise InputError(
            f"no corpus '{name}' in the catalogue; there are {', '.join(cards)}{did_you_mean(name, cards)}"
        )
    return cards[name]


def read_card(content: str, origin: str) -> Card:
    """Return the card that a TOML text describes; `origin` names it in errors.

    Raises
    ------
    InputError
        If the text is not TOML, a key is unknown or missing, or a value has the wrong type.
    """
    whole = {"documents", "tokens", "bytes"}
    types = {field.name: int if field.name in whole else str for field in fields(Card)}
    required = ("name", "title", "source", "language", "reader")
    return Card(**checked_values(read_toml(content, origin), origin, types, required))


def fetch_corpus(card: Card, options: ReadOptions) -> str:
    """Make sure that a corpus is on this machine and can be read; return in a few words what was found.

    A corpus that is missing is downloaded by the package that it comes from if `options.download` allows it.
    Corpora of Hugging Face are streamed: of these only the first document is fetched.

    Raises
    ------
    InputError
        If the corpus is missing and may not be downloaded, or its file does not have the checksum of the card.
    """
    first = next(read_documents(card.source, options)).text
    scheme, _, name = card.source.partition(":")
    if card.checksum is not None and scheme == "builtin" and name in BUILTIN_FILES:
        path = builtin_file(name)
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != card.checksum:
            raise InputError(f"has SHA-256 {found}, the card says {card.checksum}; reinstall gensim", path)
        return "installed, checksum as on the card"
    if scheme == "hf":
        return f"can be streamed; it begins: {first[:60]!r}"
    return "installed, can be read"

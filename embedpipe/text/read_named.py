"""Corpora that are named instead of pointed at: ``builtin:``, ``nltk:``, ``gensim:``, ``hf:``.

Nothing here touches the network unless `ReadOptions.download` is set.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from embedpipe.errors import InputError, MissingExtraError
from embedpipe.text.read_bytes import text_lines
from embedpipe.text.read_markup import mediawiki_documents
from embedpipe.text.read_tables import field_text, jsonl_documents
from embedpipe.text.read_text import plain_documents
from embedpipe.text.read_types import Document, ReadOptions, did_you_mean

__all__ = [
    "BUILTIN_FILES",
    "SCHEMES",
    "builtin_file",
    "check_builtin",
    "fingerprint_named",
    "gensim_test_file",
    "named_documents",
]

BUILTIN_FILES = {
    "wikipedia": "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2",
    "lee": "lee_background.cor",
}
_TOYS: dict[str, Literal["en", "zh"]] = {"toy-en": "en", "toy-zh": "zh"}
# Which field of a gensim-data corpus is its text, where the corpus is JSON lines.
_GENSIM_FIELDS = {"20-newsgroups": "data", "wiki-english-20171001": "section_texts"}


def named_documents(scheme: str, name: str, field: str, options: ReadOptions) -> Iterator[Document]:
    """Yield the documents of ``scheme:name#field``; `field` is empty where none was given."""
    return SCHEMES[scheme](name, field, options)


def fingerprint_named(scheme: str, name: str, field: str) -> str:
    """Return what identifies the content: the name with the version of the package that brings it."""
    if scheme == "builtin" and name in _TOYS:
        package = "embedpipe"
    else:
        package = {"builtin": "gensim", "nltk": "nltk", "gensim": "gensim", "hf": "datasets"}[scheme]
    try:
        return f"{scheme}:{name}#{field} {package} {version(package)}"
    except ImportError as error:
        raise MissingExtraError(package, scheme) from error


def check_builtin(name: str) -> None:
    """Raise `InputError` with the nearest name if no corpus of this name is built in."""
    known = [*BUILTIN_FILES, *_TOYS]
    if name not in known:
        near = did_you_mean(name, known)
        raise InputError(f"no such corpus; built in are {', '.join(known)}{near}", f"builtin:{name}")


def builtin_file(name: str) -> Path:
    """Return the file behind ``builtin:wikipedia`` or ``builtin:lee``."""
    return gensim_test_file(BUILTIN_FILES[name])


def gensim_test_file(file: str) -> Path:
    """Return the path of a file of gensim's own test data, without importing gensim.

    Raises
    ------
    InputError
        If the installed gensim lacks it.
    """
    spec = find_spec("gensim")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0] if folders else "gensim") / "test" / "test_data" / file
    if not path.is_file():
        raise InputError("is missing from the installed gensim; install gensim from its wheel", path)
    return path


def _builtin(name: str, field: str, options: ReadOptions) -> Iterator[Document]:
    origin = f"builtin:{name}"
    check_builtin(name)
    if field:
        raise InputError(f"has no fields; name it {origin}", f"{origin}#{field}")
    plain = ReadOptions(documents="line", read=options.read, skipped=options.skipped)
    if name in _TOYS:
        from embedpipe.text.toy import toy_corpus

        return toy_corpus(_TOYS[name])
    if name == "wikipedia":
        return mediawiki_documents(builtin_file(name), plain, origin)
    return plain_documents(builtin_file(name), plain, origin)


def _nltk(name: str, category: str, options: ReadOptions) -> Iterator[Document]:
    origin = f"nltk:{name}"
    reader = _nltk_reader(name, origin, options)
    try:
        if category and not hasattr(reader, "categories"):
            raise InputError(f"this corpus has no categories; name it {origin}", f"{origin}#{category}")
        known = list(reader.categories()) if category else []
        if category and category not in known:
            near = did_you_mean(category, known)
            raise InputError(f"no such category; there are {', '.join(known)}{near}", f"{origin}#{category}")
        for fileid in reader.fileids(categories=category) if category else reader.fileids():
            yield Document(_nltk_text(reader, fileid, origin), f"{origin}: {fileid}")
    except LookupError as error:
        raise _not_there(origin, f"python -m nltk.downloader {name}") from error


def _nltk_reader(name: str, origin: str, options: ReadOptions) -> Any:
    import nltk
    from nltk.corpus.reader.api import CorpusReader
    from nltk.corpus.util import LazyCorpusLoader

    # The package fills itself, and the list of its names, when an attribute is first asked for.
    reader = getattr(nltk.corpus, name, None)
    if not isinstance(reader, LazyCorpusLoader | CorpusReader):
        known = [key for key, value in vars(nltk.corpus).items() if isinstance(value, LazyCorpusLoader | CorpusReader)]
        raise InputError(f"NLTK has no corpus of this name{did_you_mean(name, known)}", origin)
    try:
        reader.fileids()
    except LookupError as error:
        if not options.download:
            raise _not_there(origin, f"python -m nltk.downloader {name}") from error
        with redirect_stdout(sys.stderr):
            if not nltk.download(name, quiet=True):
                raise InputError("NLTK could not download it; is the network reachable?", origin) from error
    return reader


def _nltk_text(reader: Any, fileid: str, origin: str) -> str:
    from nltk.corpus.reader import PlaintextCorpusReader

    if isinstance(reader, PlaintextCorpusReader):
        return str(reader.raw(fileid)).replace("\r\n", "\n")
    if hasattr(reader, "sents"):
        return "\n".join(" ".join(sentence) for sentence in reader.sents(fileid))
    if hasattr(reader, "words"):
        return " ".join(reader.words(fileid))
    raise InputError("this NLTK corpus has neither sentences nor words to read", origin)


def _gensim(name: str, field: str, options: ReadOptions) -> Iterator[Document]:
    # gensim loads such a corpus by running a script that comes with it; only the data file is read here.
    origin = f"gensim:{name}"
    path = _gensim_file(name)
    if path is None and options.download:
        path = _download_gensim(name, origin)
    if path is None:
        raise _not_there(origin, f"python -m gensim.downloader --download {name}")
    first = next(text_lines(path, options), "")
    field = field or _GENSIM_FIELDS.get(name, "")
    if field or first.startswith("{"):
        return jsonl_documents(path, field, options, origin)
    return plain_documents(path, options, origin)


def _gensim_file(name: str) -> Path | None:
    # The same folder as gensim.downloader's, which is slow to import and asks the network what it holds.
    base = Path(os.environ.get("GENSIM_DATA_DIR") or Path("~/gensim-data").expanduser())
    path = base / name / f"{name}.gz"
    return path if Path(name).name == name and path.is_file() else None


def _download_gensim(name: str, origin: str) -> Path:
    from gensim import downloader

    try:
        with redirect_stdout(sys.stderr):
            return Path(downloader.load(name, return_path=True))
    except (ValueError, OSError) as error:
        raise InputError(f"gensim could not download it: {error}", origin) from error


def _hf(name: str, field: str, options: ReadOptions) -> Iterator[Document]:
    origin = f"hf:{name}"
    if not options.download:
        raise InputError("is read over the network; allow that with --download", origin)
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise MissingExtraError("datasets", "hf") from error
    place, _, split = name.partition("@")
    dataset, _, config = place.partition(":")
    try:
        rows = load_dataset(dataset, config or None, split=split or "train", streaming=True)
    except (OSError, ValueError) as error:
        raise InputError(f"Hugging Face could not load it: {error}", origin) from error
    for number, row in enumerate(rows, start=1):
        if text := field_text(row, field, options, origin, number):
            yield Document(text, f"{origin}:{number}")


def _not_there(origin: str, command: str) -> InputError:
    return InputError(f"its data are not on this machine: pass --download, or run {command}", origin)


SCHEMES = {"builtin": _builtin, "nltk": _nltk, "gensim": _gensim, "hf": _hf}

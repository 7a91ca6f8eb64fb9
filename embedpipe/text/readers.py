"""Any source to documents: one function to read it, one to fingerprint it.

A source is one of::

    notes.txt                a text file; .html and .htm are read as pages, a MediaWiki dump is known by its content
    notes.txt.gz             any file may be compressed: .gz .bz2 .xz .zst
    rows.jsonl#text          one field of JSON lines; .csv#column .tsv#column .parquet#column likewise
    corpus/  "corpus/*.txt"  a folder or glob, read file after file in sorted order; what starts with a dot is skipped
    -                        standard input: plain text or a MediaWiki dump, compressed or not
    builtin:NAME  nltk:NAME#category  gensim:NAME#field  hf:NAME:config@split#field
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from glob import glob, has_magic
from pathlib import Path

from embedpipe.errors import InputError
from embedpipe.text.read_bytes import COMPRESSIONS, spool_stdin
from embedpipe.text.read_markup import html_documents, is_mediawiki, mediawiki_documents
from embedpipe.text.read_named import (
    BUILTIN_FILES,
    SCHEMES,
    builtin_file,
    check_builtin,
    fingerprint_named,
    named_documents,
)
from embedpipe.text.read_tables import csv_documents, jsonl_documents, parquet_documents, tsv_documents
from embedpipe.text.read_text import in_parts, plain_documents
from embedpipe.text.read_types import MAX_CHARACTERS, Document, ReadOptions, did_you_mean

__all__ = ["Document", "ReadOptions", "expand_sources", "fingerprint_source", "read_documents", "size_of_source"]

_FIELD_READERS = {
    ".jsonl": jsonl_documents,
    ".ndjson": jsonl_documents,
    ".csv": csv_documents,
    ".tsv": tsv_documents,
    ".parquet": parquet_documents,
}
_PAGES = (".html", ".htm")
_MANY_FILES = 10
_DEFAULTS = ReadOptions()
_OUTPUT = "parts of this run's output"


def read_documents(source: str | os.PathLike[str], options: ReadOptions) -> Iterator[Document]:
    """Yield the documents of `source`, streaming: memory does not grow with it.

    Parameters
    ----------
    source : see the top of this module.
    options : encoding, what separates documents, whether downloads are allowed.

    Returns
    -------
    iterator of `Document`. None is empty and none is longer than `MAX_CHARACTERS`: a longer one comes in parts.

    Raises
    ------
    InputError
        If the source has no name, is missing, unknown, damaged, binary, not in the encoding or without any text.
    MissingExtraError
        If the source needs a package that is not installed.

    Examples
    --------
    >>> lee = list(read_documents("builtin:lee", ReadOptions()))
    >>> len(lee), lee[0].text[:28], lee[0].origin
    (300, 'Hundreds of people have been', 'builtin:lee')
    """
    source = os.fspath(source)
    empty = True
    for document in _documents(source, options):
        if len(document.text) <= MAX_CHARACTERS:
            if not document.text.isspace():
                empty = False
                yield document
        else:
            for number, part in enumerate(in_parts(document.text)):
                empty = False
                yield Document(part, document.origin, number)
    if empty:
        raise InputError("holds no text; there is nothing to read", source)


def expand_sources(sources: Sequence[str | os.PathLike[str]], options: ReadOptions = _DEFAULTS) -> list[str]:
    """Return the sources, as strings, with every folder and glob replaced by its files, in sorted order.

    Raises
    ------
    InputError
        For a path that does not exist or is excluded, and for a folder or glob without files.
    """
    if isinstance(sources, str):
        raise TypeError("sources is a sequence of names; wrap the name in a list")
    expanded = []
    for source in (os.fspath(source) for source in sources):
        scheme, name, field = _parse(source)
        if scheme == "builtin":
            check_builtin(name)
        if scheme or name == "-":
            expanded.append(source)
        else:
            files, _ = _files(name, options)
            expanded += [f"{file}#{field}" if field else str(file) for file in files]
    return expanded


def fingerprint_source(source: str | os.PathLike[str], options: ReadOptions) -> str:
    """Return the SHA-256 (hex) of what `source` holds: the bytes of its files, in order, and how they are read.

    A named corpus that no file here stands for is identified by its name and the version of the package that brings
    it. Standard input is read and kept first. The network is never used.
    """
    source = os.fspath(source)
    digest = hashlib.sha256()
    scheme, name, field = _parse(source)
    if scheme == "builtin" and name in BUILTIN_FILES:
        files = [builtin_file(name)]
    elif scheme == "builtin" and name.startswith("toy-"):
        for document in _documents(source, options):
            digest.update(f"{len(document.text)} {document.text}".encode())
        return digest.hexdigest()
    elif scheme:
        _check_name(source, scheme, name)
        digest.update(fingerprint_named(scheme, name, field).encode())
        return digest.hexdigest()
    elif name == "-":
        files = [spool_stdin(options.spool)]
    else:
        files, _ = _files(name, options)
    digest.update(f"{len(files)}#{field}".encode())
    for path in files:
        kind, _ = _kind(path)
        digest.update((kind if kind in _FIELD_READERS or kind in _PAGES else "").encode())
        try:
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}", path) from error
    return digest.hexdigest()


def size_of_source(source: str, options: ReadOptions) -> int | None:
    """Return how many bytes of files reading `source` will add to `options.read`, None where that is not known."""
    scheme, name, _ = _parse(source)
    if scheme == "builtin" and name in BUILTIN_FILES:
        files = [builtin_file(name)]
    elif scheme or name == "-":
        return None
    else:
        files, _ = _files(name, options)
    # Parquet is read by its library, in an order of its own.
    return None if any(path.suffix == ".parquet" for path in files) else sum(path.stat().st_size for path in files)


def _documents(source: str, options: ReadOptions) -> Iterator[Document]:
    scheme, name, field = _parse(source)
    if scheme:
        _check_name(source, scheme, name)
        yield from named_documents(scheme, name, field, options)
    elif name == "-":
        if field:
            raise InputError("standard input is read as plain text and has no fields; name the source -", source)
        yield from _file_documents(spool_stdin(options.spool), "", options, "standard input")
    else:
        files, passed_over = _files(name, options)
        options.skipped.update(passed_over)
        if options.documents == "auto" and len(files) >= _MANY_FILES and all(map(_is_small, files)):
            options = replace(options, documents="file")
        for path in files:
            empty = True
            for document in _file_documents(path, field, options, str(path)):
                empty = False
                yield document
            if empty:
                options.skipped["files without text"] += 1


def _kind(path: Path) -> tuple[str, bool]:
    """Return the ending of a file's name that says how it is read, and whether the file is compressed."""
    name = path.name.lower()
    compressed = name.endswith(COMPRESSIONS)
    return Path(name.rpartition(".")[0] if compressed else name).suffix, compressed


def _file_documents(path: Path, field: str, options: ReadOptions, origin: str) -> Iterator[Document]:
    kind, compressed = _kind(path)
    if kind == ".parquet" and compressed:
        raise InputError("a compressed Parquet file cannot be read in place; decompress it first", path)
    if reader := _FIELD_READERS.get(kind):
        return reader(path, field, options, origin)
    if field:
        raise InputError(f"'#{field}' names a field, which only {' '.join(_FIELD_READERS)} files have", path)
    if kind in _PAGES:
        return html_documents(path, options, origin)
    if is_mediawiki(path):
        return mediawiki_documents(path, options, origin)
    if kind == ".xml":
        raise InputError("is XML but no MediaWiki dump; extract its text first", path)
    if kind == ".json":
        raise InputError("is one JSON value, not a corpus; write one object per line and name it x.jsonl#field", path)
    return plain_documents(path, options, origin)


def _parse(source: str) -> tuple[str, str, str]:
    """Return scheme, name and field; the scheme of files and of standard input is empty."""
    if os.path.lexists(source):
        return "", source, ""
    if not source or source.isspace():
        raise InputError(f"the name of a source is empty ({source!r}); name a file, or . for the folder you are in")
    name, mark, field = source.rpartition("#")
    if not mark or not name:
        name, field = source, ""
    found = re.match(r"([A-Za-z][\w+-]+):", name)
    if not found or os.path.lexists(name):
        return "", name, field
    scheme = found[1]
    if scheme in SCHEMES:
        return scheme, name[found.end() :], field
    if name.startswith(("http://", "https://", "ftp://", "s3://")):
        raise InputError("nothing is read from an address; download the file and name that", source)
    known, near = ", ".join(f"{kind}:" for kind in SCHEMES), did_you_mean(scheme, SCHEMES)
    raise InputError(f"no such file, and no such kind of source (there are {known}){near}", source)


def _check_name(source: str, scheme: str, name: str) -> None:
    if not name:
        raise InputError(f"names no corpus; write {scheme}:NAME", source)


def _files(name: str, options: ReadOptions) -> tuple[list[Path], Counter[str]]:
    """Return the files that a path, a folder or a glob stands for, and what was passed over."""
    path, passed_over = Path(name), Counter[str]()
    if os.path.lexists(name) and _is_excluded(path, options):
        raise InputError("belongs to the output of this run; name other text, or choose another -o", name)
    if path.is_dir():
        files = _walk(path, options, passed_over)
    elif os.path.lexists(name):
        if not path.exists():
            raise InputError("is a link to something that does not exist", name)
        if not path.is_file():
            raise InputError("is not a regular file; pipe it in and name the source -", name)
        return [path], passed_over
    elif has_magic(name):
        files = []
        matches = [Path(match) for match in sorted(glob(name, recursive=True))]  # noqa: PTH207 - may be absolute
        for match in _without_excluded(matches, options, passed_over):
            files += _walk(match, options, passed_over) if match.is_dir() else [match]
        files = list(dict.fromkeys(files))
    else:
        raise InputError(f"no such file or folder{_near_file(path)}", name)
    if not files:
        besides = ", apart from the output of this run" if passed_over[_OUTPUT] else ""
        raise InputError(("holds no files" if path.is_dir() else "matches no files") + besides, name)
    return files, +passed_over


def _walk(folder: Path, options: ReadOptions, passed_over: Counter[str]) -> list[Path]:
    files: list[Path] = []
    for place, folders, names in os.walk(folder):
        passed_over["hidden files"] += sum(name.startswith(".") for name in [*folders, *names])
        seen = [Path(place, name) for name in folders if not name.startswith(".")]
        folders[:] = [path.name for path in _without_excluded(seen, options, passed_over)]
        seen = [Path(place, name) for name in names if not name.startswith(".")]
        files += _without_excluded(seen, options, passed_over)
    return sorted(files)


def _without_excluded(paths: list[Path], options: ReadOptions, passed_over: Counter[str]) -> list[Path]:
    kept = [path for path in paths if not _is_excluded(path, options)]
    passed_over[_OUTPUT] += len(paths) - len(kept)
    return kept


def _is_excluded(path: Path, options: ReadOptions) -> bool:
    return bool(options.exclude) and any(map(path.resolve().is_relative_to, options.exclude))


def _is_small(path: Path) -> bool:
    return path.stat().st_size <= MAX_CHARACTERS


def _near_file(path: Path) -> str:
    try:
        return did_you_mean(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return ""

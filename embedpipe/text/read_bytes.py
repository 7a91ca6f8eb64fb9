"""Files and standard input to blocks of decoded text: decompression, encoding, and what is not text at all."""

import bz2
import codecs
import gzip
import io
import lzma
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast
from weakref import WeakKeyDictionary

from embedpipe.errors import InputError, MissingExtraError
from embedpipe.text.encodings import check_encoding, suggest_encoding
from embedpipe.text.read_types import ReadOptions

__all__ = ["COMPRESSIONS", "open_bytes", "spool_stdin", "stdin_bytes", "text_blocks", "text_lines"]

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
_MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\x00": ".xz", b"\x28\xb5\x2f\xfd": ".zst"}
_NOT_CONTROL = bytes({*range(32, 256)} | set(b"\t\n\v\f\r\b\x1b"))
_CONTROL_SHARE = 0.1
_CONTROL_SHARE_BESIDE_NULS = 0.01
_BLOCK = 1 << 20
_FILE_BUFFER = 1 << 16
# A zstd block of 4 bytes can stand for 128 KB: small steps keep what one step gives within bounds.
_ZSTD_STEP = 1 << 14
# Stages name folders of their own, but there is one standard input, and it can be read once.
_SPOOLED: WeakKeyDictionary[TextIO, Path] = WeakKeyDictionary()


@contextmanager
def open_bytes(path: Path, read: Counter[Path]) -> Iterator[BinaryIO]:
    """Open a file for reading, decompressed where its name or its first bytes say that it is compressed.

    Parameters
    ----------
    path : the file.
    read : is told how far in the file reading has come, in bytes before decompression.

    Raises
    ------
    InputError
        If the file cannot be opened, or, while it is read, if its compressed data are damaged or cut short.
    """
    try:
        counted = io.BufferedReader(_CountedFile(path, read), buffer_size=_FILE_BUFFER)
        with cast(BinaryIO, counted) as raw:
            kind = _compression(path, raw)
            try:
                with _decompressed(raw, kind) as file:
                    yield file
            except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, _ZstdDamageError) as error:
                raise _damaged(path, kind, error) from error
            except OSError as error:
                if kind == ".bz2" and error.errno is None:
                    raise _damaged(path, kind, error) from error
                raise
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path) from error


def text_blocks(path: Path, options: ReadOptions) -> Iterator[str]:
    """Yield the text of a file in blocks of about a megabyte, with ``\\n`` as the only line end.

    Raises
    ------
    InputError
        With path, line and byte: for bytes that are not in the encoding, for NUL bytes, and for binary files.
    """
    decoder = _decoder(options)
    # Line ends are made one by the decoder of Python's own text files; it is given text here, not bytes.
    line_ends = io.IncrementalNewlineDecoder(None, translate=True)
    read, lines = 0, 0
    with open_bytes(path, options.read) as file:
        while block := file.read(_BLOCK):
            if read == 0:
                _refuse_binary(block, path, options)
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(block)
            except UnicodeDecodeError as error:
                raise _undecodable(error, path, options, lines, read - pending) from error
            if "\0" in text:
                line = lines + 1 + text.count("\n", 0, text.index("\0"))
                raise InputError("holds a NUL byte: this is not plain text; remove the NULs first", path, line)
            if read == 0:
                text = text.removeprefix("\ufeff")
            read += len(block)
            lines += text.count("\n")
            yield line_ends.decode(text) if "\r" in text or line_ends.getstate()[1] else text
        try:
            rest = decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise _undecodable(error, path, options, lines, read - len(error.object), at_end=True) from error
        if rest := line_ends.decode(rest, final=True):
            yield rest


def text_lines(path: Path, options: ReadOptions) -> Iterator[str]:
    """Yield the lines of a file without their ends; only ``\\n``, ``\\r\\n`` and ``\\r`` end a line."""
    pending: list[str] = []
    for block in text_blocks(path, options):
        first, *others = block.split("\n")
        pending.append(first)
        if others:
            yield "".join(pending)
            yield from others[:-1]
            pending = others[-1:]
    if any(pending):
        yield "".join(pending)


def stdin_bytes() -> BinaryIO:
    """Return standard input as bytes.

    Raises
    ------
    InputError
        If the process was started with its standard input closed.
    """
    if sys.stdin is None:
        raise InputError("standard input is closed; pipe the text in, or name a file", "-")
    return sys.stdin.buffer


def spool_stdin(folder: Path | None) -> Path:
    """Return a file that holds all of standard input, which is read once: later calls return the first file.

    Parameters
    ----------
    folder : where the file is kept; None for a temporary folder that is removed when the process ends.

    Raises
    ------
    InputError
        If standard input is closed, or if it was read before and its file has been removed since.
    """
    stdin = stdin_bytes()
    if sys.stdin in _SPOOLED:
        if not _SPOOLED[sys.stdin].is_file():
            raise InputError("standard input was read already and cannot be read again; write it to a file first", "-")
        return _SPOOLED[sys.stdin]
    if folder is None:
        folder = Path(_temporary_folder().name)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "stdin.partial"
    with open(partial, "wb") as file:
        while block := stdin.read(_BLOCK):
            file.write(block)
    _SPOOLED[sys.stdin] = partial.replace(folder / "stdin")
    return _SPOOLED[sys.stdin]


@cache
def _temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="embedpipe-", ignore_cleanup_errors=True)


def _compression(path: Path, raw: BinaryIO) -> str:
    head = raw.read(8)
    raw.seek(0)
    found = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
    named = path.suffix.lower()
    if head and named in COMPRESSIONS and named != found:
        raise InputError(f"its name ends in {named} but its content is not {named[1:]} data", path)
    return found


def _decompressed(raw: BinaryIO, kind: str) -> BinaryIO:
    if kind == ".gz":
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if kind == ".bz2":
        return cast(BinaryIO, bz2.BZ2File(raw))
    if kind == ".xz":
        return cast(BinaryIO, lzma.LZMAFile(raw))
    if kind == ".zst":
        return io.BufferedReader(_ZstdFile(raw), buffer_size=_BLOCK)
    return raw


class _CountedFile(io.FileIO):
    """A file that notes how far it has been read."""

    def __init__(self, path: Path, read: Counter[Path]) -> None:
        super().__init__(path)
        self._path, self._read = path, read

    def readinto(self, buffer: Any) -> int:
        n = super().readinto(buffer) or 0
        self._read[self._path] = max(self._read[self._path], self.tell())
        return n


class _ZstdDamageError(Exception):
    """Not zstd data, or cut short: the library itself reads a truncated file without complaint."""


class _ZstdFile(io.RawIOBase):
    """A zstd file, of one frame or several, as a raw stream."""

    def __init__(self, raw: BinaryIO) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise MissingExtraError("zstandard", "zstd") from error
        self._raw, self._library = raw, zstandard
        self._frame: Any = None
        self._left: memoryview = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        while not self._left:
            compressed = self._raw.read(_ZSTD_STEP)
            if not compressed:
                if self._frame is not None:
                    raise _ZstdDamageError("the last frame is not complete")
                return 0
            self._left = memoryview(self._decompress(compressed))
        n = min(len(view), len(self._left))
        view[:n] = self._left[:n]
        self._left = self._left[n:]
        return n

    def _decompress(self, compressed: bytes) -> bytes:
        parts = []
        try:
            while compressed:
                if self._frame is None:
                    self._frame = self._library.ZstdDecompressor().decompressobj()
                parts.append(self._frame.decompress(compressed))
                compressed = b""
                if self._frame.eof:
                    compressed, self._frame = self._frame.unused_data, None
        except self._library.ZstdError as error:
            raise _ZstdDamageError(str(error)) from error
        return b"".join(parts)


def _damaged(path: Path, kind: str, error: Exception) -> InputError:
    return InputError(f"the {kind[1:]} data are damaged or cut short ({error}); get the file again", path)


def _decoder(options: ReadOptions) -> codecs.IncrementalDecoder:
    check_encoding(options.encoding)
    return codecs.getincrementaldecoder(options.encoding)(options.encoding_errors)


def _refuse_binary(block: bytes, path: Path, options: ReadOptions) -> None:
    if codecs.lookup(options.encoding).name.startswith(("utf-16", "utf-32")):
        return
    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError("looks like UTF-16 text; read it with --encoding utf-16", path)
    controls = len(block.translate(None, _NOT_CONTROL))
    nuls = block.count(b"\0")
    # A NUL that has strayed into text has no company: it is named, with its line, where the text is read.
    share = _CONTROL_SHARE_BESIDE_NULS if nuls else _CONTROL_SHARE
    if controls - nuls <= share * len(block) and nuls <= max(1, _CONTROL_SHARE * len(block)):
        return
    why = f"{controls / len(block):.0%} of its first {len(block):,} bytes are control characters"
    raise InputError(f"is a binary file ({why}), not text; leave it out or convert it first", path)


def _undecodable(
    error: UnicodeDecodeError, path: Path, options: ReadOptions, lines: int, offset: int, *, at_end: bool = False
) -> InputError:
    data, at = error.object, error.start
    line, end, _ = data[data.rfind(b"\n", 0, at) + 1 :].partition(b"\n")
    advice = suggest_encoding(line + (b"\n" if at_end else end))
    return InputError(
        f"invalid {options.encoding} at byte {offset + at + 1} (0x{data[at]:02x}: {error.reason}); {advice}, or pass "
        "--encoding-errors replace",
        path,
        lines + 1 + data.count(b"\n", 0, at),
    )

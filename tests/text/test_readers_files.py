"""Files to documents: compression, encodings, damage, what separates documents, and memory."""

import bz2
import gzip
import io
import json
import lzma
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from hypothesis import assume, given
from hypothesis import strategies as st

from embedpipe.errors import ConfigError, InputError, MissingExtraError
from embedpipe.text.read_bytes import text_blocks, text_lines
from embedpipe.text.read_text import in_parts, split_documents
from embedpipe.text.read_types import MAX_CHARACTERS, ReadOptions
from embedpipe.text.readers import expand_sources, fingerprint_source, read_documents

COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstandard.compress}


def texts(source: object, **options: object) -> list[str]:
    return [document.text for document in read_documents(str(source), ReadOptions(**options))]


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ("auto", ["one\ntwo", "three"]),
        ("blank", ["one\ntwo", "three"]),
        ("line", ["one", "two", "three"]),
        ("file", ["one\ntwo\n \nthree"]),
    ],
)
def test_what_separates_documents_in_plain_text(tmp_path: Path, documents: str, expected: list[str]) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"\n\none\r\ntwo\r\n \r\nthree\n\n")
    assert texts(file, documents=documents) == expected


def test_without_blank_lines_between_text_each_line_is_a_document(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\n  one\ntwo  \n\n")
    assert texts(tmp_path / "a.txt") == ["one", "two"]


@given(
    st.text(alphabet="ab.\n ", max_size=60), st.lists(st.integers(1, 9), max_size=8), st.sampled_from(["blank", "line"])
)
def test_documents_do_not_depend_on_where_blocks_end(text: str, sizes: list[int], documents: str) -> None:
    blocks, rest = [], text
    for size in sizes:
        blocks, rest = [*blocks, rest[:size]], rest[size:]
    assert list(split_documents([*blocks, rest], documents)) == list(split_documents([text], documents))


@given(st.binary(max_size=40), st.sampled_from(["utf-8", "gb18030", "utf-16"]))
def test_decoded_text_is_what_python_decodes(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes, encoding: str
) -> None:
    path = tmp_path_factory.mktemp("decode") / "a.txt"
    path.write_bytes("héllo\r\n世界".encode(encoding) + tail)
    expected = path.read_bytes().decode(encoding, "replace").replace("\r\n", "\n").replace("\r", "\n")
    options = ReadOptions(encoding=encoding, encoding_errors="replace")
    assume("\0" not in expected and not any(byte < 32 for byte in tail))
    assert "".join(text_blocks(path, options)) == expected.removeprefix("\ufeff")


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_files_give_the_same_documents(tmp_path: Path, suffix: str) -> None:
    content = "".join(f"Document {i} — naïve.\n\n" for i in range(3000))
    plain, packed, unnamed = tmp_path / "a.txt", tmp_path / f"a.txt{suffix}", tmp_path / "b"
    plain.write_text(content)
    packed.write_bytes(COMPRESS[suffix](content.encode()))
    unnamed.write_bytes(packed.read_bytes())
    assert len(texts(plain)) == 3000
    assert texts(packed) == texts(plain) == texts(unnamed)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_several_compressed_members_are_read_on(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(COMPRESS[suffix](b"one\n") + COMPRESS[suffix](b"two\n"))
    assert texts(path) == ["one", "two"]


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("damage", ["cut", "changed", "not compressed"])
def test_damaged_compressed_files_are_named(tmp_path: Path, suffix: str, damage: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    content = bytearray(COMPRESS[suffix]("".join(f"{i * 7919} words\n" for i in range(20_000)).encode()))
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "changed":
        for i in range(len(content) // 3, len(content) // 3 + 40):
            content[i] ^= 0xFF
    else:
        content = bytearray(b"only text\n")
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.txt\{suffix}.*{suffix[1:]} data") as caught:
        texts(path)
    assert str(caught.value.path) == str(path)


def test_zstd_without_its_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zst").write_bytes(zstandard.compress(b"text"))
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(MissingExtraError, match=r'pip install "embedpipe\[zstd\]"'):
        texts(tmp_path / "a.zst")


def test_invalid_utf8_is_placed_by_line_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"first\nse\xffcond\n")
    with pytest.raises(InputError, match=rf"{path}:2: invalid utf-8 at byte 9 \(0xff.*--encoding"):
        texts(path)
    assert texts(path, encoding_errors="replace") == ["first", "se\ufffdcond"]
    assert texts(path, encoding_errors="ignore") == ["first", "second"]
    assert texts(path, encoding="latin-1") == ["first", "seÿcond"]


def test_invalid_utf8_is_placed_across_blocks_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    # A character of two bytes lies across the end of the first block of 2**20 bytes.
    good = b"x" * (2**20 - 1) + "é".encode() + b"\n" + b"y" * 10 + b"\n"
    path.write_bytes(good + b"\xfe")
    with pytest.raises(InputError, match=rf":3: invalid utf-8 at byte {len(good) + 1} "):
        texts(path)
    path.write_bytes(good + b"\xc3")
    with pytest.raises(InputError, match=rf":3: invalid utf-8 at byte {len(good) + 1} .*unexpected end"):
        texts(path)


def test_nul_bytes_and_binary_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\ntwo\0\n")
    with pytest.raises(InputError, match=r"a\.txt:2: holds a NUL byte"):
        texts(path)
    path.write_bytes(b"line\n" * 300_000 + b"bad\0\n")
    with pytest.raises(InputError, match=r"a\.txt:300001: holds a NUL byte"):
        texts(path)
    for binary in (bytes(range(1, 9)) * 20, bytes(range(256)) * 20, "no mark".encode("utf-16-le")):
        path.write_bytes(binary)
        with pytest.raises(InputError, match=r"is a binary file \(\d+% of its first [\d,]+ bytes are control char"):
            texts(path)


def test_utf16_is_recognised_and_read_when_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("héllo\n\nwörld".encode("utf-16"))
    with pytest.raises(InputError, match="--encoding utf-16"):
        texts(path)
    assert texts(path, encoding="utf-16") == ["héllo", "wörld"]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\n")
    assert texts(tmp_path / "a.txt") == ["one"]


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"first\ncaf\xe9 au lait", r"reads as cp1252 \('café au lait'\): --encoding cp1252, or pass"),
        (b"first\ncaf\xe9", r"reads as cp1252 \('é'\): --encoding cp1252, or pass"),
        (b"\x81\n", "; name the right --encoding, or pass"),
        ("안녕하세요\n".encode("euc-kr"), r"euc-kr \('안녕하세요'\) or cp1252 \(.*\): choose one with --encoding"),
        ("你好世界\n".encode("big5"), r"reads as big5 \('你好世界'\), "),
        ("世界です\n".encode("shift_jis"), r"shift_jis \('世界です'\)"),
    ],
)
def test_what_a_line_may_be_in_is_named(tmp_path: Path, content: bytes, advice: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=advice):
        texts(path)


def test_an_unknown_encoding_is_a_setting_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(ConfigError, match="encoding 'utf9' is unknown; try utf-8"):
        texts(tmp_path / "a.txt", encoding="utf9")
    for encoding in ("rot13", "base64", "hex", "zlib"):
        with pytest.raises(ConfigError, match=f"encoding '{encoding}' is no encoding of text; try utf-8"):
            texts(tmp_path / "a.txt", encoding=encoding)


def test_only_line_feeds_and_carriage_returns_end_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("a\u2028b\x85c\r\nd\re\n".encode())
    assert list(text_lines(path, ReadOptions())) == ["a\u2028b\x85c", "d", "e"]


@pytest.mark.parametrize("content", [b"", b"\n \n\t\n"])
def test_a_source_without_text_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.txt: holds no text"):
        texts(tmp_path / "a.txt")


def test_a_ten_million_character_line_comes_in_parts_and_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("word. " * 1_700_000)
    tracemalloc.start()
    lengths = [len(document.text) for document in read_documents(str(path), ReadOptions())]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert max(lengths) <= MAX_CHARACTERS
    assert sum(lengths) + len(lengths) >= 10_199_999
    assert peak < 12_000_000


@pytest.mark.parametrize("name", ["long.txt", "long.jsonl#text"])
def test_parts_of_a_document_are_numbered(tmp_path: Path, name: str) -> None:
    long = "a few words . " * 200_000
    path = tmp_path / name.partition("#")[0]
    content = "\n".join(json.dumps({"text": text}) for text in (long, "short"))
    path.write_text(content if path.suffix == ".jsonl" else f"{long}\n\nshort")
    documents = list(read_documents(str(tmp_path / name), ReadOptions()))
    assert [document.part for document in documents] == [0, 1, 2, 0]


def test_parts_end_at_lines_then_sentences_then_words() -> None:
    half = MAX_CHARACTERS * 6 // 10
    for end in ("\n", ". ", "。", " "):
        first, second = in_parts("x" * half + end + "y" * half)
        assert first == ("x" * half + end).strip()
        assert second == "y" * half
    assert [len(part) for part in in_parts("x" * (2 * MAX_CHARACTERS + 1))] == [MAX_CHARACTERS, MAX_CHARACTERS, 1]
    accents = "e\u0301" * MAX_CHARACTERS
    assert not any(part.startswith("\u0301") for part in in_parts("x" + accents))


def test_folders_are_read_in_order_without_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    for name, text in {
        "b.txt": "b",
        "a.txt": "a",
        "sub/c.txt": "c",
        ".hidden": "no",
        ".git/x": "no",
        "e.txt": "",
    }.items():
        (tmp_path / name).write_text(text)
    options = ReadOptions()
    documents = list(read_documents(str(tmp_path), options))
    assert [document.text for document in documents] == ["a", "b", "c"]
    assert documents[2].origin == str(tmp_path / "sub" / "c.txt")
    assert options.skipped == {"hidden files": 2, "files without text": 1}
    assert texts(tmp_path / "*.txt") == ["a", "b"]
    assert expand_sources([str(tmp_path / "?.txt"), "builtin:lee"]) == [
        *(str(tmp_path / name) for name in ("a.txt", "b.txt", "e.txt")),
        "builtin:lee",
    ]


def test_a_binary_file_in_a_folder_is_never_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.bin").write_bytes(b"\x7fELF\0\0")
    with pytest.raises(InputError, match=r"b\.bin: is a binary file"):
        texts(tmp_path)


def test_each_of_ten_small_files_is_a_document(tmp_path: Path) -> None:
    for i in range(10):
        (tmp_path / f"{i}.txt").write_text(f"title {i}\n\nbody {i}")
    assert texts(tmp_path) == [f"title {i}\n\nbody {i}" for i in range(10)]
    assert len(texts(tmp_path, documents="blank")) == 20
    (tmp_path / "9.txt").unlink()
    assert len(texts(tmp_path)) == 18


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nots.txt", r"no such file or folder; did you mean 'notes.txt'\?"),
        ("*.csv", "matches no files"),
        ("empty", "holds no files"),
        ("notes.txt#text", "names a field"),
        ("page.xml", "no MediaWiki dump"),
        ("data.json", "one object per line"),
        ("dangling", "link to something that does not exist"),
    ],
)
def test_sources_that_cannot_be_read_say_why(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "page.xml").write_text("<page/>")
    (tmp_path / "data.json").write_text("[]")
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=message):
        texts(tmp_path / source)


def test_a_file_name_may_hold_a_hash_or_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a#b.txt", "nltk:notes", "x[1].txt"):
        Path(name).write_text(name)
        assert texts(name) == [name]


def test_standard_input_is_kept_so_that_it_can_be_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(gzip.compress(b"one\n\ntwo")))
    monkeypatch.setattr("sys.stdin", stdin)
    options = ReadOptions(spool=tmp_path / "spool")
    first = fingerprint_source("-", options)
    assert texts("-", spool=tmp_path / "spool") == ["one", "two"]
    assert texts("-", spool=tmp_path / "spool") == ["one", "two"]
    assert fingerprint_source("-", options) == first
    assert texts("-", spool=tmp_path / "another stage") == ["one", "two"]
    with pytest.raises(InputError, match="no fields"):
        texts("-#text", spool=tmp_path / "spool")
    (tmp_path / "spool" / "stdin").unlink()
    with pytest.raises(InputError, match="was read already"):
        texts("-", spool=tmp_path / "spool")


def test_fingerprints_change_with_content_and_field_only(tmp_path: Path) -> None:
    options = ReadOptions()
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    a.write_text('{"x": "1"}')
    b.write_text('{"x": "1"}')
    assert fingerprint_source(f"{a}#x", options) == fingerprint_source(f"{b}#x", options)
    assert fingerprint_source(f"{a}#x", options) != fingerprint_source(f"{a}#y", options)
    both = fingerprint_source(str(tmp_path), options)
    b.write_text('{"x": "2"}')
    assert fingerprint_source(f"{a}#x", options) != fingerprint_source(f"{b}#x", options)
    assert fingerprint_source(str(tmp_path), options) != both
    with pytest.raises(InputError, match="no such file"):
        fingerprint_source(str(tmp_path / "gone"), options)


def test_a_bare_string_is_no_list_of_sources() -> None:
    with pytest.raises(TypeError, match="wrap the name in a list"):
        expand_sources("builtin:lee")


@pytest.mark.parametrize("name", ["", " ", "\t"])
def test_an_empty_name_is_not_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "a.txt").write_text("never meant")
    monkeypatch.chdir(tmp_path)
    for use in (texts, lambda source: expand_sources([source]), lambda s: fingerprint_source(s, ReadOptions())):
        with pytest.raises(InputError, match="the name of a source is empty"):
            use(name)


def test_closed_standard_input_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    for use in (texts, lambda source: fingerprint_source(source, ReadOptions())):
        with pytest.raises(InputError, match="standard input is closed; pipe the text in, or name a file"):
            use("-")


def test_a_source_may_be_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    assert [document.text for document in read_documents(path, ReadOptions())] == ["one"]
    assert expand_sources([tmp_path, "builtin:lee"]) == [str(path), "builtin:lee"]
    assert fingerprint_source(path, ReadOptions()) == fingerprint_source(str(path), ReadOptions())

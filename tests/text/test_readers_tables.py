"""JSON lines, CSV, TSV and Parquet: the field that is asked for, and what is said when it is not there."""

import gzip
import json
import re
import sys
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from embedpipe.config import TextConfig
from embedpipe.errors import InputError, MissingExtraError
from embedpipe.runtime import Warned
from embedpipe.text.prepare import prepare
from embedpipe.text.read_types import ReadOptions
from embedpipe.text.readers import read_documents


def texts(source: object, options: ReadOptions | None = None) -> list[str]:
    return [document.text for document in read_documents(str(source), options or ReadOptions())]


def test_jsonl_reads_strings_lists_of_strings_and_counts_nulls(tmp_path: Path) -> None:
    rows = [{"text": "one\ntwo"}, {"text": ["a", "b"]}, {"text": None}, {"text": ""}, {"text": "ünd"}]
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("\n\n".join(map(json.dumps, rows)).encode()))
    options = ReadOptions()
    documents = list(read_documents(f"{path}#text", options))
    assert [document.text for document in documents] == ["one\ntwo", "a\nb", "ünd"]
    assert documents[2].origin == f"{path}:9"
    assert options.skipped == {"rows without text": 1}


@pytest.mark.parametrize(
    ("line", "field", "message"),
    [
        (
            '{"title": "a", "text": "b"}',
            "#txt",
            r"a\.jsonl:2: has no field 'txt'; fields here are title, text; did you",
        ),
        ('{"title": "a", "text": "b"}', "", r"say which field.*a\.jsonl#text \(here are title, text\)"),
        ('{"id": 7, "who": "Ann", "story": "Once upon a time."}', "", r"a\.jsonl#story \(here are id, who, story\)"),
        ('{"text": 3, "body": "b", "long": "longer"}', "", r"a\.jsonl#body \(here are text, body, long\)"),
        ('{"id": 7}', "", r"a\.jsonl#FIELD \(here are id\)"),
        ('{"text": 3}', "#text", r"a\.jsonl:2: field 'text' holds int, expected text"),
        ('{"text": "b"', "#text", r"a\.jsonl:2: is not JSON"),
        ("[1]", "#text", r"a\.jsonl:2: holds list, expected a JSON object"),
        ("[" * 100_000, "#text", r"a\.jsonl:2: is not JSON"),
    ],
)
def test_jsonl_errors_name_path_line_and_fields(tmp_path: Path, line: str, field: str, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n" + line + "\n")
    with pytest.raises(InputError, match=message):
        texts(f"{path}{field}")


def test_csv_keeps_quoted_commas_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id, body \r\n1,"one, ""two""\nthree"\r\n\r\n2,four\r\n3,\r\n', newline="")
    documents = list(read_documents(f"{path}#body", ReadOptions()))
    assert [document.text for document in documents] == ['one, "two"\nthree', "four"]


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", r"bars \(\|\)")])
def test_csv_that_no_comma_separates_is_read_by_what_does(tmp_path: Path, separator: str, name: str) -> None:
    path, options = tmp_path / "a.csv", ReadOptions()
    path.write_text(f'id{separator}text\n1{separator}"a{separator} b"\n2{separator}c, d\n')
    assert texts(f"{path}#text", options) == [f"a{separator} b", "c, d"]
    (note,) = options.notes
    assert re.fullmatch(rf".*a\.csv: columns are separated by {name}", note)
    with pytest.raises(InputError, match="columns here are id, text; did you mean 'text'"):
        texts(f"{path}#txt")
    with pytest.raises(InputError, match=r"a\.csv#text \(here are id, text\)"):
        texts(path)


def test_what_separates_columns_is_said_once_in_a_run(tmp_path: Path) -> None:
    path, events = tmp_path / "a.csv", []
    rows = (f"{n};the ship number {n} of fleet {n % 7} sails to harbour {n % 11} ." for n in range(200))
    path.write_text("\n".join(["id;text", *rows]))
    prepare([f"{path}#text"], TextConfig(), tmp_path / "text", seed=1, listener=events.append)
    said = [event.message for event in events if isinstance(event, Warned)]
    assert said == [f"{path}: columns are separated by semicolons"]


def test_a_comma_in_the_header_or_the_wanted_column_says_that_commas_separate(tmp_path: Path) -> None:
    path, options = tmp_path / "a.csv", ReadOptions()
    path.write_text("text;note\nHe came; she went.\n")
    assert texts(f"{path}#text;note", options) == ["He came; she went."]
    path.write_text("id,text\n1,He came; she went.\n")
    assert texts(f"{path}#text", options) == ["He came; she went."]
    assert options.notes == []


def test_csv_fields_may_be_longer_than_the_default_of_the_library(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("body\n" + "x" * 200_000)
    assert [len(text) for text in texts(f"{tmp_path}/a.csv#body")] == [200_000]


@pytest.mark.parametrize(("name", "expected"), [("c#/x.tsv", 'a "b'), ("x.tsv.csv", "a,b"), ("a.tsv/x.csv", "a,b")])
def test_the_end_of_the_name_alone_says_what_a_table_is(tmp_path: Path, name: str, expected: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('id\ttext\n1\ta "b\n' if name.endswith(".tsv") else 'id,text\n1,"a,b"\n')
    assert texts(f"{path}#text") == [expected]


def test_tsv_takes_quotation_marks_as_they_are(tmp_path: Path) -> None:
    for name in ("a.tsv", "a.tsv.gz"):
        content = b'label\ttext\n1\t"lone quote\n0\tplain\n'
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        assert texts(f"{tmp_path / name}#text") == ['"lone quote', "plain"]


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        ("id,text\n1,a", "#txt", r"a\.csv:1: has no column 'txt'; columns here are id, text; did you mean 'text'\?"),
        ("id,text\n1,a", "", r"say which column.*a\.csv#text \(here are id, text\)"),
        ("id,story\n1,Once upon a time.", "", r"a\.csv#story \(here are id, story\)"),
        ("id,story,x\n1", "", r"a\.csv#id \(here are id, story, x\)"),
        ("id,text\n1,a\n2", "#text", r"a\.csv:3: has 1 columns, expected 2"),
        ('id,text\n1,"a', "#text", r"a\.csv:2: is not well-formed"),
        ("", "#text", "holds no text"),
    ],
)
def test_csv_errors_name_path_line_and_columns(tmp_path: Path, content: str, column: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        texts(f"{path}{column}")


def test_parquet_reads_one_text_column(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    words = [f"document {i}" for i in range(3000)]
    table = {"text": [*words, None, ""], "kind": pyarrow.array(["a", "b"] * 1501).dictionary_encode(), "n": range(3002)}
    parquet.write_table(pyarrow.table(table), path, row_group_size=700)
    options = ReadOptions()
    assert texts(f"{path}#text", options) == words
    assert options.skipped == {"rows without text": 1}
    assert texts(f"{path}#kind") == ["a", "b"] * 1501
    with pytest.raises(InputError, match="no column 'txt'; columns here are text, kind, n; did you mean 'text'"):
        texts(f"{path}#txt")
    with pytest.raises(InputError, match=r"say which column.*a\.parquet#text \(here are text, kind, n\)"):
        texts(path)
    parquet.write_table(pyarrow.table({"n": [1], "story": ["once"]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"say which column.*b\.parquet#story \(here are n, story\)"):
        texts(tmp_path / "b.parquet")
    with pytest.raises(InputError, match="column 'n' holds int64, expected text"):
        texts(f"{path}#n")


def test_what_is_not_parquet_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        texts(f"{tmp_path}/a.parquet#text")
    (tmp_path / "a.parquet.gz").write_bytes(b"")
    with pytest.raises(InputError, match="decompress it first"):
        texts(f"{tmp_path}/a.parquet.gz#text")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"embedpipe\[parquet\]"):
        texts(f"{tmp_path}/a.parquet#text")

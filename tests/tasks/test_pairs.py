"""Files of paraphrases: every form, and every way to get one wrong."""

import gzip
from pathlib import Path

import pytest

from embedpipe.errors import InputError
from embedpipe.tasks.pairs import pair_files, read_pairs


def write(path: Path, text: str) -> str:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


def test_pairs_with_and_without_negatives(tmp_path: Path) -> None:
    pairs = read_pairs(write(tmp_path / "p.en.tsv", "text_a\ttext_b\na b\tc\n\nd\te f\n"))
    assert (pairs.name, pairs.groups, pairs.negatives, pairs.n_single) == ("p", [("a b", "c"), ("d", "e f")], None, 0)
    hard = read_pairs(write(tmp_path / "n.tsv.gz", "text_a\ttext_b\tnegative\na\tb\tc\n"))
    assert (hard.groups, hard.negatives) == ([("a", "b")], ["c"])
    assert read_pairs(write(tmp_path / "t.tsv", "source\ttarget\nhi\t你好\n")).groups == [("hi", "你好")]


def test_groups_of_different_sizes(tmp_path: Path) -> None:
    groups = read_pairs(write(tmp_path / "g.tsv", "text\ttext\ttext\na\tb\tc\nd\t\te\nf\t\t\n"))
    assert (groups.groups, groups.n_single) == ([("a", "b", "c"), ("d", "e")], 1)


def test_lines_of_several_files_belong_together(tmp_path: Path) -> None:
    for i, text in enumerate(["a\nb\n\n", "c\n\nd\n", "e\nf\ng"]):
        write(tmp_path / f"caption.{i}.gz", text)
    pattern = str(tmp_path / "caption.*.gz")
    assert [path.name for path in pair_files(pattern)] == ["caption.0.gz", "caption.1.gz", "caption.2.gz"]
    read = read_pairs(pattern)
    assert (read.groups, read.n_single) == ([("a", "c", "e"), ("b", "f"), ("d", "g")], 0)
    for i, text in enumerate(["a\n\nb\n", "c\n\n\n"]):
        write(tmp_path / f"line.{i}", text)
    assert read_pairs(str(tmp_path / "line.*")).n_single == 1, "an empty line is no row"


@pytest.mark.parametrize(
    ("files", "pattern", "message"),
    [
        ({}, "none*", "no file that this names"),
        ({"a": ""}, "a", "a: expected a tab-separated header"),
        ({"a": "hello\nworld\n"}, "a", "a:1: expected a tab-separated header, 'text_a text_b'"),
        ({"a": "text\nx\n"}, "a", "a:1: expected a tab-separated header"),
        ({"a": "text_a\ttext_b\nx\ty\tz\n"}, "a", r"a:2: expected 2 tab-separated columns \(text_a, text_b\), found 3"),
        ({"a": "text_a\ttext_b\nx\t \n"}, "a", "a:2: the column text_b is empty"),
        ({"a": "text\ttext\nx\t\n"}, "a", "a: no row holds two texts"),
        ({"a1": "x\ny\n", "a2": "x\n"}, "a?", "a2:1: 1 lines beside 2 in .*a1: line i of all files is one group"),
        ({"a1": "text_a\ttext_b\nx\ty\n", "a2": "x\n"}, "a?", "a1:1: has a header, so it stands for itself"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, files, pattern: str, message: str) -> None:
    for name, text in files.items():
        write(tmp_path / name, text)
    with pytest.raises(InputError, match=message):
        read_pairs(str(tmp_path / pattern))

"""Publishers' files become rows as the parts of a card say, and nothing in an archive is ever a path."""

import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from embedpipe.errors import InputError
from embedpipe.tasks.catalogue import TaskCard, TaskPart
from embedpipe.tasks.convert import member_bytes, part_rows, task_text

CARD = TaskCard("x", "X", "word similarity", "en", "Y (2000)")
COLUMNS = {"word_a": 0, "word_b": 1, "score": 2}
PAIRS = ("word_a", "word_b", "score")


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("part", "content", "rows"),
    [
        (TaskPart(columns=COLUMNS), "a\tb\t3\r\n\nice cap\tsea\t4", [["a", "b", "3"], ["ice cap", "sea", "4"]]),
        (TaskPart(separator="comma", header=1, columns=COLUMNS), 'a,b,c\n"x, y",z,1\n', [["x, y", "z", "1"]]),
        (TaskPart(separator="space", columns=COLUMNS), "sun  moon 3\n", [["sun", "moon", "3"]]),
        (TaskPart(columns={"word_a": 2, "word_b": 0}, constants={"score": "1"}), "a\tb\tc\n", [["c", "a", "1"]]),
        (TaskPart(columns=COLUMNS, until={"word_a": "-"}), "t-shirt-n\tb-n\t2\n", [["t-shirt", "b-n", "2"]]),
        (TaskPart(encoding="latin-1", columns=COLUMNS), "caf\xe9\tb\t2\n", [["café", "b", "2"]]),
    ],
)  # fmt: skip
def test_separators_and_columns(tmp_path: Path, part: TaskPart, content: str, rows: list[list[str]]) -> None:
    (tmp_path / "f").write_bytes(content.encode(part.encoding))
    assert part_rows(part, tmp_path / "f", PAIRS) == rows


def test_labels_before_the_first_space_and_up_to_a_colon(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("NUM:dist How far is it ?\nLOC:city Where: here ?\n")
    part = TaskPart(separator="first space", columns={"label": 0, "text": 1}, until={"label": ":"})
    assert part_rows(part, tmp_path / "f", ("label", "text")) == [["NUM", "How far is it ?"], ["LOC", "Where: here ?"]]


def test_parts_are_joined_and_scores_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    texts = {
        "top/in.a.txt": "one\ttwo\nthree\u2028\tfour\n",
        "top/gs.a.txt": "1.5\n\n",
        "top/in.b.txt": "five\tsix\n",
        "top/gs.b.txt": "2\n",
    }
    files = {name: text.encode() for name, text in texts.items()}
    path = zipped(tmp_path / "x.zip", files)
    of = [
        TaskPart(
            member=f"in.{s}.txt", scores=f"gs.{s}.txt", columns={"text_a": 0, "text_b": 1}, constants={"source": s}
        )
        for s in "ab"
    ]
    card = replace(CARD, kind="sentence similarity")
    text, left_out = task_text(card, [(part, path) for part in of])
    assert text == "score\ttext_a\ttext_b\tsource\n1.5\tone\ttwo\ta\n2\tfive\tsix\tb\n"
    assert left_out == 1
    longer = zipped(tmp_path / "y.zip", {**files, "top/gs.a.txt": b"1\n2\n3\n"})
    with pytest.raises(InputError, match=r"gs\.a\.txt has 3 lines, in\.a\.txt has 2"):
        part_rows(of[0], longer, ("score", "text_a", "text_b"))


def test_analogies_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_bytes(b": family\r\na b c d\r\n")
    text, _ = task_text(replace(CARD, kind="analogies"), [(TaskPart(), tmp_path / "q.txt")])
    assert text == ": family\na b c d\n"


def test_what_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("h\na\tb\t1\na\tb\n")
    with pytest.raises(InputError, match=r"f:3: expected 3 cells at least, found 2"):
        part_rows(TaskPart(columns=COLUMNS, header=1), tmp_path / "f", PAIRS)
    (tmp_path / "f").write_bytes(b"a\tb\xff\t1\n")
    with pytest.raises(InputError, match="the file is not utf-8: byte 4"):
        part_rows(TaskPart(columns=COLUMNS), tmp_path / "f", PAIRS)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_members_are_found_by_the_end_of_their_path(tmp_path: Path, kind: str) -> None:
    files = {"../../evil.txt": b"evil", "/etc/a.txt": b"one", "deep/b.txt": b"two", "deep/c/b.txt": b"three"}
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        zipped(path, files)
    else:
        with tarfile.open(path, "w:gz") as tar:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            link = tarfile.TarInfo("link.txt")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
    assert member_bytes(path, "etc/a.txt") == b"one"
    assert member_bytes(path, "c/b.txt") == b"three"
    assert member_bytes(path, "evil.txt") == b"evil"
    for member, n in (("b.txt", "2"), ("gone.txt", "no"), ("link.txt", "no")):
        with pytest.raises(InputError, match=f"holds {n} files that end in '{member}'"):
            member_bytes(path, member)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_an_archive_that_is_none_or_lies_about_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.zip").write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match=r"x\.zip: is no archive that can be read"):
        member_bytes(tmp_path / "x.zip", "a")
    monkeypatch.setattr("embedpipe.tasks.convert._LARGEST", 100)
    bomb = zipped(tmp_path / "y.zip", {"a": b"0" * 1_000})
    with pytest.raises(InputError, match="a is larger than"):
        member_bytes(bomb, "a")

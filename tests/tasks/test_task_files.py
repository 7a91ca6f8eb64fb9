"""Task files are read by their header, and everything wrong with one is said with path and line."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from embedpipe.errors import InputError
from embedpipe.tasks.builtin import find_task
from embedpipe.tasks.files import read_task
from embedpipe.tasks.shapes import (
    Analogies,
    Classification,
    DocumentSimilarity,
    Inference,
    SentenceSimilarity,
    WordSimilarity,
    with_test_part,
)


def write(tmp_path, text, name="mine.tsv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_word_similarity(tmp_path):
    task = read_task(write(tmp_path, "word_a\tword_b\tscore\ntiger\tcat\t7.35\r\n\nsun\tmoon\t-2e1\n"))
    assert isinstance(task, WordSimilarity)
    assert task.name == "mine"
    assert task.pairs == [("tiger", "cat"), ("sun", "moon")]
    assert task.scores.tolist() == [7.35, -20.0]


def test_sentence_similarity_from_gzip(tmp_path):
    content = gzip.compress("score\ttext_a\ttext_b\n4.5\tA cat.\tOne cat.\n0\t猫\t狗\n".encode())
    task = read_task(write(tmp_path, content, "pairs.sts.tsv.gz"))
    assert isinstance(task, SentenceSimilarity)
    assert (task.name, task.texts_a, task.texts_b) == ("pairs", ["A cat.", "猫"], ["One cat.", "狗"])
    assert task.scores.tolist() == [4.5, 0.0]


def test_classification_keeps_quotes_as_they_are(tmp_path):
    task = read_task(write(tmp_path, '\ufefflabel\ttext\n1\t"so" good, #1\n0\tbad\n'))
    assert isinstance(task, Classification)
    assert (task.labels, task.texts) == (["1", "0"], ['"so" good, #1', "bad"])


def test_inference(tmp_path):
    task = read_task(write(tmp_path, "label\ttext_a\ttext_b\nneutral\ta\tb\nentailment\tc\td\n"))
    assert isinstance(task, Inference)
    assert (task.labels, task.texts_a, task.texts_b) == (["neutral", "entailment"], ["a", "c"], ["b", "d"])


@pytest.mark.parametrize("header", ["", "word_a\tword_b\tword_c\tword_d\n"])
def test_analogies_by_section(tmp_path, header):
    task = read_task(write(tmp_path, header + ": capitals\nParis France Rome Italy\n: gram1\na b c d\ne f g h\n"))
    assert isinstance(task, Analogies)
    assert dict(task.sections) == {
        "capitals": [("Paris", "France", "Rome", "Italy")],
        "gram1": [("a", "b", "c", "d"), ("e", "f", "g", "h")],
    }


WRONG = {
    "columns": ("word_a\tword_b\tscore\na\tb\t1\nc\td\n", ":3:", "expected 3 tab-separated columns"),
    "too many": ("label\ttext\na\tb\tc\n", ":2:", "found 3"),
    "no number": ("word_a\tword_b\tscore\na\tb\thigh\n", ":2:", "the score 'high' is not a finite number"),
    "nan": ("score\ttext_a\ttext_b\nnan\ta\tb\n", ":2:", "not a finite number"),
    "empty cell": ("label\ttext\na\tb\nc\t \n", ":3:", "the column text is empty"),
    "near header": ("word_a\tword_b\tscores\na\tb\t1\n", ":1:", "did you mean 'word_a word_b score'?"),
    "far header": ("id\tprice\n1\t2\n", ":1:", "Known headers"),
    "commas": ("label,text\n1,a\n", ":1:", "must be separated by tabs"),
    "no rows": ("label\ttext\n\n", "", "no rows under the header"),
    "empty": ("\n", "", "the file is empty"),
    "three words": (": s\na b c\n", ":2:", "expected four words (a b c d), found 3"),
    "no questions": (": s\n", "", "no questions"),
    "latin-1": (b"label\ttext\na\tb\n" + b"c\t\xe9t\xe9\n", ":3:", "byte 3 of the line is not UTF-8"),
    "NUL": ("label\ttext\na\tb\0\n", ":2:", "NUL"),
    "one label": ("label\ttext\na\tb\na\tc\n", "", "two labels"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_place(tmp_path, case):
    content, place, message = WRONG[case]
    path = write(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_task(path)
    assert str(caught.value).startswith(f"{path}{place}")
    assert message in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"none\.tsv: no such file; name a text file of rows under a header"):
        read_task(tmp_path / "none.tsv")
    with pytest.raises(InputError, match="is a folder; a task is one file"):
        read_task(tmp_path)
    whole = gzip.compress(b"label\ttext\na\tb\n" * 50)
    with pytest.raises(InputError, match="cannot be read"):
        read_task(write(tmp_path, whole[:-12], "cut.tsv.gz"))


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"\[2, 1\]"):
        WordSimilarity("x", [("a", "b"), ("c", "d")], np.array([1.0]))
    with pytest.raises(ValueError, match="2 texts but scores of shape"):
        DocumentSimilarity("x", ["a", "b"], np.zeros((2, 3)))


def test_a_given_split_trains_on_one_file_and_tests_on_the_other():
    task = with_test_part(Classification("a", ["x", "y"], ["1", "2"]), Classification("b", ["y"], ["3"]))
    assert task.folds is not None
    assert (task.texts, task.labels, task.folds.tolist()) == (["1", "2", "3"], ["x", "y", "y"], [-1, -1, 0])


def test_an_empty_name_is_no_task() -> None:
    with pytest.raises(InputError, match="no task '': neither a file nor a built-in name"):
        find_task("")


def test_the_known_headers_follow_an_unknown_one_as_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("one\ttwo\n")
    with pytest.raises(InputError, match=r"unknown header 'one two'\. Known headers, tab-separated: "):
        read_task(tmp_path / "a.tsv")

"""Folders of task files: what is a task, what belongs together, and what is told apart."""

from pathlib import Path

import pytest

from embedpipe.errors import InputError
from embedpipe.tasks.shapes import Classification, SentenceSimilarity
from embedpipe.tasks.suite import content_hash, read_suite, read_suite_task

WORDS = "word_a\tword_b\tscore\nsun\tmoon\t3\ncat\tdog\t4\n"
LABELS = "label\ttext\na\tone two\nb\tthree\na\tfour\n"
SCORES = "score\ttext_a\ttext_b\n1\tone\ttwo\n2\tthree\tfour\n"
ANALOGIES = ": family\nking queen man woman\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "pairs.tsv": WORDS,
        "family.txt": ANALOGIES,
        "mood_train.cls.tsv": LABELS,
        "mood_test.cls.tsv": LABELS.replace("four", "five"),
        "near_train.tsv": SCORES,
        "near_dev.tsv": SCORES,
        "alone_train.tsv": LABELS,
        "notes.txt": "these are notes\n",
        "readme.md": WORDS,
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "more.tsv").write_text(WORDS)
    return tmp_path


def test_each_task_once_and_the_training_part_with_its_test_part(folder: Path) -> None:
    suite = read_suite([folder])
    assert [task.name for task in suite.tasks] == ["alone_train", "family", "mood_test", "near_dev", "pairs"]
    files = {task.name: [path.name for path in task.files] for task in suite.tasks}
    assert files["mood_test"] == ["mood_train.cls.tsv", "mood_test.cls.tsv"]
    assert files["alone_train"] == ["alone_train.tsv"]
    assert {task.name: task.n_questions for task in suite.tasks} == {
        "alone_train": 3,
        "family": 1,
        "mood_test": 3,
        "near_dev": 2,
        "pairs": 2,
    }
    (refused,) = suite.refused
    assert refused.name == "notes.txt"
    assert suite.refused[refused].startswith("line 1: unknown header 'these are notes'")


def test_what_begins_as_a_task_and_is_none_failed(folder: Path) -> None:
    for name, text in {
        "bad.tsv": SCORES.replace("2", "two"),
        "one.tsv": "label\ttext\na\tx\na\ty\n",
        "none.tsv": "word_a\tword_b\tscore\n",
        "odd.txt": ": family\nking queen man\n",
        "mood_train.cls.tsv": "label\ttext\na\n",
        "near_train.tsv": "label\ttext\na\n",
        "bytes.tsv": "label\ttext\na\t\udcff\n",
    }.items():
        (folder / name).write_text(text, errors="surrogateescape")
    suite = read_suite([folder])
    row = "line 2: expected 2 tab-separated columns (label, text), found 1"
    assert suite.broken == {
        "bad": "line 3: the score 'two' is not a finite number",
        "bytes": "line 2: byte 3 of the line is not UTF-8; save the file as UTF-8",
        "mood_test": f"its training part mood_train.cls.tsv cannot be read: {row}",
        "mood_train": row,
        "near_dev": f"its training part near_train.tsv cannot be read: {row}",
        "near_train": row,
        "none": "no rows under the header 'word_a word_b score'",
        "odd": "line 2: expected four words (a b c d), found 3",
        "one": "every row has the label 'a'; a task needs two labels at least",
    }
    assert [path.name for path in suite.refused] == ["notes.txt"]
    assert [task.name for task in suite.tasks] == ["alone_train", "family", "pairs"]
    assert set(read_suite([folder], "words").broken) == {"none", "odd"}


def test_a_task_costs_by_its_rows_and_those_of_its_training_part(folder: Path) -> None:
    cost = {task.name: task.cost for task in read_suite([folder]).tasks}
    assert cost["alone_train"] > cost["mood_test"] > cost["near_dev"] > cost["pairs"]
    (folder / "near_train.tsv").write_text(SCORES + "3\tfive\tsix\n" * 1_000)
    more = {task.name: task.cost for task in read_suite([folder]).tasks}
    assert more["near_dev"] - cost["near_dev"] == pytest.approx(1_200)
    assert more["pairs"] == cost["pairs"]


def test_the_data_of_a_task_has_its_training_part(folder: Path) -> None:
    tasks = {task.name: task for task in read_suite([folder]).tasks}
    mood = read_suite_task(tasks["mood_test"])
    assert isinstance(mood, Classification)
    assert mood.folds is not None
    assert mood.folds.tolist() == [-1, -1, -1, 0, 0, 0]
    assert list(mood.texts[2:]) == ["four", "one two", "three", "five"]
    near = read_suite_task(tasks["near_dev"])
    assert isinstance(near, SentenceSimilarity)
    assert near.train is not None
    assert near.train.scores.tolist() == [1, 2]


def test_kinds(folder: Path) -> None:
    words, sentences = read_suite([folder], "words"), read_suite([folder], "sentences")
    assert [task.name for task in words.tasks] == ["family", "pairs"]
    assert (words.n_other, sentences.n_other) == (3, 2)
    assert not any(task.sentences for task in words.tasks)
    with pytest.raises(InputError, match="unknown kind of suite 'word'"):
        read_suite([folder], "word")  # type: ignore[arg-type]


def test_files_of_different_kinds_are_no_pair(tmp_path: Path) -> None:
    (tmp_path / "a_train.tsv").write_text(LABELS)
    (tmp_path / "a_test.tsv").write_text(SCORES)
    assert [len(task.files) for task in read_suite([tmp_path]).tasks] == [1, 1]
    (tmp_path / "a_train.sts.tsv").write_text(SCORES)
    (tmp_path / "a_test.cls.tsv").write_text(LABELS)
    files = {task.name: [path.name for path in task.files] for task in read_suite([tmp_path]).tasks}
    assert files == {
        "a_test.tsv": ["a_train.sts.tsv", "a_test.tsv"],
        "a_test.cls.tsv": ["a_train.tsv", "a_test.cls.tsv"],
    }


def test_names_that_several_files_have_are_told_apart(tmp_path: Path) -> None:
    for name in ("one/a.x.tsv", "one/a.y.tsv", "two/a.x.tsv", "two/b.tsv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(WORDS)
    suite = read_suite([tmp_path / "one", tmp_path / "two"])
    assert [task.name for task in suite.tasks] == ["one/a.x.tsv", "a.y.tsv", "two/a.x.tsv", "b"]
    assert read_suite_task(suite.tasks[0]).name == "one/a.x.tsv"


def test_a_file_that_changes_meanwhile_is_not_measured_as_if_it_had_not(folder: Path) -> None:
    task = next(task for task in read_suite([folder]).tasks if task.name == "pairs")
    before = content_hash(task.files)
    (folder / "pairs.tsv").write_text(WORDS.replace("3", "2"))
    assert content_hash(task.files) != before == task.content
    with pytest.raises(InputError, match=r"pairs\.tsv: was changed while"):
        read_suite_task(task)


def test_nothing_to_measure_says_what_was_there(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_suite([tmp_path / "gone"])
    with pytest.raises(InputError, match="is a file: a suite is a folder"):
        read_suite([folder / "pairs.tsv"])
    (empty := tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no tasks here: 0 files that are no task"):
        read_suite([empty])
    (empty / "x.txt").write_text("x\n")
    (empty / "y.tsv").write_text(LABELS)
    with pytest.raises(
        InputError, match=r"no tasks of the kind 'words' here: 1 files .* 1 tasks of another kind \(x\.txt: line 1"
    ):
        read_suite([empty], "words")

"""All task files of a folder: which are tasks, which belong together, and what they will cost."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from embedpipe.errors import InputError
from embedpipe.tasks.files import known_header, read_task
from embedpipe.tasks.shapes import (
    Analogies,
    Classification,
    DocumentSimilarity,
    Inference,
    SentenceSimilarity,
    Task,
    with_test_part,
)

__all__ = ["Suite", "SuiteKind", "SuiteTask", "content_hash", "n_questions", "read_suite", "read_suite_task"]

SuiteKind = Literal["words", "sentences", "all"]

_ENDINGS = (".tsv", ".txt", ".gz")
_TEST_PARTS = ("_test", "_dev")
_WITH_TRAINING = (SentenceSimilarity, Classification)
_OF_TEXTS = (SentenceSimilarity, DocumentSimilarity, Classification, Inference)


@dataclass(frozen=True, slots=True)
class SuiteTask:
    """One task of a suite.

    Parameters
    ----------
    name : of the task; different from all others of the suite.
    files : the task's own file, after the one that holds its training part where there is one.
    sentences : whether it asks about texts, not words.
    n_questions : rows that are asked, those of the training part left out.
    cost : about how long it takes, in units that only compare tasks of one suite.
    content : SHA-256 of the files.
    """

    name: str
    files: tuple[Path, ...]
    sentences: bool
    n_questions: int
    cost: float
    content: str


@dataclass(frozen=True, slots=True)
class Suite:
    """The tasks of one kind in some folders.

    Parameters
    ----------
    tasks : in the order of the folders and of the names of their files.
    refused : why a file is no task, by path.
    n_other : tasks of another kind than was asked for.
    broken : why a task cannot be read, by name: its file, or that of its training part, begins as a task does.
    """

    tasks: Sequence[SuiteTask] = ()
    refused: dict[Path, str] = field(default_factory=dict)
    n_other: int = 0
    broken: dict[str, str] = field(default_factory=dict)


def read_suite(folders: Sequence[Path], kind: SuiteKind = "all") -> Suite:
    """Return the tasks in the files of some folders that end in ``.tsv``, ``.txt`` or ``.gz``; none of sub-folders.

    ``NAME_train`` beside ``NAME_test`` or ``NAME_dev`` (what stands after the first dot is passed over) is their
    training part and no task of its own. A name that several files have becomes the whole name of the file, and with
    the name of its folder where that does not tell them apart either.

    Parameters
    ----------
    folders : folders that hold task files.
    kind : ``words``, ``sentences`` or ``all``.

    Raises
    ------
    InputError
        If something is no folder, or holds no task of this kind; the message counts what was no task. A file that
        begins as a task does and is none is no error, but one of `Suite.broken`.
    """
    if kind not in get_args(SuiteKind):
        raise InputError(f"unknown kind of suite '{kind}': use {', '.join(get_args(SuiteKind))}")
    read: dict[Path, Task] = {}
    refused: dict[Path, str] = {}
    broken: dict[Path, tuple[bool, str]] = {}
    for path in (path for folder in folders for path in _files(folder)):
        try:
            read[path] = read_task(path)
        except InputError as error:
            header = known_header(path)
            if header is None:
                refused[path] = _without(path, error)
            else:
                broken[path] = any(column.startswith("text") for column in header), _without(path, error)
    training = _training_parts(read)
    broken |= _without_training_part(read, training, broken)
    tasks, n_other = [], 0
    names = _distinct_names([path for path in (*read, *broken) if path not in training.values()])
    for path, name in names.items():
        if path in broken:
            continue
        sentences = isinstance(read[path], _OF_TEXTS)
        if kind != "all" and sentences != (kind == "sentences"):
            n_other += 1
            continue
        files = (training[path], path) if path in training else (path,)
        cost = _cost(read[path], n_training=n_questions(read[training[path]]) if path in training else 0)
        tasks.append(SuiteTask(name, files, sentences, n_questions(read[path]), cost, content_hash(files)))
    failed = {
        names[path]: reason
        for path, (sentences, reason) in broken.items()
        if kind == "all" or sentences == (kind == "sentences")
    }
    n_other += len(broken) - len(failed)
    if not tasks and not failed:
        named = ", ".join(map(str, folders))
        others = f", {n_other} tasks of another kind" if n_other else ""
        first = next(iter(refused.items()), None)
        why = f" ({first[0].name}: {first[1]})" if first else ""
        what = "tasks" if kind == "all" else f"tasks of the kind '{kind}'"
        raise InputError(f"no {what} here: {len(refused)} files that are no task{others}{why}", named)
    return Suite(tasks, refused, n_other, failed)


def read_suite_task(task: SuiteTask) -> Task:
    """Return the labelled data of one task of a suite, with its training part.

    Raises
    ------
    InputError
        If a file is not there any more, or was changed since the suite was read.
    """
    if content_hash(task.files) != task.content:
        raise InputError("was changed while the suite was measured; measure it again", task.files[-1])
    *before, own = map(read_task, task.files)
    whole = _with_training_part(before[0], own) if before else own
    return replace(whole, name=task.name)


def n_questions(task: Task) -> int:
    """Return how many rows a task has: pairs, texts or questions.

    >>> n_questions(Classification("a", "xy", ["one", "two"]))
    2
    """
    if isinstance(task, Analogies):
        return sum(map(len, task.sections.values()))
    if isinstance(task, DocumentSimilarity):
        return len(task.texts)
    return max(
        len(column) for column in vars(task).values() if isinstance(column, Sized) and not isinstance(column, str)
    )


def content_hash(files: Sequence[Path]) -> str:
    """Return the SHA-256 of the contents of files in their order, as hexadecimal digits.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    whole = hashlib.sha256()
    for path in files:
        try:
            whole.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}", path) from error
    return whole.hexdigest()


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        is_file = "is a file: a suite is a folder; name its folder, or leave --suite away"
        raise InputError(is_file if folder.exists() else "no such folder", folder)
    return sorted(path for path in folder.iterdir() if path.name.endswith(_ENDINGS) and path.is_file())


def _without(path: Path, error: InputError) -> str:
    """Return what an error says, without the path that it begins with."""
    where = f"{path}: " if error.line is None else f"{path}:{error.line}: "
    said = str(error).removeprefix(where)
    return said if error.line is None else f"line {error.line}: {said}"


def _training_parts(read: dict[Path, Task]) -> dict[Path, Path]:
    """Return the file with the training part for each file that has one beside it and of its kind."""
    by_stem: dict[tuple[Path, str], list[Path]] = {}
    for path in read:
        by_stem.setdefault((path.parent, _stem(path)), []).append(path)
    found = {}
    for path, task in read.items():
        for ending in _TEST_PARTS:
            if not _stem(path).endswith(ending):
                continue
            beside = by_stem.get((path.parent, _stem(path).removesuffix(ending) + "_train"), [])
            fitting = [train for train in beside if _with_training_part(read[train], task) is not task]
            if fitting:
                found[path] = fitting[0]
    return found


def _without_training_part(
    read: dict[Path, Task], training: dict[Path, Path], broken: dict[Path, tuple[bool, str]]
) -> dict[Path, tuple[bool, str]]:
    """Return the files whose training part cannot be read: measured without it they would be another task."""
    found = {}
    for path, task in read.items():
        for ending in _TEST_PARTS:
            if path in training or not _stem(path).endswith(ending) or not isinstance(task, _WITH_TRAINING):
                continue
            name = _stem(path).removesuffix(ending) + "_train"
            beside = [train for train in broken if (train.parent, _stem(train)) == (path.parent, name)]
            if beside:
                found[path] = True, f"its training part {beside[0].name} cannot be read: {broken[beside[0]][1]}"
    return found


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


def _with_training_part(train: Task, test: Task) -> Task:
    """Return `test` with its training part; `test` itself where tasks of its kind have none."""
    if isinstance(train, Classification) and isinstance(test, Classification):
        return with_test_part(train, test)
    if isinstance(train, SentenceSimilarity) and isinstance(test, SentenceSimilarity):
        return replace(test, train=train)
    return test


def _distinct_names(paths: Sequence[Path]) -> dict[Path, str]:
    names = {path: _stem(path) for path in paths}
    ways: tuple[Callable[[Path], str], ...] = (
        lambda path: path.name,
        lambda path: f"{path.parent.name}/{path.name}",
        str,
    )
    for longer in ways:
        counts = Counter(names.values())
        names = {path: name if counts[name] == 1 else longer(path) for path, name in names.items()}
    return names


def _cost(task: Task, *, n_training: int) -> float:
    """Return about how long a task takes, in units of about a millisecond on one core.

    Fits cost by their number, which is fixed, and by the rows that they see; those of folds drawn anew are many.
    """
    n = n_questions(task)
    if isinstance(task, Classification):
        return 300 + 0.5 * n + 3.2 * n_training if n_training else 4_000 + 3.2 * n
    if isinstance(task, Inference):
        return 4_000 + 12.0 * n
    if isinstance(task, SentenceSimilarity | DocumentSimilarity):
        return 4.4 * n + 1.2 * n_training
    return 0.5 * n

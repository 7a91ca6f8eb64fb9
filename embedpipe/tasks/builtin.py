"""Tasks by name: the files that ship inside gensim's own test data, found without importing gensim."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from embedpipe.errors import InputError
from embedpipe.tasks.files import read_analogies, read_lines, read_task, read_word_similarity
from embedpipe.tasks.shapes import Analogies, DocumentSimilarity, Task, WordSimilarity
from embedpipe.tasks.weat import WEAT, weat
from embedpipe.text.read_named import gensim_test_file
from embedpipe.text.read_types import did_you_mean

__all__ = [
    "ADJACENCY",
    "BIGRAM_SHIFT",
    "BUILTIN_TASKS",
    "CORPUS_TASKS",
    "DOCUMENTS",
    "GEOMETRY",
    "LENGTH",
    "MADE_TASKS",
    "ODD_WORD",
    "ORDER",
    "TOPIC",
    "WORD_CONTENT",
    "check_tasks",
    "find_task",
    "task_files",
]

DOCUMENTS, LENGTH, WORD_CONTENT, BIGRAM_SHIFT = "documents", "length", "word-content", "bigram-shift"
ODD_WORD, ADJACENCY, ORDER, TOPIC = "odd-word", "adjacency", "order", "topic"
CORPUS_TASKS = (DOCUMENTS, LENGTH, WORD_CONTENT, BIGRAM_SHIFT, ODD_WORD, ADJACENCY, ORDER, TOPIC)
"""The tasks that a prepared corpus makes of itself, without labels; `probes.linguistic` draws them."""
GEOMETRY = "geometry"
"""The look at the shape of a space, which needs no task at all; `probes.geometry` takes it."""
MADE_TASKS = (*CORPUS_TASKS, GEOMETRY)
"""What is named like a task and has no data of its own."""


def find_task(name: str) -> Task:
    """Return the built-in task of that name, or the task in the file of that path.

    Built in are ``wordsim353`` (Finkelstein et al., 2002), ``simlex999`` (Hill et al., 2015), ``analogies`` (the
    19,544 Google questions; Mikolov et al., 2013), ``lee`` (50 news documents; Lee et al., 2005) and ``weat`` (bias
    tests for English; Caliskan et al., 2017).

    Raises
    ------
    InputError
        If `name` is neither a built-in task nor a file, with the nearest name; or if the file is not a task.

    Examples
    --------
    >>> task = find_task("wordsim353")
    >>> task.pairs[1], float(task.scores[1]), len(task.pairs)
    (('tiger', 'cat'), 7.35, 353)
    """
    if name in BUILTIN_TASKS:
        return BUILTIN_TASKS[name]()
    if name and Path(name).exists():
        return read_task(name)
    if name in CORPUS_TASKS:
        raise InputError(f"the task '{name}' is drawn from a prepared corpus: say where that is")
    if name == GEOMETRY:
        raise InputError("'geometry' is no task with questions: it is looked at with a bundle at hand")
    known = [*BUILTIN_TASKS, *MADE_TASKS]
    hint = did_you_mean(name.lower(), known)
    raise InputError(f"no task '{name}': neither a file nor a built-in name ({', '.join(known)}){hint}")


def check_tasks(names: Iterable[str]) -> None:
    """Raise `InputError` if one of the tasks that a run is to measure cannot be found or read."""
    for name in names:
        if name not in MADE_TASKS:
            find_task(name)


def task_files(names: Iterable[str]) -> list[str]:
    """Return those of the tasks `names` that are files."""
    return [name for name in names if name not in (*BUILTIN_TASKS, *MADE_TASKS) and Path(name).is_file()]


def _word_similarity(name: str, file: str) -> WordSimilarity:
    path = gensim_test_file(file)
    rows = [(number, line.split("\t")) for number, line in read_lines(path) if not line.startswith("#")]
    return read_word_similarity(name, path, rows)


def _analogies() -> Analogies:
    path = gensim_test_file("questions-words.txt")
    return read_analogies("analogies", path, read_lines(path))


def _lee() -> DocumentSimilarity:
    scores = gensim_test_file("similarities0-1.txt")
    matrix = np.array([line.split() for _, line in read_lines(scores)], dtype=np.float64)
    texts = [line for _, line in read_lines(gensim_test_file("lee.cor"), encoding="latin-1")]
    return DocumentSimilarity("lee", texts, matrix)


BUILTIN_TASKS: dict[str, Callable[[], Task]] = {
    "wordsim353": lambda: _word_similarity("wordsim353", "wordsim353.tsv"),
    "simlex999": lambda: _word_similarity("simlex999", "simlex999.txt"),
    "analogies": _analogies,
    "lee": _lee,
    WEAT: weat,
}

"""The tasks that two bundles are compared by: what is named, in files and folders, or made of what both held out."""

from collections.abc import Sequence
from pathlib import Path

from embedpipe.config import ProbesConfig
from embedpipe.errors import BundleError, InputError
from embedpipe.loading import Bundle, text_beside
from embedpipe.probes.asked import corpus_of
from embedpipe.probes.difference import NO_BIAS_TESTS
from embedpipe.probes.linguistic.make import corpus_task
from embedpipe.probes.rows import Row, skipped
from embedpipe.tasks.associations import Associations
from embedpipe.tasks.builtin import CORPUS_TASKS, GEOMETRY, find_task
from embedpipe.tasks.files import known_header, read_task
from embedpipe.tasks.shapes import Task
from embedpipe.tasks.weat import WEAT

__all__ = ["COMPARED", "compared_tasks"]

COMPARED = ("wordsim353", "simlex999", "analogies", "lee", "documents")
"""What is compared where nothing is named."""


def compared_tasks(names: Sequence[str], a: Bundle, b: Bundle, *, seed: int) -> tuple[list[Task | Row], list[str]]:
    """Return the tasks that are named, and in words what in a folder is no task.

    Parameters
    ----------
    names : built-in names, names of tasks that a corpus makes of itself, task files, and folders of them.
    a, b : what is compared; tasks of a corpus are made of the text that both held out, with the tokens of `a`, or are
        rows that say why there is none.
    seed : of the draws.

    Raises
    ------
    InputError
        For a name that is none of these, a task without questions to compare, a task file that cannot be read, or a
        folder without any.
    """
    of_corpus = [name for name in names if name in CORPUS_TASKS]
    made = dict(zip(of_corpus, _of_shared_text(of_corpus, a, b, seed), strict=True))
    found: list[Task | Row] = []
    left_out: list[str] = []
    for name in names:
        if name == WEAT:
            raise InputError(f"'{name}' {NO_BIAS_TESTS}")
        if name == GEOMETRY:
            raise InputError(f"'{name}' has no questions: look at each bundle with embedpipe probe")
        if name in made:
            found.append(made[name])
        elif Path(name).is_dir():
            tasks, refused = _in_folder(Path(name))
            found += tasks
            left_out += refused
        else:
            found.append(find_task(name))
    return found, left_out


def _in_folder(folder: Path) -> tuple[list[Task], list[str]]:
    found: list[Task] = []
    refused: list[str] = []
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        try:
            task = read_task(path)
        except InputError as error:
            if known_header(path):
                raise
            refused.append(str(error))
            continue
        if isinstance(task, Associations):
            refused.append(f"{path} {NO_BIAS_TESTS}")
        else:
            found.append(task)
    if not found:
        raise InputError("holds no task file" + (f"; {refused[0]}" if refused else ""), folder)
    return found, refused


def _of_shared_text(names: Sequence[str], a: Bundle, b: Bundle, seed: int) -> list[Task | Row]:
    if not names:
        return []
    try:
        ours, theirs = text_beside(a), text_beside(b)
    except BundleError as error:
        return [skipped(name, "accuracy", str(error)) for name in names]
    reason = ""
    if ours is None or theirs is None:
        reason = "the prepared text of both bundles is needed, in BUNDLE.work"
    elif any(
        getattr(ours, name).read_bytes() != getattr(theirs, name).read_bytes()
        for name in ("test_text", "validation_text")
    ):
        reason = "A and B held out different texts: one may have learnt the other's"
    if reason:
        return [skipped(name, "accuracy", reason) for name in names]
    corpus = corpus_of(a, ours, ProbesConfig(), seed)
    return [corpus_task(name, corpus) for name in names]

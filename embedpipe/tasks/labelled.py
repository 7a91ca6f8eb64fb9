"""The files of labelled data that the sentence encoder learns from, as its settings name them."""

from pathlib import Path
from typing import TYPE_CHECKING

from embedpipe.errors import InputError
from embedpipe.tasks.files import read_task
from embedpipe.tasks.pairs import pair_files, read_pairs
from embedpipe.tasks.shapes import Inference, Paraphrases, SentenceSimilarity

if TYPE_CHECKING:
    from embedpipe.config import SentencesConfig

__all__ = ["labelled_files", "read_labelled_tasks"]


def labelled_files(config: "SentencesConfig") -> list[Path]:
    """Return the files of labelled data that `config` names, those of a pattern in the order of their names.

    Raises
    ------
    InputError
        If a pattern of paraphrases names no file.
    """
    pairs = [path for pattern in config.pairs for path in pair_files(pattern)]
    return [*pairs, *map(Path, (*config.inference, *config.scores))]


def read_labelled_tasks(config: "SentencesConfig") -> list[Paraphrases | Inference | SentenceSimilarity]:
    """Return the tasks in the files that `config.pairs`, `config.inference` and `config.scores` name, in this order.

    Raises
    ------
    InputError
        If a file is missing, damaged, or of another kind than the setting that names it, with path and line.
    """
    tasks: list[Paraphrases | Inference | SentenceSimilarity] = [read_pairs(pattern) for pattern in config.pairs]
    for path in config.inference:
        task = read_task(path)
        if not isinstance(task, Inference):
            raise InputError("sentences.inference takes files with the header 'label text_a text_b'", path, 1)
        tasks.append(task)
    for path in config.scores:
        task = read_task(path)
        if not isinstance(task, SentenceSimilarity):
            raise InputError("sentences.scores takes files with the header 'score text_a text_b'", path, 1)
        if task.scores.min() == task.scores.max():
            raise InputError(f"every row has the score {task.scores[0]:g}; two different ones are needed", path)
        tasks.append(task)
    return tasks

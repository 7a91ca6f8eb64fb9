"""The files of labelled data that the sentence encoder learns from, as its settings name them."""

from pathlib import Path
from typing import TYPE_CHECKING

from embedpipe.errors import InputError
from embedpipe.tasks.files import first_columns, read_lines, read_task, unknown_header
from embedpipe.tasks.pairs import is_pair_header, pair_files, read_pairs
from embedpipe.tasks.shapes import Inference, Paraphrases, SentenceSimilarity

if TYPE_CHECKING:
    from embedpipe.config import SentencesConfig

__all__ = ["labelled_files", "read_labelled_tasks"]

_HEADERS: dict[str, list[tuple[str, ...]]] = {
    "inference": [("label", "text_a", "text_b")],
    "scores": [("score", "text_a", "text_b"), ("score", "text_a", "text_b", "source")],
}
_TAKEN = {
    "pairs": ("pairs", "--pairs", "'text_a text_b', 'text_a text_b negative', 'source target' or 'text text ...'"),
    "inference": ("labelled pairs", "--nli", "'label text_a text_b'"),
    "scores": ("scored pairs", "--scores", "'score text_a text_b'"),
}
"""Of each setting: what is in its files, the option that stands for it, and the headers."""


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
    for pattern in config.pairs:
        for path in pair_files(pattern):
            _check_kind("pairs", path)
    tasks: list[Paraphrases | Inference | SentenceSimilarity] = [read_pairs(pattern) for pattern in config.pairs]
    for name in config.inference:
        _check_kind("inference", Path(name))
        task = read_task(name)
        assert isinstance(task, Inference)
        tasks.append(task)
    for name in config.scores:
        _check_kind("scores", Path(name))
        task = read_task(name)
        assert isinstance(task, SentenceSimilarity)
        if task.scores.min() == task.scores.max():
            raise InputError(f"every row has the score {task.scores[0]:g}; two different ones are needed", name)
        tasks.append(task)
    return tasks


def _check_kind(setting: str, path: Path) -> None:
    """Raise where a file begins with the header of another setting, or, but for pairs, with none of this one.

    Paraphrases may stand in files without a header, of which `read_pairs` knows more.
    """
    columns = first_columns(path)
    kind = _kind_of(columns or ())
    if kind == setting or (kind is None and setting == "pairs"):
        return
    lines = read_lines(path)  # which says what is wrong with a file that is not there or no text
    takes = f"{_option(setting)} takes {_TAKEN[setting][2]}, tab-separated"
    if not lines:
        raise InputError(f"the file is empty; {takes}", path)
    number, header = lines[0]
    if kind is not None:
        raise InputError(f"these are {_TAKEN[kind][0]}: give them to {_option(kind)}; {takes}", path, number)
    raise InputError(unknown_header(header, _HEADERS[setting], takes), path, number)


def _kind_of(columns: tuple[str, ...]) -> str | None:
    if is_pair_header(columns):
        return "pairs"
    return next((setting for setting, headers in _HEADERS.items() if columns in headers), None)


def _option(setting: str) -> str:
    return f"{_TAKEN[setting][1]} (sentences.{setting})"

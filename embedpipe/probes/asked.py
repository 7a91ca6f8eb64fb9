"""The tasks that are asked for by name: built in, in a file, or made of the held-out text."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from embedpipe.probes.linguistic.make import ProbedCorpus, corpus_task
from embedpipe.probes.linguistic.pool import HeldOutSplit
from embedpipe.probes.rows import Row
from embedpipe.probes.subject import BundleLike
from embedpipe.tasks.builtin import CORPUS_TASKS, GEOMETRY, find_task
from embedpipe.tasks.shapes import Task

if TYPE_CHECKING:
    from embedpipe.config import ProbesConfig
    from embedpipe.text.token_store import TokenStore

__all__ = ["HeldOut", "corpus_of", "tasks_of"]


class HeldOut(Protocol):
    """The splits of a prepared text: weights were trained on `train`, `validation` chose the states that are kept."""

    train: "TokenStore"
    test: "TokenStore"
    validation: "TokenStore"
    test_text: Path
    validation_text: Path

    @property
    def report(self) -> Mapping[str, Any]: ...


def tasks_of(config: "ProbesConfig", corpus: ProbedCorpus | None) -> list[Task | Row]:
    """Return the tasks that the configuration names; a row that says why for one that cannot be made of the text.

    ``geometry`` has no questions and is passed over.

    Raises
    ------
    InputError
        For a task that is no built-in name and no task file.
    """
    named = [name for name in config.tasks if name != GEOMETRY]
    return [corpus_task(name, corpus) if name in CORPUS_TASKS else find_task(name) for name in named]


def corpus_of(bundle: BundleLike, text: HeldOut | None, config: "ProbesConfig", seed: int) -> ProbedCorpus | None:
    """Return what tasks are made of a prepared text; None without one."""
    if text is None:
        return None
    whole = text.report["units"] == "documents"
    return ProbedCorpus(
        [HeldOutSplit(text.test, text.test_text), HeldOutSplit(text.validation, text.validation_text)],
        text.train,
        bundle.codec,
        n_sentences=config.sentences_per_task,
        max_documents=config.max_documents,
        sentences_per_document=config.sentences_per_document,
        seed=seed,
        units="documents" if whole else "runs of sentences (the corpus has few documents)",
    )

"""All probes in one call: each task to the probe of its shape."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from embedpipe.errors import NotEnoughDataError
from embedpipe.probes.baselines import Subject
from embedpipe.probes.corpus import HeldOutSplit, documents_task
from embedpipe.probes.findings import Findings
from embedpipe.probes.maps import maps_of
from embedpipe.probes.measure import MeasureSettings, measure
from embedpipe.probes.rows import Row, corrected, headline, skipped
from embedpipe.probes.subject import BundleLike, subject_of
from embedpipe.probes.vocabulary_facts import vocabulary_facts
from embedpipe.runtime import Evaluated, Listener, StageStarted, Step, silent
from embedpipe.tasks.builtin import DOCUMENTS, find_task
from embedpipe.tasks.shapes import Classification, Task

if TYPE_CHECKING:
    from embedpipe.config import ProbesConfig
    from embedpipe.text.token_store import TokenStore

__all__ = ["STAGE", "HeldOut", "probe_bundle", "run_probes"]

STAGE = "probes"


class HeldOut(Protocol):
    """The splits of a prepared text that no weight was trained on; `validation` chose the states that are kept."""

    test: "TokenStore"
    validation: "TokenStore"
    test_text: Path
    validation_text: Path

    @property
    def report(self) -> Mapping[str, Any]: ...


def probe_bundle(
    bundle: BundleLike,
    text: HeldOut | None,
    config: "ProbesConfig",
    *,
    seed: int,
    listener: Listener = silent,
) -> Findings:
    """Return what is found on the tasks that the configuration names.

    Parameters
    ----------
    bundle : an opened bundle, whole or with some of its parts.
    text : the prepared text; None where there is none, and then the task ``documents`` is a skipped row.
    config : tasks by name or path, and their settings.
    seed : of resampling, folds and random baselines.
    listener : is called with progress events.

    Raises
    ------
    InputError
        For a task that is no built-in name and no task file; before anything is measured.
    """
    tasks: list[Task | Row] = []
    for name in config.tasks:
        if name != DOCUMENTS:
            tasks.append(find_task(name))
            continue
        try:
            tasks.append(_documents(bundle, text, config.max_documents, config.sentences_per_document, seed))
        except NotEnoughDataError as error:
            tasks.append(skipped(DOCUMENTS, "accuracy", str(error)))
    settings = MeasureSettings(restrict=config.restrict, bootstrap=config.bootstrap, seed=seed)
    subject = subject_of(bundle, seed)
    rows = run_probes(subject, tasks, settings, listener=listener)
    listener(Step(STAGE, len(tasks), "map"))
    maps = maps_of(subject, lambda n, each: _documents(bundle, text, n, each, seed), config, seed=seed)
    return Findings(rows=rows, vocabulary=vocabulary_facts(bundle.codec.vocabulary), maps=maps)


def run_probes(
    subject: Subject,
    tasks: Sequence[Task | Row],
    settings: MeasureSettings,
    *,
    listener: Listener = silent,
) -> list[Row]:
    """Return what is measured on each task, one row for each metric and baseline, p-values corrected over the tasks.

    Parameters
    ----------
    subject : what is probed; a task whose part is missing gives one row that says so.
    tasks : labelled data; a `Row` among them (a task that could not be made) is passed on.
    settings : how they are measured.
    listener : is called with one step for each task and one evaluation for each headline figure.
    """
    rows: list[Row] = []
    listener(StageStarted(STAGE, len(tasks), "task"))
    for done, task in enumerate(tasks):
        name = task.task if isinstance(task, Row) else task.name
        listener(Step(STAGE, done, name))
        found = [task] if isinstance(task, Row) else measure(subject, task, settings)
        rows += found
        for figure, value in headline(found).items():
            listener(Evaluated(STAGE, figure, value, done + 1))
    listener(Step(STAGE, len(tasks)))
    return corrected(rows)


def _documents(
    bundle: BundleLike, text: HeldOut | None, max_documents: int, sentences_per_document: int, seed: int
) -> Classification:
    if text is None:
        raise NotEnoughDataError("the prepared text is not at hand")
    whole = text.report["units"] == "documents"
    return documents_task(
        [HeldOutSplit(text.test, text.test_text), HeldOutSplit(text.validation, text.validation_text)],
        bundle.codec.tokenizer,
        units="documents" if whole else "runs of sentences (the corpus has few documents)",
        max_documents=max_documents,
        sentences_per_document=sentences_per_document,
        seed=seed,
    )

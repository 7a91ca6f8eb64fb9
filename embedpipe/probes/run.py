"""All probes in one call: figures, learning curves, bias, geometry, leaks and maps."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from embedpipe.errors import NotEnoughDataError
from embedpipe.probes.asked import HeldOut, corpus_of, tasks_of
from embedpipe.probes.baselines import Subject
from embedpipe.probes.findings import Findings, LearningCurve
from embedpipe.probes.leaks.labelled_texts import LabelledTexts
from embedpipe.probes.leaks.leakage import TaskLeakage, find_leakage
from embedpipe.probes.leaks.training_text import TrainingText
from embedpipe.probes.linguistic.documents import documents_task
from embedpipe.probes.linguistic.make import ProbedCorpus
from embedpipe.probes.maps import maps_of
from embedpipe.probes.measure import MeasureSettings, measure
from embedpipe.probes.rivals import with_rivals
from embedpipe.probes.rows import Row, corrected, headline
from embedpipe.probes.spaces.association import associations
from embedpipe.probes.spaces.spaces import bundle_geometry
from embedpipe.probes.subject import BundleLike, subject_of
from embedpipe.probes.texts.learning_curves import learning_curves
from embedpipe.probes.vocabulary_facts import vocabulary_facts
from embedpipe.runtime import Evaluated, Listener, StageStarted, Step, silent
from embedpipe.tasks.associations import Associations
from embedpipe.tasks.builtin import DOCUMENTS, GEOMETRY
from embedpipe.tasks.shapes import Classification, Task

if TYPE_CHECKING:
    from embedpipe.config import ProbesConfig

__all__ = ["STAGE", "HeldOut", "measure_settings", "probe_bundle", "run_curves", "run_probes"]

STAGE = "probes"


def probe_bundle(
    bundle: BundleLike,
    text: HeldOut | None,
    config: "ProbesConfig",
    *,
    seed: int,
    training: TrainingText | None = None,
    labelled: LabelledTexts | None = None,
    against: Mapping[str, object] | None = None,
    listener: Listener = silent,
) -> Findings:
    """Return what is found on the tasks that the configuration names.

    Parameters
    ----------
    bundle : an opened bundle, whole or with some of its parts.
    text : the prepared text; None where there is none, and then the tasks of a corpus are skipped rows.
    config : tasks by name or path, and their settings.
    seed : of resampling, folds and random baselines.
    training : the text that the bundle was trained on, in which the questions of tasks are looked for; where it is not
        at hand, they are looked for in the training parts of the tasks alone.
    labelled : the labelled data that its encoder learnt from, in which they are looked for too; None for none.
    against : systems that stand beside the bundle, by name, as `rivals.with_rivals` takes them.
    listener : is called with progress events.

    Raises
    ------
    InputError
        For a task that is no built-in name and no task file, or a rival that cannot be used; before anything is
        measured, but for what a rival returns, which is checked as it comes.
    """
    corpus = corpus_of(bundle, text, config, seed)
    asked = tasks_of(config, corpus)
    subject = with_rivals(subject_of(bundle, seed), against or {}, asked)
    tests = [task for task in asked if isinstance(task, Associations) and subject.words is not None]
    tasks = [task for task in asked if task not in tests]
    leakage = find_leakage(tasks, training, labelled, threshold=config.leak_similarity) if config.leakage else []
    settings = measure_settings(config, seed)
    rows = run_probes(subject, tasks, settings, leakage=leakage, listener=listener)
    listener(Step(STAGE, len(tasks), "curves, bias, geometry, maps"))
    found = [one for test in tests for one in associations(test, subject, repeats=config.bootstrap, seed=seed)]
    geometry, missing = bundle_geometry(bundle, subject, text, seed=seed) if GEOMETRY in config.tasks else ({}, [])
    own = [task for task in tasks if isinstance(task, Classification) and task.name == DOCUMENTS]
    return Findings(
        rows=[*rows, *missing],
        curves=run_curves(subject, own, seed=seed) if config.curves else (),
        associations=found,
        geometry=geometry,
        leaks=[leak for one in leakage for leak in one.leaks],
        vocabulary=vocabulary_facts(bundle.codec.vocabulary),
        maps=maps_of(subject, lambda n, each: _documents(corpus, n, each), config, seed=seed),
    )


def measure_settings(config: "ProbesConfig", seed: int) -> MeasureSettings:
    """Return how tasks are measured, as the configuration of a run says."""
    return MeasureSettings(
        restrict=config.restrict, bootstrap=config.bootstrap, seed=seed, folds=config.folds, seeds=config.seeds
    )


def run_probes(
    subject: Subject,
    tasks: Sequence[Task | Row],
    settings: MeasureSettings,
    *,
    leakage: Sequence[TaskLeakage] = (),
    listener: Listener = silent,
) -> list[Row]:
    """Return what is measured on each task, one row for each metric and baseline, p-values corrected over the tasks.

    Parameters
    ----------
    subject : what is probed; a task whose part is missing gives one row that says so.
    tasks : labelled data; a `Row` among them (a task that could not be made) is passed on.
    settings : how they are measured; of many tasks there are more resamples (`MeasureSettings.of_tasks`).
    leakage : what leaked of each task, as `find_leakage` returns it; where something did, there are rows without it.
        Empty where it was not looked for.
    listener : is called with one step for each task and one evaluation for each headline figure.
    """
    rows: list[Row] = []
    settings = settings.of_tasks(sum(not isinstance(task, Row) for task in tasks))
    listener(StageStarted(STAGE, len(tasks), "task"))
    for done, task in enumerate(tasks):
        name = task.task if isinstance(task, Row) else task.name
        listener(Step(STAGE, done, name))
        leaked = leakage[done] if leakage else TaskLeakage()
        found = [task] if isinstance(task, Row) else measure(subject, task, settings, leaked.parts)
        found += leaked.rows_of_nothing(found)
        rows += found
        for figure, value in headline(found).items():
            listener(Evaluated(STAGE, figure, value, done + 1))
    listener(Step(STAGE, len(tasks)))
    return corrected(rows)


def run_curves(
    subject: Subject, tasks: Sequence[Task | Row], *, seed: int, listener: Listener = silent
) -> list[LearningCurve]:
    """Return the accuracy by number of labels on those of the tasks that are texts with labels.

    Parameters
    ----------
    subject : what is probed.
    tasks : any tasks; of what has no labelled texts there are no curves.
    seed : of folds and draws.
    listener : is called with one step for each task.
    """
    labelled = [task for task in tasks if isinstance(task, Classification)]
    curves: list[LearningCurve] = []
    listener(StageStarted(STAGE, len(labelled), "task"))
    for done, task in enumerate(labelled):
        listener(Step(STAGE, done, task.name))
        curves += learning_curves(task, subject, seed=seed)
    listener(Step(STAGE, len(labelled)))
    return curves


def _documents(corpus: ProbedCorpus | None, max_documents: int, sentences_per_document: int) -> Classification:
    if corpus is None:
        raise NotEnoughDataError("the prepared text is not at hand")
    return documents_task(
        corpus.held_out,
        corpus.codec.tokenizer,
        units=corpus.units,
        max_documents=max_documents,
        sentences_per_document=sentences_per_document,
        seed=corpus.seed,
    )

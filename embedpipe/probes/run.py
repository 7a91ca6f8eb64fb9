"""All probes in one call: figures, learning curves, bias, geometry, leaks and maps."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from embedpipe.errors import NotEnoughDataError
from embedpipe.probes.asked import HeldOut, corpus_of, tasks_of
from embedpipe.probes.baselines import Subject
from embedpipe.probes.findings import Association, Findings, LearningCurve
from embedpipe.probes.leaks.labelled_texts import LabelledTexts
from embedpipe.probes.leaks.leakage import TaskLeakage, find_leakage
from embedpipe.probes.leaks.training_text import TrainingText
from embedpipe.probes.linguistic.documents import documents_task
from embedpipe.probes.linguistic.make import ProbedCorpus
from embedpipe.probes.maps import maps_of
from embedpipe.probes.measure import MeasureSettings, measure, unknown_texts
from embedpipe.probes.projection import PointMap
from embedpipe.probes.rivals import with_rivals
from embedpipe.probes.rows import Row, corrected, headline
from embedpipe.probes.spaces.association import associations
from embedpipe.probes.spaces.spaces import bundle_geometry
from embedpipe.probes.subject import BundleLike, subject_of
from embedpipe.probes.texts.learning_curves import learning_curves
from embedpipe.probes.vocabulary_facts import vocabulary_facts
from embedpipe.runtime import Evaluated, Listener, StageStarted, Step, Warned, silent
from embedpipe.tasks.associations import Associations
from embedpipe.tasks.builtin import DOCUMENTS, GEOMETRY
from embedpipe.tasks.shapes import Classification, Task, WordTask

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
    given: Sequence[Task] = (),
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
    given : tasks as objects, beside those that the configuration names.
    listener : is called with one step for the making of the tasks, the search for leaks, each task, and each other part
        that the configuration asks for, before it begins; and with one evaluation for each headline figure.

    Raises
    ------
    InputError
        For a task that is no built-in name and no task file, or a rival that cannot be used; before anything is
        measured, but for what a rival returns, which is checked as it comes.
    """
    parts = [config.leakage, config.curves, GEOMETRY in config.tasks, config.map_words or config.map_sentences]
    n_tasks = sum(name != GEOMETRY for name in config.tasks)
    steps = _Steps(listener, 1 + n_tasks + sum(map(bool, parts)), "step")
    steps.begin("making tasks")
    corpus = corpus_of(bundle, text, config, seed)
    asked = [*tasks_of(config, corpus), *given]
    subject = with_rivals(subject_of(bundle, seed), against or {}, asked)
    tests = [task for task in asked if isinstance(task, Associations) and subject.words is not None]
    tasks = [task for task in asked if task not in tests]
    leakage: list[TaskLeakage] = []
    if config.leakage:
        steps.begin("looking for leaks")
        leakage = find_leakage(tasks, training, labelled, threshold=config.leak_similarity, seed=seed)
    rows = _measured(subject, tasks, measure_settings(config, seed), leakage, steps)
    found: list[Association] = []
    for test in tests:
        steps.begin(f"bias: {test.name}")
        found += associations(test, subject, repeats=config.bootstrap, seed=seed)
    curves: list[LearningCurve] = []
    if config.curves:
        steps.begin("learning curves")
        own = [task for task in tasks if isinstance(task, Classification) and task.name == DOCUMENTS]
        curves = [curve for task in own for curve in learning_curves(task, subject, seed=seed)]
    geometry: dict[str, dict[str, float]] = {}
    if GEOMETRY in config.tasks:
        steps.begin("geometry")
        geometry, missing = bundle_geometry(bundle, subject, text, seed=seed)
        rows += missing
    maps: list[PointMap] = []
    if config.map_words or config.map_sentences:
        steps.begin("maps")
        maps = maps_of(subject, lambda n, each: _documents(corpus, n, each), config, seed=seed)
    steps.end()
    return Findings(
        rows=rows,
        curves=curves,
        associations=found,
        geometry=geometry,
        leaks=[leak for one in leakage for leak in one.leaks],
        vocabulary=vocabulary_facts(bundle.codec.vocabulary),
        maps=maps,
    )


def measure_settings(config: "ProbesConfig", seed: int) -> MeasureSettings:
    """Return how tasks are measured, as the configuration of a run says."""
    return MeasureSettings(
        restrict=config.restrict,
        bootstrap=config.bootstrap,
        seed=seed,
        folds=config.folds,
        seeds=config.seeds,
        chosen_on=config.chosen_on,
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
    steps = _Steps(listener, len(tasks), "task")
    rows = _measured(subject, tasks, settings, leakage, steps)
    steps.end()
    return rows


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
    steps = _Steps(listener, len(labelled), "task")
    for task in labelled:
        steps.begin(task.name)
        curves += learning_curves(task, subject, seed=seed)
    steps.end()
    return curves


class _Steps:
    """Tells the listener which step begins, of how many."""

    def __init__(self, listener: Listener, total: int, unit: str) -> None:
        self.listener, self.total, self.begun = listener, total, 0
        listener(StageStarted(STAGE, total, unit))

    def begin(self, note: str) -> None:
        self.listener(Step(STAGE, self.begun, note))
        self.begun += 1

    def end(self) -> None:
        self.listener(Step(STAGE, self.total))


def _measured(
    subject: Subject,
    tasks: Sequence[Task | Row],
    settings: MeasureSettings,
    leakage: Sequence[TaskLeakage],
    steps: _Steps,
) -> list[Row]:
    rows: list[Row] = []
    settings = settings.of_tasks(sum(not isinstance(task, Row) for task in tasks))
    for i, task in enumerate(tasks):
        steps.begin(task.task if isinstance(task, Row) else task.name)
        leaked = leakage[i] if leakage else TaskLeakage()
        found = [task] if isinstance(task, Row) else _measured_task(subject, task, settings, leaked, steps.listener)
        rows += found
        for figure, value in headline(found).items():
            steps.listener(Evaluated(STAGE, figure, value, steps.begun))
    return corrected(rows)


def _measured_task(
    subject: Subject, task: Task, settings: MeasureSettings, leakage: TaskLeakage, listener: Listener
) -> list[Row]:
    found = measure(subject, task, settings, leakage.parts, leakage.trained_parts)
    if not isinstance(task, WordTask | Associations) and (said := unknown_texts(found)):
        listener(Warned(STAGE, f"{task.name}: {said}"))
    return leakage.completed(found)


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

"""All tasks of a suite, in parallel over the cores, each measured once: what is known already is not measured again."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Protocol

from embedpipe.errors import InputError
from embedpipe.pipeline.suite_pool import measured
from embedpipe.pipeline.suite_worker import Request
from embedpipe.probes.cache import ProbeCache, cache_key
from embedpipe.probes.comparison import Parts
from embedpipe.probes.findings import Findings, Leak
from embedpipe.probes.measure import MeasureSettings
from embedpipe.probes.rivals import rival_fingerprint
from embedpipe.probes.rows import Row, corrected, headline, skipped
from embedpipe.probes.run import STAGE
from embedpipe.runtime import Evaluated, Listener, StageFinished, StageStarted, Step, Warned, n_cores, silent
from embedpipe.tasks.shapes import Task
from embedpipe.tasks.suite import Suite, SuiteTask, read_suite_task

if TYPE_CHECKING:
    from embedpipe.loading import Bundle

__all__ = ["Guard", "Leakage", "SuiteOutcome", "probe_suite"]


class Leakage(Protocol):
    """What leaked of one task, and the parts of it that get rows of their own for that."""

    @property
    def leaks(self) -> Sequence[Leak]: ...

    @property
    def parts(self) -> Parts: ...

    @property
    def trained_parts(self) -> Parts:
        """The parts for figures of something that was trained on a part of the task."""

    def completed(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows with what there is to say of those parts, also where nothing is left in them."""


class Guard(Protocol):
    """Looks for the questions of tasks in what was trained on, for all of them in one go."""

    @property
    def fingerprint(self) -> str:
        """Of all that decides what is found, but the tasks."""

    def find(self, tasks: Sequence[Task]) -> Sequence[Leakage]: ...


@dataclass(frozen=True, slots=True)
class SuiteOutcome:
    """What was measured of a suite.

    Parameters
    ----------
    findings : of all tasks, in the order of the suite; p-values are corrected over them.
    seconds : how long each task took that was measured now, by name.
    n_cached : tasks that were not measured again.
    failed : why a task could not be measured, by name; its row says the same.
    """

    findings: Findings
    seconds: dict[str, float]
    n_cached: int
    failed: dict[str, str]


def probe_suite(
    bundle: "Bundle",
    suite: Suite,
    settings: MeasureSettings,
    *,
    workers: int = 0,
    cache: ProbeCache | None = None,
    min_coverage: float = 0.3,
    guard: Guard | None = None,
    against: Sequence[str] = (),
    listener: Listener = silent,
) -> SuiteOutcome:
    """Return what is measured on each task of a suite.

    The tasks are shared among worker processes, the longest first; each is kept in the cache as soon as it is
    finished, so that a call which was interrupted goes on from there. A task that fails is a row that says why.

    Parameters
    ----------
    bundle : a saved bundle; each worker opens it, and its tables are memory-mapped.
    suite : as `tasks.suite.read_suite` returns it; what is broken of it failed.
    settings : how the tasks are measured; of many there are more resamples (`MeasureSettings.of_tasks`).
    workers : processes; 0 is one for each core, 1 is this one.
    cache : what was measured before; None measures everything and keeps nothing.
    min_coverage : texts of which a smaller share of the tokens is in the vocabulary are not measured.
    guard : looks for what leaked of the tasks that are measured now; None looks for nothing.
    against : systems that stand beside the bundle, as `probes.rivals.read_rival` takes them; a function among them may
        give something else the next time, so nothing is taken from the cache then.
    listener : is called with progress in percent of the work, and one evaluation for each headline figure.
    """
    started = time.monotonic()
    settings = settings.of_tasks(len(suite.tasks))
    prints = [rival_fingerprint(spec) for spec in against]
    rivals = [one for one in prints if one is not None]
    cache = cache if len(rivals) == len(prints) else None
    depends = {"min_coverage": str(min_coverage), "guard": guard.fingerprint if guard is not None else ""}
    keys = {
        task.name: cache_key(bundle.manifest, {"name": task.name, "content": task.content, **depends}, settings, rivals)
        for task in suite.tasks
    }
    found = _known(cache, keys)
    n_cached = len(found)
    to_do = sorted((task for task in suite.tasks if task.name not in found), key=lambda task: -task.cost)
    listener(StageStarted(STAGE, 100, "%"))
    listener(Step(STAGE, 0, f"{n_cached} of {len(suite.tasks)} tasks known"))
    leakage, failed = _leakage(to_do, guard)
    failed |= suite.broken
    for name, reason in failed.items():
        found[name] = _failure(name, reason, listener)
    requests = [_request(task, leakage.get(task.name)) for task in to_do if task.name not in failed]
    job = {
        "bundle": str(bundle.path.resolve()),
        "settings": asdict(settings),
        "min_coverage": min_coverage,
        "against": list(against),
    }
    seconds: dict[str, float] = {}
    total, done = sum(request.task.cost for request in requests) or 1.0, 0.0
    with measured(requests, job, min(workers or n_cores(), len(requests))) as results:
        for result in results:
            task = result.request.task
            name = task.name
            if "error" in result.reply:
                failed[name] = result.reply["error"]
                found[name] = _failure(name, failed[name], listener)
            else:
                found[name] = _with_leaks(Findings.from_dict(result.reply["findings"]), leakage.get(name))
                cache = _keep(cache, keys[name], found[name], listener)
            seconds[name] = result.seconds
            done += task.cost
            listener(
                Step(STAGE, min(100, int(100 * done / total)), f"{len(found)} of {len(suite.tasks)} tasks, {name}")
            )
            for figure, value in headline(found[name].rows).items():
                listener(Evaluated(STAGE, figure, value, len(found)))
    kept = f", {n_cached} of them from the cache" if n_cached else ""
    names = [*(task.name for task in suite.tasks), *suite.broken]
    summary = f"{len(names)} tasks{kept}" + (f", {len(failed)} failed" if failed else "")
    listener(StageFinished(STAGE, summary, time.monotonic() - started))
    return SuiteOutcome(_together([found[name] for name in names]), seconds, n_cached, failed)


def _known(cache: ProbeCache | None, keys: Mapping[str, str]) -> dict[str, Findings]:
    known = {name: cache.get(key) for name, key in keys.items()} if cache is not None else {}
    return {name: findings for name, findings in known.items() if findings is not None}


def _leakage(tasks: Sequence[SuiteTask], guard: Guard | None) -> tuple[dict[str, Leakage], dict[str, str]]:
    """Return what leaked of each task by name, and why one could not be read."""
    if guard is None:
        return {}, {}
    read: dict[str, Task] = {}
    failed = {}
    for task in tasks:
        try:
            read[task.name] = read_suite_task(task)
        except InputError as error:
            failed[task.name] = str(error)
    return dict(zip(read, guard.find(list(read.values())), strict=True)), failed


def _request(task: SuiteTask, leakage: Leakage | None) -> Request:
    return Request(task) if leakage is None else Request(task, leakage.parts, leakage.trained_parts)


def _with_leaks(findings: Findings, leakage: Leakage | None) -> Findings:
    if leakage is None:
        return findings
    return replace(findings, rows=leakage.completed(findings.rows), leaks=tuple(leakage.leaks))


def _failure(name: str, reason: str, listener: Listener) -> Findings:
    listener(Warned(STAGE, f"{name}: {reason}"))
    return Findings(rows=[skipped(name, "score", f"it failed: {reason}")])


def _keep(cache: ProbeCache | None, key: str, findings: Findings, listener: Listener) -> ProbeCache | None:
    """Keep findings, and return the cache; None, after a warning, where it cannot be written."""
    if cache is None:
        return None
    try:
        cache.put(key, findings)
    except OSError as error:
        listener(Warned(STAGE, f"{cache.folder}: nothing is kept for another time: {error.strerror or error}"))
        return None
    return cache


def _together(findings: Sequence[Findings]) -> Findings:
    return Findings(
        rows=corrected([row for one in findings for row in one.rows]),
        curves=[curve for one in findings for curve in one.curves],
        leaks=[leak for one in findings for leak in one.leaks],
    )

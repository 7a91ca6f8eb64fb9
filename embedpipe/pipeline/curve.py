"""What more text would buy: the same job on growing parts of a corpus, and the power law that its figures follow."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedpipe.config import PresetName
from embedpipe.errors import ConfigError, OutputError
from embedpipe.loading import Bundle, text_beside
from embedpipe.pipeline.curve_fit import MIN_SIZES
from embedpipe.pipeline.curve_tasks import CurveTask, covered, fitted
from embedpipe.pipeline.run import run
from embedpipe.plain import plain
from embedpipe.presets import preset_for
from embedpipe.probes.asked import corpus_of, tasks_of
from embedpipe.probes.growth import ask_all
from embedpipe.probes.subject import subject_of
from embedpipe.runtime import DeviceName, Listener, StageStarted, Step, silent
from embedpipe.settings import overlay
from embedpipe.tasks.shapes import Task

__all__ = ["CURVE_TASKS", "Curve", "CurvePoint", "curve"]

CURVE_TASKS = ("wordsim353", "simlex999", "analogies", "lee", "documents")
_STAGE = "curve"
_FILE = "curve.json"


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One size: `share` of the training documents, its tokens, the preset it was given, and the seconds of its run."""

    share: float
    n_tokens: int
    preset: str
    seconds: float


@dataclass(frozen=True)
class Curve:
    """Sizes, the figures at each, and what more text would buy."""

    points: Sequence[CurvePoint]
    tasks: Sequence[CurveTask]
    seeds: int

    @property
    def advice(self) -> list[str]:
        """What to do, one sentence a line."""
        n = self.points[-1].n_tokens
        lines = [_said(task) for task in self.tasks if task.forecasts]
        if self.seeds == 1:
            lines.append(
                "one seed: the chance of the training shows only in what each law leaves unexplained (--seeds)"
            )
        lines.append(
            f"preset for {n:,} training tokens: {preset_for(n)}; for twice as many {preset_for(2 * n)}, for eight "
            f"times {preset_for(8 * n)}"
        )
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Return the curve for JSON: what is not a finite number is None."""
        content: dict[str, Any] = plain(
            {"points": [asdict(point) for point in self.points], "tasks": [asdict(task) for task in self.tasks]}
        )
        return {**content, "seeds": self.seeds, "advice": self.advice}


def curve(
    sources: Sequence[str],
    output: str | Path,
    *,
    sizes: int = MIN_SIZES,
    seeds: int = 1,
    tasks: Sequence[str] = CURVE_TASKS,
    stages: Sequence[str] = ("words",),
    preset: PresetName | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 1,
    device: DeviceName = "auto",
    download: bool = False,
    listener: Listener = silent,
) -> Curve:
    """Run the main job on 1/8, 1/4, 1/2 and all of a corpus, and say what more text would buy.

    Every size is a run of its own with its own vocabulary, on a part of the training documents that contains the
    smaller ones; what is held out is the same. The figures are compared on the questions that all sizes can answer.
    The interval of the law holds three kinds of chance: of the questions (bootstrap), of the training (between seeds)
    and of the law itself (what it leaves unexplained).

    Parameters
    ----------
    sources : as `run` takes them.
    output : folder with ``curve.json`` and one bundle for each size and seed, from which a later call goes on.
    sizes : how many sizes, each half of the next; four at least.
    seeds : trainings of each size.
    tasks : by name or path.
    stages : what is trained: ``words``, and ``sentences`` where the encoder is to be measured and not the SIF average.
    preset, settings, device, download : as for `run`; by default each size is given the preset for its own size.
    seed : of the first training; the others follow it.
    listener : is called with progress events.

    Raises
    ------
    ConfigError
        For fewer than four sizes, or settings that choose the share of the text themselves.
    InputError, NotEnoughDataError
        For sources that cannot be read, or of which the smallest share is too small to train on.
    OutputError
        If `output` holds something else.

    Examples
    --------
    >>> from embedpipe.pipeline.curve import curve
    >>> found = curve(["builtin:wikipedia"], "wiki.curve")  # doctest: +SKIP
    """
    if sizes < MIN_SIZES:
        raise ConfigError(f"a curve through {sizes} sizes says nothing: {MIN_SIZES} are needed (--sizes)")
    over = dict(settings or {})
    if "share" in over.get("text", {}):
        raise ConfigError("text.share is what a curve varies: leave it out of the settings")
    folder = _folder(Path(output))
    shares = [0.5**step for step in reversed(range(sizes))]
    listener(StageStarted(_STAGE, sizes * seeds, "run"))
    bundles: list[list[Bundle]] = []
    for k in range(seeds):
        bundles.append([])
        for i, share in enumerate(shares):
            listener(
                Step(_STAGE, k * sizes + i, f"{_fraction(share)} of the text" + (f", seed {seed + k}" if k else ""))
            )
            name = f"{_fraction(share).replace('/', '-of-')}-seed-{seed + k}.bundle"
            made = run(
                sources,
                folder / name,
                preset=preset,
                settings=overlay(over, {"text": {"share": share}}),
                stages=[stage for stage in stages if stage != "probes"],
                seed=seed + k,
                device=device,
                download=download,
                listener=listener,
            )
            bundles[-1].append(made)
    listener(Step(_STAGE, sizes * seeds, "probing"))
    found = Curve(_points(shares, bundles), _measured(bundles, tasks, seed), seeds)
    _write(folder, found)
    return found


def _folder(path: Path) -> Path:
    if path.exists() and (not path.is_dir() or (any(path.iterdir()) and not any(path.glob("1-of-*.bundle*")))):
        raise OutputError(f"{path}: exists and is not the folder of a curve; choose another -o")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: no folder can be made here ({error.strerror}); choose another -o") from error
    return path


def _points(shares: Sequence[float], bundles: Sequence[Sequence[Bundle]]) -> list[CurvePoint]:
    points = []
    for share, first in zip(shares, bundles[0], strict=True):
        manifest = first.manifest
        seconds = sum(record.seconds for record in manifest.stages.values())
        points.append(CurvePoint(share, int(manifest.corpus["train"]["tokens"]), manifest.preset, round(seconds, 1)))
    return points


def _measured(bundles: Sequence[Sequence[Bundle]], tasks: Sequence[str], seed: int) -> list[CurveTask]:
    from embedpipe.bundle.recorded import recorded_config

    smallest = bundles[0][0]
    config = recorded_config(smallest.path / "config.toml").probes
    sizes = [int(bundle.manifest.corpus["train"]["tokens"]) for bundle in bundles[0]]
    # Sentences of held-out documents are chosen by what the smallest vocabulary knows, the same ones for all.
    corpus = corpus_of(smallest, text_beside(smallest), config, seed)
    measured = []
    for task in tasks_of(config.model_copy(update={"tasks": tuple(tasks)}), corpus):
        if not isinstance(task, Task):
            measured.append(CurveTask(task.task, task.metric, 0, (), (), note=task.note))
            continue
        common = [
            ask_all(
                [subject_of(bundle, seed) for bundle in of_seed],
                task,
                restrict=config.restrict,
                bootstrap=config.bootstrap,
                seed=seed,
            )
            for of_seed in bundles
        ]
        measured.append(fitted(common, sizes, seed))
        if math.isfinite(common[0].coverage[0]):
            measured.append(covered(common, sizes))
    return measured


def _said(task: CurveTask) -> str:
    """Return what more text buys, from what the law says of all of the text: the same base as in the table."""
    twice, eight = task.forecasts
    name = f"{task.task} {task.metric} {task.values[-1]:.3f}"
    if not task.grows:
        return f"{name}: does not grow over these sizes, so that nothing can be said of more text"
    name += f" ({task.by_law:.3f} by the law)"
    if task.metric == "coverage":
        return f"{name}: twice the text {twice.gain:+.3f}, eight times {eight.gain:+.3f}"
    gains = f"twice the text {twice.gain:+.3f} [{twice.gain_low:+.3f}, {twice.gain_high:+.3f}]"
    if not eight.measurable:
        return f"{name}: more text buys nothing that can be measured here ({gains})"
    return f"{name}: {gains}, eight times {eight.gain:+.3f} [{eight.gain_low:+.3f}, {eight.gain_high:+.3f}]"


def _fraction(share: float) -> str:
    return f"1/{round(1 / share)}"


def _write(folder: Path, found: Curve) -> None:
    partial = folder / f".{_FILE}.partial"
    partial.write_text(
        json.dumps(found.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    partial.replace(folder / _FILE)

"""Settings of the words found by trying: on a budget, on development data, kept after every trial."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedpipe.bundle.folder import sha256_of
from embedpipe.config import PipelineConfig, PresetName
from embedpipe.errors import ConfigError, OutputError
from embedpipe.pipeline.plan import fingerprint, fingerprints, read_options
from embedpipe.pipeline.run import make_stage
from embedpipe.pipeline.stages import Job
from embedpipe.pipeline.tune_result import TriedList, TriedSettings, Tuned, trials_file, write_tuned
from embedpipe.pipeline.tune_space import SPACE, Value, own_value, search_space, step_lists
from embedpipe.pipeline.tune_study import Study, check_optuna
from embedpipe.pipeline.work import WorkFolder
from embedpipe.presets import SIZES, preset_for, take_preset
from embedpipe.probes.development import DEVELOPMENT_TASKS, Development, development, find_word_tasks
from embedpipe.runtime import Listener, StageFinished, StageSkipped, Stopped, check_alone, n_cores, silent
from embedpipe.tasks.builtin import task_files
from embedpipe.text.prepared import PreparedText
from embedpipe.text.readers import expand_sources, fingerprint_source
from embedpipe.words.build import trainings
from embedpipe.words.ngram_fit import shared_ngrams
from embedpipe.words.steps import asks_for_ngrams, post_process
from embedpipe.words.train import train_words

__all__ = ["tune"]

_STAGE = "tune"
_VERSION = 1
"""Raised whenever trials of an older version cannot stand beside new ones."""


@dataclass(frozen=True)
class _Search:
    """What every trial of a search shares."""

    text: PreparedText
    preset: str
    over: Mapping[str, Any]
    given: Mapping[str, Any]
    space: Mapping[str, tuple[Value, ...]]
    listener: Listener

    def config(self, words: Mapping[str, Any]) -> PipelineConfig:
        """Return the configuration with these settings of the words in it."""
        return PipelineConfig.of(self.preset, {**self.over, "words": {**self.given, **words}})


def tune(
    sources: Sequence[str],
    output: str | Path,
    *,
    preset: PresetName | None = None,
    settings: Mapping[str, Any] | None = None,
    tasks: Sequence[str] = DEVELOPMENT_TASKS,
    subwords: bool = False,
    seed: int | None = None,
    budget: float = 600.0,
    trials: int | None = None,
    space: Mapping[str, Sequence[Value]] = SPACE,
    download: bool = False,
    listener: Listener = silent,
) -> Tuned:
    """Search the settings of the words with the highest figure on development data, and write them as TOML.

    The first trial is the preset as it is. Each trial trains once and tries several lists of steps on its vectors. The
    next settings are chosen by a tree of Parzen estimators (Bergstra et al., 2011, "Algorithms for Hyper-Parameter
    Optimization"). The figure is the mean of the tasks and of a probe without labels on the validation split
    (`probes.development`); the test split is not read. The settings name the tasks (``probes.chosen_on``), so that
    what a run measures on them says that it is no proof.

    Parameters
    ----------
    sources : as `run` takes them.
    output : the TOML file; beside it stand ``NAME.trials.json`` and ``OUTPUT.work``, from which a later call with the
        same arguments goes on. Both files are written after every trial.
    preset : where to start from; ``auto`` chooses by the number of training tokens.
    settings : laid over the preset. Those of the words are kept as they are; all others of `space` are searched.
    tasks : word pairs and analogies, by name or path.
    subwords : try training with n-grams too.
    seed : of every draw; overrides `settings`.
    budget : seconds after which no trial begins; the text is prepared in this time too. One trial is always made.
    trials : most trials, those of earlier calls counted.
    space : values to try, by setting.
    download : allow sources to be fetched from the network.
    listener : is called with progress events.

    Returns
    -------
    Tuned
        After Ctrl-C too, where a trial is finished.

    Raises
    ------
    MissingExtraError
        Without Optuna.
    ConfigError
        For an unknown or wrong setting, one that trains from other vectors, or a task that is neither word pairs nor
        analogies, and in several processes.
    InputError, NotEnoughDataError
        For sources or tasks that cannot be read or are too small.
    OutputError
        If `output` was not made by the same search, cannot be written, or another call is writing it.

    Examples
    --------
    >>> from embedpipe.pipeline.tune import tune
    >>> found = tune(["builtin:wikipedia"], "best.toml", budget=120)  # doctest: +SKIP
    """
    check_alone("a search for settings is made")
    end = time.monotonic() + budget
    check_optuna()
    if isinstance(sources, str):
        raise TypeError("sources is a list of sources: wrap the string in a list")
    target = _checked(output)
    over = {**(settings or {}), **({} if seed is None else {"seed": seed})}
    chosen = take_preset(over, preset)
    config = PipelineConfig.of("tiny" if chosen == "auto" else chosen, over)
    _check_from_scratch(config)
    word_tasks = find_word_tasks(tasks)
    work = WorkFolder(target, ["text"])
    options = read_options(config, work, download=download)
    expand_sources(sources, options)
    with work.locked():
        prints = fingerprints(config, ["text"], [fingerprint_source(source, options) for source in sources])
        possible = [PipelineConfig.of(one, over) for one in (SIZES if chosen == "auto" else [chosen])]
        bases = [one.model_dump(mode="json") for one in possible]
        files = {name: sha256_of(Path(name)) for name in task_files(tasks)}
        searched = {setting: list(tried) for setting, tried in space.items()}
        name = fingerprint(_STAGE, _VERSION, prints, bases, searched, subwords, list(tasks), files)
        _check_same(target, name)
        job = Job(list(sources), config, work, "cpu", download, listener)
        record = work.record("text")
        if record is not None and record.fingerprint == prints["text"]:
            listener(StageSkipped("text", record.summary))
        else:
            record = make_stage(job, "text", prints["text"])
        if chosen == "auto":
            chosen = preset_for(int(record.result["train"]["tokens"]))
        given = dict(over.get("words", {}))
        base = PipelineConfig.of(chosen, over)
        values = search_space(base.words, given, subwords=subwords, space=space)
        search = _Search(job.text, chosen, over, given, values, listener)
        for setting, tried in values.items():
            for value in tried:
                search.config({setting: value})
        measured = development(
            job.text, word_tasks, restrict=base.probes.restrict, sif_a=base.words.sif_a, seed=base.seed
        )
        study = Study(
            work.path / "trials.journal",
            name,
            {setting: len(tried) for setting, tried in values.items()},
            {setting: tried.index(own_value(base.words, setting)) for setting, tried in values.items()},
            seed=base.seed,
        )
        interrupted = _try(study, search, measured, target, name, end, trials)
        return _tuned(study, search, measured, interrupted=interrupted)


def _checked(output: str | Path) -> Path:
    if not os.fspath(output):
        raise OutputError("the name of the output is empty; name a file to write, such as best.toml")
    target = Path(output).resolve()
    if target.suffix.lower() != ".toml":
        raise OutputError(f"{target}: the settings are written as TOML: name a file that ends in .toml")
    if target.is_dir():
        raise OutputError(f"{target}: is a folder; name a file to write")
    if target.exists() and not trials_file(target).is_file():
        raise OutputError(f"{target}: exists and was not written by a search, so it is kept; choose another -o")
    return target


def _check_same(target: Path, name: str) -> None:
    if not target.exists():
        return
    try:
        same = json.loads(trials_file(target).read_text(encoding="utf-8")).get("search") == name
    except (OSError, ValueError, AttributeError):
        same = False
    if not same:
        raise OutputError(
            f"{target}: was found on other text, tasks or settings, so it is kept; remove it or choose another -o"
        )


def _check_from_scratch(config: PipelineConfig) -> None:
    for name, value in {"text.continue_from": config.text.continue_from, "words.vectors": config.words.vectors}.items():
        if value:
            raise ConfigError(f"settings are searched for a training from scratch: leave {name} out")
    if not config.words.epochs:
        raise ConfigError("words.epochs=0 trains nothing that settings could be found for: leave it out")


def _try(
    study: Study,
    search: _Search,
    measured: Development,
    target: Path,
    name: str,
    end: float,
    most: int | None,
) -> bool:
    """Try settings until the time or the trials are used up; return whether it was stopped by hand.

    Without a finished trial there is nothing to keep, and the interrupt goes on.
    """
    done, began = len(study.records), len(study.records)
    if done:
        write_tuned(target, name, _tuned(study, search, measured, interrupted=False))
    while (most is None or done < most) and (time.monotonic() < end or done == began):
        trial, places = study.ask()
        words = {setting: values[places[setting]] for setting, values in search.space.items()}
        try:
            tried = _trial(done, words, search, measured)
        except KeyboardInterrupt:
            study.fail(trial)
            search.listener(Stopped(_STAGE, f"interrupted; {done} trials are kept, the same command goes on"))
            if not done:
                raise
            return True
        except BaseException:
            study.fail(trial)
            raise
        study.tell(trial, tried.score, tried.to_json())
        done += 1
        tuned = _tuned(study, search, measured, interrupted=False)
        write_tuned(target, name, tuned)
        search.listener(StageFinished(f"trial {tried.number}", _line(tried, tuned), tried.seconds))
    return False


def _trial(number: int, words: Mapping[str, Value], search: _Search, measured: Development) -> TriedSettings:
    """Train once with these settings and measure every list of steps on what came out."""
    began, text, config = time.perf_counter(), search.text, search.config(words)
    trained = [
        train_words(
            text.train_text,
            text.vocabulary,
            text.n_train_lines,
            settings,
            held_out=text.validation if settings.patience else None,
            seed=config.seed,
            workers=1 if config.reproducible else n_cores(),
            listener=search.listener,
        )
        for settings in trainings(config.words).values()
    ]
    tables, probabilities = [(one.vectors, one.contexts) for one in trained], text.vocabulary.probabilities
    lists = []
    tried = step_lists(config.words, search.given)
    lengths = config.words.shortest_ngram, config.words.longest_ngram
    ngrams = shared_ngrams(text.vocabulary.tokens, lengths) if any(map(asks_for_ngrams, tried)) else None
    for steps in tried:
        figures = measured.figures(post_process(tables, probabilities, steps, ngrams=ngrams).vectors)
        lists.append(TriedList(steps, float(np.mean(list(figures.values()))), figures))
    lists.sort(key=lambda one: -one.score)
    return TriedSettings(number, words, round(time.perf_counter() - began, 3), lists)


def _tuned(study: Study, search: _Search, measured: Development, *, interrupted: bool) -> Tuned:
    trials = [TriedSettings.from_json(record) for record in study.records]
    ranked = sorted(trials, key=lambda trial: -trial.score)
    best, own = ranked[0], search.config({}).words.steps
    config = search.config({**best.words, "steps": best.lists[0].steps})
    chosen_on = dict.fromkeys([*config.probes.chosen_on, *(task.name for task in measured.tasks)])
    return Tuned(
        config.model_copy(update={"probes": config.probes.model_copy(update={"chosen_on": tuple(chosen_on)})}),
        ranked,
        next(one for one in trials[0].lists if one.steps == own),
        measured.described,
        measured.left_out,
        interrupted,
    )


def _line(tried: TriedSettings, tuned: Tuned) -> str:
    what = ", ".join(f"{name} {value}" for name, value in tried.words.items())
    place = "the best so far" if tried.number == tuned.best.number else f"best so far {tuned.best.score:.3f}"
    return f"{tried.score:.3f} ({place}): {what}, steps {', '.join(tried.lists[0].steps) or 'none'}"

"""What a search of settings found: its trials, the best settings, and the two files that hold them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedpipe.bundle.whole import temporary_sibling
from embedpipe.config import PipelineConfig
from embedpipe.pipeline.tune_space import Value
from embedpipe.settings import to_toml

__all__ = ["TriedList", "TriedSettings", "Tuned", "trials_file", "write_tuned"]


@dataclass(frozen=True)
class TriedList:
    """One list of steps on the vectors of a trial: the figure of each task, and their mean."""

    steps: tuple[str, ...]
    score: float
    figures: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the list as what JSON holds."""
        return {"steps": list(self.steps), "score": self.score, "figures": dict(self.figures)}


@dataclass(frozen=True)
class TriedSettings:
    """A trial: the settings that were searched, the seconds it took, and its lists of steps, the best one first."""

    number: int
    words: Mapping[str, Value]
    seconds: float
    lists: Sequence[TriedList]

    @property
    def score(self) -> float:
        """The score of its best list of steps."""
        return self.lists[0].score

    def to_json(self) -> dict[str, Any]:
        """Return the trial as what JSON holds, and `from_json` reads."""
        return {
            "number": self.number,
            "words": dict(self.words),
            "seconds": self.seconds,
            "lists": [one.to_json() for one in self.lists],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "TriedSettings":
        """Return the trial that `to_json` gave."""
        lists = [TriedList(tuple(one["steps"]), one["score"], one["figures"]) for one in content["lists"]]
        return cls(content["number"], content["words"], content["seconds"], lists)


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Parameters
    ----------
    config : the complete configuration with the best settings.
    trials : all trials, the best one first.
    preset : the preset's own settings and steps, which were tried first.
    optimised : the figure in words.
    left_out : tasks that could not be measured, a line for each.
    interrupted : whether it was stopped by hand.
    """

    config: PipelineConfig
    trials: Sequence[TriedSettings]
    preset: TriedList
    optimised: str
    left_out: Sequence[str]
    interrupted: bool

    @property
    def best(self) -> TriedSettings:
        """The trial with the highest score; the earliest of several."""
        return self.trials[0]

    def to_json(self) -> dict[str, Any]:
        """Return all but the configuration as what JSON holds."""
        return {
            "optimised": self.optimised,
            "left_out": list(self.left_out),
            "preset": self.preset.to_json(),
            "trials": [trial.to_json() for trial in self.trials],
        }


def trials_file(output: Path) -> Path:
    """Return where the table of trials stands.

    >>> trials_file(Path("best.toml")).name
    'best.trials.json'
    """
    return output.with_suffix(".trials.json")


def write_tuned(target: Path, search: str, tuned: Tuned) -> None:
    """Write the best settings to `target` and all trials beside it, with the fingerprint of the search.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    content = {"search": search, **tuned.to_json()}
    head = f"# The best of {len(tuned.trials)} trials by {tuned.optimised}: {tuned.best.score:.4f}.\n"
    pages = {
        trials_file(target): json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False),
        target: head + to_toml(tuned.config),
    }
    for path, page in pages.items():
        with temporary_sibling(path) as partial:
            partial.write_text(page, encoding="utf-8")

"""What a training of the sentence encoder gave: the network, how good it is on held-out rows, what chose it."""

import math
from dataclasses import dataclass
from typing import Any

from embedpipe.sentences.choosing import Figures
from embedpipe.sentences.network import SentenceNetwork

__all__ = ["Learnt", "TrainedEncoder"]


@dataclass(frozen=True, slots=True)
class Learnt:
    """How well the network does what one file of labelled data asks, on the rows that are held out.

    Parameters
    ----------
    name : the kind and the file.
    agreement : what the second of the figures is: accuracy, reciprocal rank or correlation.
    before, after : loss and agreement of the start and of the network; NaN where nothing is held out.
    n_train, n_held_out, n_dropped : rows.
    n_measured : rows of those held out that the figures are of.
    """

    name: str
    agreement: str
    before: Figures
    after: Figures
    n_train: int
    n_held_out: int
    n_dropped: int
    n_measured: int

    @property
    def result(self) -> dict[str, Any]:
        """The figures by name, those that could not be measured left out."""
        figures = {
            "start_loss": self.before[0],
            f"start_{self.agreement}": self.before[1],
            "loss": self.after[0],
            self.agreement: self.after[1],
        }
        rows = {"rows": self.n_train, "held_out": self.n_held_out, "measured": self.n_measured}
        rows["dropped"] = self.n_dropped
        return {"name": self.name, **rows, **_measured(figures)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedEncoder:
    """A trained network and how well it finds the neighbours of held-out sentences.

    Parameters
    ----------
    network : on the CPU, in evaluation mode.
    before, after : loss in nats and mean reciprocal rank on fixed pairs of the test split, for the start and for
        `network`; NaN where it has no neighbouring sentences.
    candidates : how many sentences a neighbour is to be found among; fewer where some of them are the same.
    best_step : the training step that `network` comes from.
    steps : the steps taken.
    stopped : why training ended before its plan, or None.
    weights : the objectives and their weights.
    chosen_by : the figures on held-out rows by which the state was chosen; none where the last one is returned.
    learnt : of each file of labelled data.
    notes : what was asked for and could not be had.
    curve : how the training went, as `training_curve` gives it; None where nothing was trained.
    """

    network: SentenceNetwork
    before: Figures
    after: Figures
    candidates: int
    best_step: int
    steps: int
    stopped: str | None
    weights: dict[str, float]
    chosen_by: tuple[str, ...] = ()
    learnt: tuple[Learnt, ...] = ()
    notes: tuple[str, ...] = ()
    curve: dict[str, Any] | None = None

    @property
    def summary(self) -> str:
        """The result in one line."""
        found = []
        if not math.isnan(self.after[0]):
            found.append(
                f"finds the next sentence among up to {self.candidates} with a mean reciprocal rank of "
                f"{self.after[1]:.3f} (1 is always first; at the start {self.before[1]:.3f})"
            )
        found += [
            f"{one.name} {one.agreement} {one.after[1]:.3f} (at the start: {one.before[1]:.3f})"
            for one in self.learnt
            if not math.isnan(one.after[1])
        ]
        if not found:
            found = ["no held-out neighbouring sentences or labelled rows to measure on"]
        by = f", by {' and '.join(self.chosen_by)} on held-out text" if self.chosen_by else ""
        return "; ".join([*found, f"best at step {self.best_step:,} of {self.steps:,}{by}", *self.notes])

    @property
    def result(self) -> dict[str, Any]:
        """The figures of the result; those that could not be measured are left out."""
        figures = {
            "neighbour_loss": self.after[0],
            "neighbour_reciprocal_rank": self.after[1],
            "start_loss": self.before[0],
            "start_reciprocal_rank": self.before[1],
            "best_step": self.best_step,
        }
        result: dict[str, Any] = {**_measured(figures), "objectives": self.weights}
        if self.chosen_by:
            result["chosen_by"] = list(self.chosen_by)
        if self.learnt:
            result["labelled"] = [one.result for one in self.learnt]
        if self.notes:
            result["notes"] = list(self.notes)
        if self.curve is not None:
            result["curve"] = self.curve
        return result


def _measured(figures: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if not math.isnan(value)}

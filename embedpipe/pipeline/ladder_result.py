"""What a ladder found: perplexities with intervals, and what each step is worth.

Two kinds of chance are in every interval and p-value. That of the *test text*: the rows of the sample are drawn again
(Efron, 1979), the same rows for all rungs, so that a difference is paired. That of the *training*: the spread between
the seeds of a rung, of which there are too few to be drawn again. Its variance is taken from all networks together, by
the median, so that one that diverges does not blur the others, and from the rung itself where it is larger there, which
is then known from a few seeds alone; the mean over so many seeds may be away by that much (Student, 1908). Seeds are
not paired: equal seeds of different networks have nothing in common. A cache reads with the networks of the rung below
it, so its chance is theirs and cancels out. Losses are averaged over seeds first; to draw rows and seeds as one pool
would take the tokens of one text, read several times, for so many texts.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.generation.units import perplexity_of
from embedpipe.pipeline.ladder_rungs import Rung, compared_with
from embedpipe.pipeline.ladder_trial import Trial
from embedpipe.plain import plain
from embedpipe.probes.resampling import bootstrap_means, paired_p_value, percentile_interval
from embedpipe.probes.statistics import holm

__all__ = ["Ladder", "Step", "ladder_result"]

_REPEATS = 10_000
_SURE = 0.05
_EVEN = 1.25
"""The speeds of seeds on a machine that does nothing else differ by less than this factor."""


@dataclass(frozen=True)
class Step:
    """A rung as it was measured, beside the one it is compared with.

    Parameters
    ----------
    rung : which.
    perplexities : on the test sample, seed by seed.
    perplexity, low, high : their geometric mean, and the 95 % interval of the one that more seeds and more text of the
        kind would give.
    seconds, tokens_per_second : medians over the seeds.
    n_parameters : numbers that were learnt; of counts, how many are kept.
    against : name of the rung that it is compared with; empty where none is.
    change, change_low, change_high : by what share its perplexity is above (or, negative, below) that of the other,
        with its 95 % interval.
    p_value : that the two are equal, two-sided; `p_corrected` is for all comparisons of the table (Holm, 1979).
    timelines : for each seed, seconds of training and the perplexity on the validation sample after them.
    notes, warnings : what else is to be known.
    """

    rung: Rung
    perplexities: tuple[float, ...]
    perplexity: float
    low: float
    high: float
    seconds: float
    tokens_per_second: float
    n_parameters: int
    against: str
    change: float
    change_low: float
    change_high: float
    p_value: float
    p_corrected: float
    timelines: tuple[tuple[tuple[float, float], ...], ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def untrained_kept(self) -> int:
        """In how many trainings no evaluation was better than the one before the first step, that state was kept."""
        return sum(len(line) > 1 and min(line, key=lambda point: point[1]) is line[0] for line in self.timelines)

    @property
    def says(self) -> str:
        """What the step is worth, in a sentence."""
        if not self.against:
            return f"{self.rung.name}: perplexity {self.perplexity:,.1f}"
        by = f"[{100 * self.change_low:+.1f} %, {100 * self.change_high:+.1f} %], p {_p(self.p_corrected)}"
        if not self.p_corrected < _SURE:
            return f"{self.rung.name}: no difference to {self.against} can be measured {by}"
        word = "below" if self.change < 0 else "above"
        return f"{self.rung.name}: perplexity {100 * abs(self.change):.1f} % {word} {self.against} {by}"


@dataclass(frozen=True)
class Ladder:
    """All rungs, and the conditions that were equal for them."""

    steps: Sequence[Step]
    conditions: Mapping[str, Any]

    @property
    def seeds(self) -> int:
        """Trainings of each rung."""
        return int(self.conditions["seeds"])

    def as_dict(self) -> dict[str, Any]:
        """Return the ladder for JSON: what is not a finite number is None."""
        steps = [{**asdict(step), "says": step.says} for step in self.steps]
        content: dict[str, Any] = plain({"conditions": dict(self.conditions), "steps": steps})
        return content


def ladder_result(
    trials: Mapping[str, Sequence[Trial]],
    rungs: Sequence[Rung],
    conditions: Mapping[str, Any],
    *,
    seed: int = 1,
    repeats: int = _REPEATS,
) -> Ladder:
    """Return what the trials say.

    Parameters
    ----------
    trials : by the name of a rung, one for each seed; all measured on the same sample.
    rungs : those that were tried, in order.
    conditions : what was equal for all; ``seeds`` is in it.
    seed : of the resamples.
    repeats : how many.
    """
    names = [rung.name for rung in rungs]
    means = {name: np.mean([trial.losses.mean(axis=1) for trial in trials[name]], axis=0) for name in names}
    drawn = dict(zip(names, bootstrap_means([means[name] for name in names], repeats=repeats, seed=seed), strict=True))
    for name, away in _training(trials, rungs, repeats, seed).items():
        drawn[name] = drawn[name] + away
    others = {rung.name: compared_with(rung, names) for rung in rungs}
    p_values = [paired_p_value(drawn[name], drawn[other]) if other else math.nan for name, other in others.items()]
    steps = [
        _step(rung, trials[rung.name], means, drawn, others[rung.name], p, corrected)
        for rung, p, corrected in zip(rungs, p_values, holm(p_values), strict=True)
    ]
    return Ladder(steps, conditions)


def _step(
    rung: Rung,
    trials: Sequence[Trial],
    means: Mapping[str, NDArray[np.float64]],
    drawn: Mapping[str, NDArray[np.float64]],
    other: str,
    p_value: float,
    corrected: float,
) -> Step:
    change = change_low = change_high = math.nan
    if other:
        change = perplexity_of(float(means[rung.name].mean() - means[other].mean())) - 1
        ends = percentile_interval(drawn[rung.name] - drawn[other])
        change_low, change_high = (perplexity_of(end) - 1 for end in ends)
    low, high = map(perplexity_of, percentile_interval(drawn[rung.name]))
    return Step(
        rung,
        tuple(trial.perplexity for trial in trials),
        perplexity_of(float(means[rung.name].mean())),
        low,
        high,
        float(np.median([trial.seconds for trial in trials])),
        float(np.median([trial.tokens_per_second for trial in trials])),
        trials[0].n_parameters,
        other,
        change,
        change_low,
        change_high,
        p_value,
        corrected,
        tuple(trial.timeline for trial in trials),
        _of_trainings([trial.notes for trial in trials]),
        _different([*(trial.warnings for trial in trials), _uneven(trials)]),
    )


def _training(
    trials: Mapping[str, Sequence[Trial]], rungs: Sequence[Rung], repeats: int, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Return draws of how far the mean over the seeds may be away, by rung; nothing for one seed, nor for counts."""
    from scipy.stats import chi2

    networks = [rung.name for rung in rungs if rung.kind == "network"]
    losses = {name: np.array([trial.losses.mean() for trial in trials[name]]) for name in networks}
    n_seeds = min(map(len, losses.values()), default=1)
    if n_seeds < 2:
        return {}
    own = {name: float(of_seeds.var(ddof=1)) for name, of_seeds in losses.items()}
    common = float(np.median(list(own.values()))) * (n_seeds - 1) / float(chi2.median(n_seeds - 1))
    rng, away = np.random.default_rng([seed, (n_seeds - 1) * len(networks)]), {}

    def student(freedom: int) -> NDArray[np.float64]:
        """Return draws of a standard deviation of 1, so that the tails become those of Student's t."""
        drawn: NDArray[np.float64] = np.sqrt(freedom / rng.chisquare(freedom, repeats))
        return drawn

    together = math.sqrt(common) * student((n_seeds - 1) * len(networks))
    for name, variance in own.items():
        spread = math.sqrt(variance) * student(n_seeds - 1) if variance > common else together
        away[name] = spread / math.sqrt(n_seeds) * rng.standard_normal(repeats)
    return away | {rung.name: away[rung.against] for rung in rungs if rung.kind == "cache"}


def _uneven(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Return a warning where the seeds of a rung were trained at different speeds."""
    speeds = [trial.tokens_per_second for trial in trials]
    if len(speeds) < 2 or max(speeds) <= _EVEN * min(speeds):
        return ()
    return (
        "trained at speeds that differ by more than a quarter between seeds: the machine did something else meanwhile, "
        "so that equal seconds were not equal work",
    )


def _different(notes: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for of_seed in notes for note in of_seed))


def _of_trainings(notes: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the notes of all seeds: once where they are the same for all, else with the training that each is of.

    >>> _of_trainings([["theta 1", "tuned"], ["theta 2", "tuned"]])
    ('theta 1 (training 1 of 2)', 'tuned', 'theta 2 (training 2 of 2)')
    """
    shared = set(notes[0]).intersection(*notes)
    told = [
        [note if note in shared else f"{note} (training {number} of {len(notes)})" for note in of_seed]
        for number, of_seed in enumerate(notes, 1)
    ]
    return _different(told)


def _p(value: float) -> str:
    """Return a p-value for a sentence.

    >>> _p(0.0004), _p(0.0312)
    ('< 0.001', '= 0.031')
    """
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"

"""The border to Optuna: which values are tried next, and the journal of what was tried.

Optuna's tree of Parzen estimators (Bergstra et al., 2011) sees places in ordered lists of values, so that it knows
which are near each other. The journal is a file of JSON lines, to which nothing but whole lines are ever added.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedpipe.errors import MissingExtraError, OutputError

if TYPE_CHECKING:
    import optuna

__all__ = ["Study", "check_optuna"]

_RECORD = "record"
_RANDOM = 6
"""Trials drawn by chance, the first among them, before the model of what is good has something to go by."""


def check_optuna() -> None:
    """Raise `MissingExtraError` where Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("optuna", "tune") from error


class Study:
    """Trials of one search, kept in a journal.

    Parameters
    ----------
    journal : the file; it may hold other studies.
    name : of this one: a later call with the same name goes on with its trials.
    sizes : how many values there are to try of each setting.
    first : place of the value of each setting that is tried first.
    seed : of what is drawn.

    Raises
    ------
    MissingExtraError
        If Optuna is not installed.
    OutputError
        If `journal` is not the journal of a search.
    """

    def __init__(
        self, journal: Path, name: str, sizes: Mapping[str, int], first: Mapping[str, int], *, seed: int
    ) -> None:
        check_optuna()
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        _drop_torn_line(journal)
        # The working folder is locked by the run: what a kill left of Optuna's own lock is nobody's.
        journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
        try:
            backend = JournalFileBackend(str(journal), JournalFileOpenLock(str(journal)))
            self._study = optuna.create_study(
                storage=JournalStorage(backend), study_name=name, direction="maximize", load_if_exists=True
            )
        except (ValueError, KeyError) as error:
            raise OutputError(f"{journal}: not the journal of a search: {error}; remove it") from error
        self._study.sampler = optuna.samplers.TPESampler(
            seed=(seed + len(self._study.trials)) % 2**32, n_startup_trials=_RANDOM, multivariate=True
        )
        self._values: dict[str, optuna.distributions.BaseDistribution] = {
            name: optuna.distributions.IntDistribution(0, size - 1) for name, size in sizes.items()
        }
        self._first = dict(first)
        for trial in self._study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
            self._fail(trial.number)

    @property
    def records(self) -> list[dict[str, Any]]:
        """What was said of each finished trial, in order."""
        from optuna.trial import TrialState

        finished = self._study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        return [trial.user_attrs[_RECORD] for trial in finished]

    def ask(self) -> tuple["optuna.Trial", dict[str, int]]:
        """Return a new trial and the place of the value of each setting that it is to try."""
        if not self.records:
            self._study.enqueue_trial(self._first)
        trial = self._study.ask(self._values)
        return trial, dict(trial.params)

    def tell(self, trial: "optuna.Trial", score: float, record: Mapping[str, Any]) -> None:
        """Finish a trial: its score, and a record of it that can be written as JSON."""
        trial.set_user_attr(_RECORD, dict(record))
        self._study.tell(trial, score)

    def fail(self, trial: "optuna.Trial") -> None:
        """Give a trial up."""
        self._fail(trial.number)

    def _fail(self, number: int) -> None:
        from optuna.trial import TrialState

        self._study.tell(number, state=TrialState.FAIL, skip_if_finished=True)


def _drop_torn_line(journal: Path) -> None:
    """Cut off what a kill or a full disk left of a line."""
    if not journal.is_file():
        return
    content = journal.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(journal, whole)
